"""What every metric must satisfy, and what the base class makes of the inner product."""

from collections.abc import Callable

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.given import VECTORS
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture, wavy

SIGMA = 0.4
METRICS: dict[str, Callable[[ScoreField], AbstractMetric]] = {
    "stein": lambda field: SteinMetric(field, 7.0),
    "pullback": lambda field: PullbackMetric(field, 0.5),
    "conformal": lambda field: ConformalMetric(field, 0.3),
    "euclidean": EuclideanMetric,
}


class ImageScore(AbstractScore):
    """The mixture's score on points of shape [1, 2, 2]."""

    shape = (1, 2, 2)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return mixture()._score(x.flatten(1), sigma).view(x.shape)


@pytest.fixture(params=METRICS)
def make(request: pytest.FixtureRequest) -> Callable[[AbstractScore], AbstractMetric]:
    return lambda score: METRICS[request.param](ScoreField(score, SIGMA))


Make = Callable[[AbstractScore], AbstractMetric]


def draw(count: int, batch: int = 6) -> torch.Tensor:
    return torch.randn(
        count, batch, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


def test_name_is_the_option(make: Make) -> None:
    metric = make(mixture())
    assert METRICS[metric.name] and type(metric).__module__ == f"scoregeo.metric.{metric.name}"


def test_inner_product_is_symmetric_bilinear_and_positive(make: Make) -> None:
    metric = make(mixture())
    x, u, v, w = draw(4)
    close = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(metric.inner(x, u, v), metric.inner(x, v, u), **close)
    torch.testing.assert_close(
        metric.inner(x, 2 * u + w, v), 2 * metric.inner(x, u, v) + metric.inner(x, w, v), **close
    )
    assert (metric.inner(x, v, v) > 0).all()
    torch.testing.assert_close(metric.norm(x, 3 * v), 3 * metric.norm(x, v), **close)
    matrix = metric.matrix(x)
    torch.testing.assert_close(matrix, matrix.mT, **close)
    torch.testing.assert_close((metric.apply(x, v) * u).sum(1), metric.inner(x, u, v), **close)


def test_inverse_and_volume_are_those_of_the_matrix(make: Make) -> None:
    metric = make(mixture())
    if not isinstance(metric, AbstractClosedFormMetric):
        assert metric.name == "pullback" and not hasattr(metric, "inverse")
        return
    x, v = draw(2)
    torch.testing.assert_close(metric.inverse(x, metric.apply(x, v)), v, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        metric.log_volume(x), metric.matrix(x).logdet() / 2, rtol=1e-10, atol=1e-12
    )


def test_energy_of_short_segments_is_the_inner_product(make: Make) -> None:
    # One segment of length h: E tends to <d, d>_x / 2 at its middle, with an error of order h^2,
    # here h^2 times about 100.
    metric = make(mixture())
    x, v = draw(2)
    h = 1e-4
    ends = torch.stack([x - h / 2 * v, x + h / 2 * v], 1)
    measured = metric.measure(ends, Quadrature("trapezoid", 2))
    expected = metric.inner(x, h * v, h * v)
    if metric.name == "conformal":  # on a path the unit is that of its first point
        expected = expected / metric.inner(ends[:, 0], v, v) * v.square().sum(1)
    torch.testing.assert_close(2 * measured.energy, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(measured.length, expected.sqrt(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("points", [3, 9])
def test_gradient_is_that_of_the_energy(make: Make, points: int) -> None:
    # The forward-only gradients are exact for an exact log density, which a fine rule gives.
    metric, path, rule = (
        make(mixture()),
        wavy(points),
        Quadrature("simpson", 32 if points == 9 else 128),
    )
    gradient = metric.gradient(path, rule)
    assert gradient.dtype == torch.float64 and gradient.shape == path[:, 1:-1].shape
    torch.testing.assert_close(
        gradient, autograd_gradient(metric, path, rule), rtol=1e-6, atol=1e-6
    )
    moved = torch.zeros_like(path)
    moved[:, 1:-1] = torch.randn(
        points - 2, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    difference = (
        metric.energy(path + 1e-5 * moved, rule) - metric.energy(path - 1e-5 * moved, rule)
    ) / 2e-5
    torch.testing.assert_close(
        (gradient * moved[:, 1:-1]).sum((1, 2)), difference, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    "rule", [Quadrature("trapezoid", 2), Quadrature("simpson"), Quadrature("midpoint")], ids=str
)
def test_pairs_and_shapes_do_not_matter(make: Make, rule: Quadrature) -> None:
    flat, image = make(mixture()), make(ImageScore())
    paths = torch.cat([wavy(7), wavy(7).flip(2)])
    pictures = paths.view(2, 7, 1, 2, 2)
    for name in ("energy", "length"):
        whole = getattr(flat, name)(paths, rule)
        torch.testing.assert_close(
            whole,
            torch.cat([getattr(flat, name)(p[None], rule) for p in paths]),
            rtol=1e-12,
            atol=0,
        )
        torch.testing.assert_close(whole, getattr(image, name)(pictures, rule), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        image.gradient(pictures, rule).flatten(2),
        flat.gradient(paths, rule),
        rtol=1e-10,
        atol=1e-10,
    )
    x, u, v = draw(3)
    boxes = [t.view(-1, 1, 2, 2) for t in (x, u, v)]
    torch.testing.assert_close(image.inner(*boxes), flat.inner(x, u, v), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        image.apply(*boxes[:2]).flatten(1), flat.apply(x, u), rtol=1e-10, atol=1e-10
    )
    if isinstance(image, AbstractClosedFormMetric) and isinstance(flat, AbstractClosedFormMetric):
        for box, straight in (
            (image.christoffel(*boxes), flat.christoffel(x, u, v)),
            (image.inverse(*boxes[:2]), flat.inverse(x, u)),
        ):
            torch.testing.assert_close(box.flatten(1), straight, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            image.sectional_curvature(*boxes),
            flat.sectional_curvature(x, u, v),
            rtol=1e-8,
            atol=1e-10,
        )


def test_energy_and_gradient_in_float32(make: Make) -> None:
    # Rounding of a score of length about 10 by 1e-7, in an energy whose residuals are differences
    # of such: 1e-4 at most.
    metric, rule = make(mixture()), Quadrature("trapezoid", 2)
    single = make(type(mixture())(mixture().centres.float()))
    path = wavy(9)
    measured = single.measure(path.float(), rule)
    assert (
        measured.energy.dtype
        == measured.length.dtype
        == measured.lower_bound.dtype
        == torch.float64
    )
    torch.testing.assert_close(measured.energy, metric.energy(path, rule), rtol=1e-4, atol=0)
    gradient = metric.gradient(path, rule)
    scale = float(gradient.abs().max())
    torch.testing.assert_close(
        single.gradient(path.float(), rule), gradient, rtol=1e-4, atol=1e-4 * scale
    )


def test_ends_only_have_an_empty_gradient(make: Make) -> None:
    assert make(mixture()).gradient(wavy(2), Quadrature()).shape == (1, 0, 4)


def test_autograd_gradient_counts_a_backward_pass_as_two() -> None:
    counted, rule = CountingScore(mixture()), Quadrature("simpson", 2)
    autograd_gradient(SteinMetric(ScoreField(counted, SIGMA), 7.0), wavy(9), rule)
    assert counted.count == 3 * rule.evaluations(9)
    SteinMetric(ScoreField(counted, SIGMA), 7.0).gradient(wavy(9), rule)
    assert counted.count == 4 * rule.evaluations(9)


def test_a_large_matrix_is_refused() -> None:
    with pytest.raises(ConfigError, match="513 numbers.*at most 512"):
        EuclideanMetric().matrix(torch.zeros(1, 513))
    assert EuclideanMetric().matrix(torch.zeros(1, 512)).shape == (1, 512, 512)


@pytest.mark.parametrize("rule", [Quadrature(), Quadrature("midpoint", 3)], ids=str)
def test_euclidean_metric_costs_nothing_and_is_flat(rule: Quadrature) -> None:
    counted = CountingScore(mixture())
    metric, path = EuclideanMetric(ScoreField(counted, SIGMA)), wavy(9)
    measured = metric.measure(path, rule)
    steps = path[0].diff(dim=0)
    torch.testing.assert_close(measured.energy[0], 4 * steps.square().sum(), rtol=1e-12, atol=0)
    torch.testing.assert_close(measured.length[0], steps.norm(dim=1).sum(), rtol=1e-12, atol=0)
    x, u, v = draw(3)
    assert (
        metric.christoffel(x, u, v).abs().max()
        == 0
        == metric.sectional_curvature(x, u, v).abs().max()
    )
    assert metric.sectional_curvature(x, u, 2 * u).isnan().all() and counted.count == 0


@pytest.mark.parametrize("name", METRICS)
def test_a_score_in_place_of_a_field_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"field = .* must be a scoregeo.ScoreField"):
        METRICS[name](mixture())  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["trapezoid", None])
def test_the_name_of_a_quadrature_is_refused(make: Make, rule: object) -> None:
    metric = make(mixture())
    for measure in (metric.energy, metric.length):
        with pytest.raises(ConfigError, match=f"quadrature = {rule!r} .*Quadrature"):
            measure(wavy(5), rule)  # type: ignore[arg-type]


def test_what_is_no_path_is_refused(make: Make) -> None:
    metric = make(mixture())
    for path in (wavy(5)[0], wavy(5)[:, :1], wavy(5)[..., :0]):
        for operation in (metric.energy, metric.length, metric.measure, metric.gradient):
            with pytest.raises(DataError, match=r"path has shape .*points >= 2"):
                operation(path, Quadrature())
            with pytest.raises(DataError, match=r"path is of torch.bool"):
                operation(path > 0, Quadrature())


def refuse_other_vectors(metric: AbstractMetric) -> None:
    """Every operation at points refuses vectors of another shape than theirs, and what is none."""
    x, v = draw(2)
    wrong = (
        (x, v[:3]),
        (x, v[:, :2]),
        (x, v[:1]),
        (x[0], v[0]),
        (x[:, :0], v[:, :0]),
        (x, v.tolist()),
        (None, v),
        (x, v.int()),
        (x.int(), v),
    )
    pairwise = ("inner", "christoffel", "sectional_curvature")
    for name in VECTORS:
        operation = getattr(metric, name, None)
        for points, vector in wrong if operation and VECTORS[name] else ():
            arguments = (points, v, vector) if name in pairwise else (points, vector)
            with pytest.raises(DataError, match=r"(x|u|v|momentum) (has shape|is)"):
                operation(*arguments)
    with pytest.raises(DataError, match=r"v has shape \[3, 4\], the points x \[6, 4\]"):
        metric.norm(x, v=v[:3])
    if hasattr(metric, "log_volume"):
        with pytest.raises(DataError, match=r"x has shape \[4\]; points"):
            metric.log_volume(x[0])


def test_vectors_of_another_shape_than_their_points_are_refused(make: Make) -> None:
    refuse_other_vectors(make(mixture()))
