"""Rules that pick the noise level from a score and points of its data: `score.sigma=auto` and
`score.sigma=auto_ridge`.
"""

import logging
import math
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, DataError, check_choice
from scoregeo.score.base import AUTO, AUTO_RIDGE, RULES, AbstractScore
from scoregeo.score.divergence import divergence
from scoregeo.score.field import ScoreField

log = logging.getLogger(__name__)

POINTS = 256  # of the data, that no score has seen, on which a rule looks
OUTSIDE = 0.55  # |D(x) - x| / sigma at which hypersurfaces are taken
_OCTAVES = 9  # of noise levels, downwards from the data's own scale
_STEPS = 4  # levels an octave
_MOST_AXES = 16  # beyond it the divergence is estimated from as many probes
_FLAT = 1e-6  # singular values below this share of the largest count as none


@dataclass(frozen=True)
class NoiseProfile:
    """Median denoising shift `|D(x, sigma) - x| = sigma^2 |s(x, sigma)|` of points of the data, by
    noise level; [levels] each.

    `sigma` rises by equal factors. `shift` in data units; `share` is `shift / sigma`, without
    units.
    """

    sigma: torch.Tensor
    shift: torch.Tensor

    @property
    def share(self) -> torch.Tensor:
        """How far from their denoised positions the points lie, in sigma."""
        return self.shift / self.sigma

    @property
    def smallest_shift(self) -> int:
        """The level at which the points move least: below it the score sees single points, above it
        the data's curvature.
        """
        return int(self.shift.argmin())

    @property
    def smallest_share(self) -> int:
        """The level at which the points lie deepest within the ridge of the density, whose width is
        sigma.
        """
        return int(self.share.argmin())


@dataclass(frozen=True)
class NoiseChoice:
    """A noise level `sigma`, in data units, and the sentence that says how it was found."""

    sigma: float
    reason: str


def data_scale(x: torch.Tensor) -> float:
    """Root mean square distance of points [points, *shape] from their mean, in data units."""
    flat = x.double().flatten(1)
    return float((flat - flat.mean(0)).square().sum(1).mean().sqrt())


@torch.no_grad()
def noise_profile(score: AbstractScore, x: torch.Tensor) -> NoiseProfile:
    """The profile at points `x` [points, *shape] of the data that the score was not made of.

    Levels run over nine octaves, four an octave, up to the root mean square distance of the points
    from their mean, as far as the score allows. At most 37 score evaluations a point. Raises
    DataError where fewer than two points differ, ConfigError where the score allows fewer than two
    of the levels.
    """
    scale = data_scale(x)
    if len(x) < 2 or not scale > 0:
        raise DataError(
            f"a noise level is chosen on points that differ; {len(x)} were given, {scale:g} apart."
        )
    low, high = score.sigma_range
    levels = [scale * 2 ** (-k / _STEPS) for k in range(_OCTAVES * _STEPS, -1, -1)]
    levels = [level for level in levels if low <= level <= high]
    if len(levels) < 2:
        raise ConfigError(
            f"score.sigma cannot be chosen: data of size {scale:.3g}, and a score for noise levels"
            f" {low:.3g} to {high:.3g}; give a number."
        )
    shift = [
        float((level**2 * score.score(x, level).double().flatten(1).norm(dim=1)).median())
        for level in levels
    ]
    return NoiseProfile(
        torch.tensor(levels, dtype=torch.float64), torch.tensor(shift, dtype=torch.float64)
    )


def choose_noise_level(score: AbstractScore, x: torch.Tensor, rule: str = AUTO) -> NoiseChoice:
    """The noise level for geodesics of `score`, from points `x` [points, *shape] of the data that
    it was not made of.

    With `b(sigma)` the median of `|D(x) - x|`, D the denoiser, d the dimension
    `trace(I + sigma^2 J)` where b is smallest (rounded), and r the rank of the points about their
    mean:

        auto        d = r - 1 >= 2:
        the least sigma, above the minimum of b / sigma, with b / sigma = 0.55
                    else:                   argmin_sigma b(sigma)
        auto_ridge                          argmin_sigma b(sigma) / sigma

    `auto` is for `stein` with a large weight (1,000), which keeps a geodesic on a level set of log
    p, and for the greatest distance to the true one. A finite sample roughens that set at small
    sigma. Around a hypersurface it is two sheets, a ridge of height `(b / sigma)^2 / 2` (to first
    order) between them; from b = 0.4 to 0.5 sigma on this kept all paths of the surfaces of design
    on the outer sheet, which is smooth, and not yet far from the data. Where there are more normal
    directions the level set goes round the ridge and a path slides to the inside; on a curve
    roughness leads nowhere: there the least shift is best. `auto_ridge` is for `conformal`, whose
    geodesics follow the ridge: the level at which the data lie deepest in it.

    Both scale with the data, and ignore rotations and flat directions. Costs 37 score evaluations a
    point, and for `auto` three more for each of at most 16 axes or probes. Made on samples of
    sphere, circle, closed curve, torus, ellipsoid and Clifford torus; `make sigma-auto` tests it on
    others, `results/sigma_auto/table.md` has what came out.

    Raises: ConfigError for another rule; as `noise_profile`.
    """
    check_choice("score.sigma", rule, RULES)
    profile = noise_profile(score, x)
    if rule == AUTO_RIDGE:
        return _at(
            profile,
            profile.smallest_share,
            "the data lie deepest within the ridge of the density, {share:.2g} sigma off it",
        )
    least = profile.smallest_shift
    dimension, rank = _dimension(score, x, float(profile.sigma[least])), _rank(x)
    about = f"dimension {dimension:.2f} of {rank}"
    if round(dimension) < 2 or rank - round(dimension) != 1:
        return _at(profile, least, f"{about}, the least denoising shift, {{shift:.2g}}")
    return _outside(profile, about)


def auto_field(score: AbstractScore, x: torch.Tensor, rule: str) -> ScoreField:
    """The field of `score` at the level that `choose_noise_level` finds on `x`; it is logged, and
    kept as the field's note.
    """
    found = choose_noise_level(score, x, rule)
    note = f"Noise level: score.sigma={rule} chose {found.sigma:.4g} ({found.reason})."
    log.info(note)
    return ScoreField(score, found.sigma, note)


def _at(profile: NoiseProfile, level: int, reason: str) -> NoiseChoice:
    shift, share = float(profile.shift[level]), float(profile.share[level])
    edge = "" if 0 < level < len(profile.sigma) - 1 else ", at the end of the levels tried"
    return NoiseChoice(float(profile.sigma[level]), reason.format(shift=shift, share=share) + edge)


def _outside(profile: NoiseProfile, about: str) -> NoiseChoice:
    """Where the share first reaches `OUTSIDE` above its minimum, log-linear between levels."""
    start, share, log_sigma = profile.smallest_share, profile.share, profile.sigma.log()
    above = (share[start:] >= OUTSIDE).nonzero()
    if len(above) == 0:
        highest = start + int(share[start:].argmax())
        return _at(
            profile,
            highest,
            f"{about}, the data lie farthest outside the ridge, {{share:.2g}} sigma; {OUTSIDE} is"
            " not reached",
        )
    upper = start + int(above[0])
    sigma = float(log_sigma[upper].exp())
    if upper > start:
        part = (OUTSIDE - share[upper - 1]) / (share[upper] - share[upper - 1])
        sigma = math.exp(
            float(log_sigma[upper - 1] + part * (log_sigma[upper] - log_sigma[upper - 1]))
        )
    return NoiseChoice(sigma, f"{about}, the data lie {OUTSIDE} sigma outside the ridge")


def _dimension(score: AbstractScore, x: torch.Tensor, sigma: float) -> float:
    """Mean of `trace(I + sigma^2 J)` over the points; on a finite sample it is skewed, and its
    median too small.
    """
    size = x[0].numel()
    found = divergence(ScoreField(score, sigma), x, None if size <= _MOST_AXES else _MOST_AXES)
    return float((size + sigma**2 * found).mean())


def _rank(x: torch.Tensor) -> int:
    """Dimension of the affine space that the points span: along flat directions every score only
    points back.
    """
    flat = x.double().flatten(1)
    singular = torch.linalg.svdvals(flat - flat.mean(0))
    return int((singular > _FLAT * singular[0]).sum())
