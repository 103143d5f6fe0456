"""The score of the uniform distribution on a known manifold, blurred, by quadrature."""

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import check_noise_level
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.field import ScoreField, field_at


def manifold_score(
    dataset: AbstractDataset,
    seed: int,
    sigma: float | None = None,
    timestep: float | None = None,
    nodes_per_sigma: float = 1.25,
    chunk_mb: int = 256,
) -> ScoreField:
    """`p = sum_i w_i N(x; y_i, sigma^2 I)` over the dataset's quadrature nodes, at most
    `sigma / nodes_per_sigma` apart.

    For spacing h along a flat direction the relative error of p is `2 exp(-2 pi^2 sigma^2 / h^2)`
    (Poisson summation), 8e-14 at the default; on a curved manifold it grows towards the outside,
    where the blur covers less of it. One evaluation costs as much as the empirical score of as many
    points: volume of the manifold / spacing^dimension.

    Raises: ConfigError for a dataset without quadrature, a bad noise level, and a number of nodes
    out of reach.
    """
    check_number("score.nodes_per_sigma", nodes_per_sigma, above=0)
    check_number("score.chunk_mb", chunk_mb, at_least=1, integer=True)
    if type(dataset).quadrature is AbstractDataset.quadrature:
        raise ConfigError(
            "score = 'manifold' needs a dataset that knows its manifold's volume (surfaces,"
            f" curves, flat_torus, rotation_group), not {type(dataset).__name__}: take"
            " score=empirical."
        )
    if sigma is None or timestep is not None:
        raise ConfigError(
            f"score.sigma = {sigma!r}, score.timestep = {timestep!r}: score = 'manifold' takes a"
            " sigma, and no timestep."
        )
    check_noise_level(sigma)
    found = dataset.quadrature(sigma / nodes_per_sigma)
    assert found is not None
    nodes, weights = found
    return field_at(EmpiricalScore(nodes, chunk_mb * 2**20, weights), sigma)
