"""FID and KID of features: torchmetrics' values, closed forms, and values of weighted pairs."""

import warnings

import torch
from torch import nn


def torchmetrics_fid(features: torch.Tensor, reference: torch.Tensor) -> float:
    """FID by torchmetrics, in float64, of features [n, d] and [m, d] already computed."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_given_features(features.shape[1]))
    metric.update(reference, real=True)
    metric.update(features, real=False)
    return max(
        float(metric.compute()), 0.0
    )  # rounding may leave a distance of equal sets just below 0


def torchmetrics_kid(
    features: torch.Tensor, reference: torch.Tensor, *, subset_size: int, subsets: int, seed: int
) -> tuple[float, float]:
    """KID by torchmetrics (cubic kernel): mean and standard deviation over random subsets, of
    features [n, d] and [m, d].
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it keeps the features, which we hold anyway
        metric = KernelInceptionDistance(
            feature=_given_features(features.shape[1]), subsets=subsets, subset_size=subset_size
        )
    metric.update(reference, real=True)
    metric.update(features, real=False)
    with torch.random.fork_rng(
        devices=[]
    ):  # torchmetrics draws its subsets from the global generator
        torch.manual_seed(seed)
        mean, spread = metric.compute()
    return float(mean), float(spread)


def gaussian_frechet(
    mean_a: torch.Tensor, cov_a: torch.Tensor, mean_b: torch.Tensor, cov_b: torch.Tensor
) -> float:
    """`|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`, the squared Frechet distance of two
    Gaussians (float64).

    Means [d], symmetric positive semidefinite covariances [d, d] (Dowson and Landau 1982).
    """
    cross = nuclear_norm(_factor(cov_a).T @ _factor(cov_b))
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def frechet_distance(features: torch.Tensor, reference: torch.Tensor) -> float:
    """FID of features [n, d] and [m, d], n, m >= 2, in closed form and float64; covariances divide
    by n - 1.
    """
    return gaussian_frechet(
        features.mean(0), features.T.cov(), reference.mean(0), reference.T.cov()
    )


def polynomial_mmd(features: torch.Tensor, reference: torch.Tensor) -> float:
    """The squared maximum mean discrepancy of all images, kernel `(x.y / d + 1)^3`, unbiased for
    independent ones: KID without subsets (Gretton et al. 2012, lemma 6).

    Of `f` frames each of `p` pairs it is too high by `(f - 1) / (p f - 1) (same - other)` on
    average: the mean kernel of two frames of one pair less that of frames of two pairs.
    """
    n, m = len(features), len(reference)
    k_xx, k_yy, k_xy = (
        _kernel(features, features),
        _kernel(reference, reference),
        _kernel(features, reference),
    )
    within = (k_xx.sum() - k_xx.trace()) / (n * (n - 1)) + (k_yy.sum() - k_yy.trace()) / (
        m * (m - 1)
    )
    return float(within - 2 * k_xy.mean())


def weighted_fid(
    features: torch.Tensor, reference: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """FID of features [pairs, frames, d] with each pair held as often as a row of `weights` [rows,
    pairs] says: [rows].
    """
    flat, frames = features.flatten(0, 1), features.shape[1]
    ref_mean = reference.mean(0)
    ref_factor = _reference_factor(reference)
    ref_trace, projected = ref_factor.square().sum(), flat @ ref_factor
    values = []
    for weight in weights.repeat_interleave(frames, 1):
        held, count = weight > 0, weight.sum()
        mean, share = weight @ flat / count, (weight[held] / (count - 1)).sqrt()[:, None]
        rows = (flat[held] - mean) * share  # rows^T rows is the covariance
        cross = nuclear_norm((projected[held] - mean @ ref_factor) * share)
        values.append(
            (mean - ref_mean).square().sum() + rows.square().sum() + ref_trace - 2 * cross
        )
    return torch.stack(values)


def weighted_kid(
    features: torch.Tensor, reference: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """KID, as `weighted_fid`, over all frames, less the part the fixed reference has with itself.

    A frame is never compared with a copy of itself, or repeats would raise the value.
    """
    pairs, frames = features.shape[:2]
    flat = features.flatten(0, 1)
    k_xx = _kernel(flat, flat)
    blocks = k_xx.reshape(pairs, frames, pairs, frames).sum((1, 3))
    own = k_xx.diagonal().reshape(pairs, frames).sum(1)
    cross = _kernel(flat, reference).mean(1).reshape(pairs, frames).sum(1)
    total = weights.sum(1) * frames
    comparisons = total.square() - weights.square().sum(1) * frames
    within = ((weights @ blocks * weights).sum(1) - weights.square() @ own) / comparisons.clamp_min(
        1
    )
    return within - 2 * weights @ cross / total


def nuclear_norm(matrix: torch.Tensor) -> torch.Tensor:
    """Sum of the singular values of a float64 matrix, by the eigenvalues of its smaller Gram
    matrix: an eighth of the time of a singular value decomposition.

    A singular value below 1e-8 of the largest is lost in rounding, and one that is zero may add as
    much: an error of at most 1e-8 of the largest for each.
    """
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().sum()


def _kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a @ b.T / a.shape[1] + 1).pow(3)


def _factor(covariance: torch.Tensor) -> torch.Tensor:
    """F [d, d] with `F F^T` the covariance, also where that is singular."""
    values, vectors = torch.linalg.eigh(covariance.double())
    return vectors * values.clamp_min(0).sqrt()


def _reference_factor(reference: torch.Tensor) -> torch.Tensor:
    """F [d, at most d] with `F F^T` the covariance of `reference` [m, d]; of fewer images than d,
    their own m columns.
    """
    count, size = reference.shape
    return (
        (reference - reference.mean(0)).T / (count - 1) ** 0.5
        if count < size
        else _factor(reference.T.cov())
    )


def _given_features(count: int) -> nn.Module:
    """A feature network for torchmetrics that passes features on as they are."""
    module = nn.Identity()
    module.num_features = count  # type: ignore[assignment]  # where torchmetrics looks for the feature count
    return module
