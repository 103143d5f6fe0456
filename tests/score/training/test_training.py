"""The training loop and its losses."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors
from scoregeo.score.training.denoising import (
    NEAR,
    FiniteSampleLoss,
    RotatedDigitsLoss,
    ddpm_schedule,
    disturbed,
    draw_sigma,
    posterior_mean,
    v_of_clean,
)
from scoregeo.score.training.loop import CHECKPOINT, LOG, TrainingSettings, moving_average, train


class Killed(Exception):
    """Stands for a kill in the middle of a step."""


def tiny() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))


def loss(model: nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
    x = torch.randn(16, 2, generator=rng)
    return (model(x) - x.prod(1, keepdim=True)).square().mean()


SETTINGS = TrainingSettings(steps=30, lr=1e-2, warmup=5, checkpoint_every=10, log_every=5)


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole = train(tiny(), loss, SETTINGS, tmp_path / "whole", progress=False)

    def dies(model: nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        if step == 17:
            raise Killed
        return loss(model, step, rng)

    with pytest.raises(Killed):
        train(tiny(), dies, SETTINGS, tmp_path / "parts", progress=False)
    seen = []

    def counts(model: nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        seen.append(step)
        return loss(model, step, rng)

    resumed = train(tiny(), counts, SETTINGS, tmp_path / "parts", progress=False)
    assert seen == list(range(10, 30))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    states = [load_tensors(tmp_path / name / CHECKPOINT) for name in ("whole", "parts")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    logs = [
        [json.loads(line) for line in (tmp_path / n / LOG).read_text().splitlines()]
        for n in ("whole", "parts")
    ]
    assert [line["step"] for line in logs[0]] == [5, 10, 15, 20, 25, 30]
    assert [(line["step"], line["loss"]) for line in logs[0]] == [
        (line["step"], line["loss"]) for line in logs[1]
    ]


def test_the_loss_falls_and_the_global_generator_plays_no_part(tmp_path: Path) -> None:
    settings = TrainingSettings(steps=300, lr=1e-2, warmup=5, checkpoint_every=100, log_every=10)
    first = train(tiny(), loss, settings, tmp_path / "a", progress=False)
    lines = [json.loads(line)["loss"] for line in (tmp_path / "a" / LOG).read_text().splitlines()]
    assert lines[-1] < 0.2 * lines[0]
    model = tiny()
    torch.manual_seed(99)
    second = train(model, loss, settings, tmp_path / "b", progress=False)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_a_resumed_run_may_be_given_another_length(tmp_path: Path) -> None:
    train(tiny(), loss, SETTINGS, tmp_path, progress=False)
    train(
        tiny(),
        loss,
        TrainingSettings(steps=40, checkpoint_every=10, log_every=5),
        tmp_path,
        progress=False,
    )
    assert json.loads((tmp_path / LOG).read_text().splitlines()[-1])["step"] == 40


def test_learning_rate_rises_stays_and_falls_to_zero() -> None:
    settings = TrainingSettings(steps=1000, lr=2.0, warmup=100, cooldown=0.2)
    assert settings.rate(0) == pytest.approx(0.02)
    assert settings.rate(49) == pytest.approx(1.0)
    assert settings.rate(99) == settings.rate(800) == 2.0
    assert settings.rate(900) == pytest.approx(1.0)
    assert settings.rate(999) == pytest.approx(2.0 / 200)
    assert settings.rate(1000) == 0.0


def test_moving_average_is_the_weighted_sum_of_all_weights() -> None:
    settings = TrainingSettings(steps=10, ema=0.5)
    assert settings.decay(0) == pytest.approx(0.1)
    assert settings.decay(3) == pytest.approx(4 / 13)
    assert settings.decay(1000) == 0.5
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    average = moving_average(model, settings)
    expected = 1.0
    for step, value in enumerate((2.0, -1.0, 4.0)):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        expected = settings.decay(step) * expected + (1 - settings.decay(step)) * value
    assert average.module.weight.item() == pytest.approx(expected)


def test_checkpoints_of_another_seed_or_model_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    train(tiny(), loss, SETTINGS, tmp_path, progress=False)
    with pytest.raises(DataError, match="seed 0.*has 1"):
        train(tiny(), loss, TrainingSettings(steps=30, seed=1), tmp_path, progress=False)
    with pytest.raises(DataError, match="not a checkpoint of this model"):
        train(nn.Linear(2, 1), loss, SETTINGS, tmp_path, progress=False)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=CHECKPOINT):
        train(tiny(), loss, SETTINGS, tmp_path, progress=False)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="loss at step 0 is nan"):
        train(
            tiny(),
            lambda model, step, rng: loss(model, step, rng) * math.nan,
            SETTINGS,
            tmp_path,
            progress=False,
        )


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"lr": 0.0},
        {"ema": 1.0},
        {"cooldown": 1.5},
        {"warmup": -1},
        {"clip": 0.0},
        {"checkpoint_every": 30},
    ],
)
def test_bad_settings_name_their_key(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"training.{next(iter(change))} = "):
        TrainingSettings(**({"steps": 10} | change))  # type: ignore[arg-type]


def test_posterior_mean_against_brute_force() -> None:
    rng = torch.Generator().manual_seed(1)
    sample = 2 * torch.rand(40, 1, 5, 5, generator=rng) - 1
    sigma = torch.tensor([0.08, 0.3, 1.0, 4.0, 150.0])[:, None, None, None]
    x = sample[:5] + sigma * torch.randn(5, 1, 5, 5, generator=rng)
    expected = torch.zeros(5, 1, 5, 5, dtype=torch.float64)
    for b in range(5):
        logs = [
            -float((x[b] - y).double().square().sum()) / (2 * sigma[b].item() ** 2) for y in sample
        ]
        weights = [math.exp(value - max(logs)) for value in logs]
        expected[b] = sum(w * y.double() for w, y in zip(weights, sample, strict=True)) / sum(
            weights
        )
    assert torch.allclose(posterior_mean(x, sample, sigma).double(), expected, atol=1e-5)


def test_v_target_is_the_usual_one_on_the_shell_and_gives_the_denoised_image_back() -> None:
    rng = torch.Generator().manual_seed(2)
    clean, noise, other = torch.randn(3, 6, 1, 4, 4, generator=rng, dtype=torch.float64)
    sigma = torch.tensor([0.01, 0.1, 0.5, 1.0, 5.0, 150.0], dtype=torch.float64)[
        :, None, None, None
    ]
    root = (1 + sigma**2).sqrt()
    x = clean + sigma * noise
    abar = 1 / root**2
    assert torch.allclose(
        v_of_clean(x, clean, sigma), abar.sqrt() * noise - (1 - abar).sqrt() * clean
    )
    v = v_of_clean(x, other, sigma)  # off the shell too
    assert torch.allclose((x / root - sigma * v) / root, other)


def test_the_exact_posterior_mean_has_no_finite_sample_loss() -> None:
    rng = torch.Generator().manual_seed(4)
    sample = 2 * torch.rand(24, 1, 6, 6, generator=rng) - 1
    finite = FiniteSampleLoss(sample, rotations=8, batch=512)
    schedule = ddpm_schedule()

    def oracle(x_vp: torch.Tensor, timestep: torch.Tensor) -> SimpleNamespace:
        sigma = schedule.sigma(timestep).float()[:, None, None, None]
        x = x_vp * (1 + sigma**2).sqrt()
        return SimpleNamespace(sample=v_of_clean(x, posterior_mean(x, sample, sigma), sigma))

    exact = finite(oracle, 0, torch.Generator().manual_seed(5))  # type: ignore[arg-type]
    wrong = finite(lambda x, t: SimpleNamespace(sample=0 * x), 0, torch.Generator().manual_seed(5))  # type: ignore[arg-type]
    assert exact < 1e-4 * wrong


def test_finite_sample_inputs_are_on_the_shell_inside_it_and_between_data() -> None:
    rng = torch.Generator().manual_seed(6)
    sample = torch.rand(720, 1, 8, 8, generator=rng)
    x, sigma = FiniteSampleLoss(sample, rotations=360, batch=4000).draw(rng)
    assert x.shape == (4000, 1, 8, 8)
    assert sigma.shape == (4000, 1, 1, 1)
    nearest = torch.cdist(
        x.flatten(1), sample.flatten(1), compute_mode="donot_use_mm_for_euclid_dist"
    ).amin(1)
    assert (
        0.1 * 0.25 * 0.7 < float((nearest < 1e-4).float().mean()) < 0.1 * 0.25 * 1.5
    )  # exactly clean
    wide = float((sigma > NEAR[1]).float().mean())  # only the shell goes there
    assert 0.3 * 0.5 * 0.3 < wide < 0.3 * 0.5 * 0.7


def test_blends_are_of_rotations_of_one_digit_within_thirty_degrees() -> None:
    # The "digits" are unit vectors, so a blend's entries are its weights.
    sample = torch.eye(144).reshape(144, 1, 12, 12)
    digit, angle = torch.arange(2).repeat(1000), torch.arange(72).repeat(28)[:2000]
    blend = FiniteSampleLoss(sample, rotations=72, batch=2000)._blend(
        digit, angle, torch.Generator().manual_seed(10)
    )
    weights = blend.flatten(1).view(2000, 2, 72)
    assert torch.allclose(weights.sum((1, 2)), torch.ones(2000))
    assert (weights >= 0).all()
    assert (weights[torch.arange(2000), 1 - digit] == 0).all()
    turned = (torch.arange(72) - angle[:, None]) % 72  # in steps of 5 degrees
    assert (turned * (weights[torch.arange(2000), digit] > 0)).max() == 5


def test_passed_points_lie_on_the_rays_from_the_nearest_rotation_and_take_the_place_of_others() -> (
    None
):
    sample = torch.eye(144).reshape(144, 1, 12, 12)
    points = sample[[3, 80]] + 0.1 * sample[[50, 51]]  # nearest to images 3 and 80, 0.1 beside them
    finite = FiniteSampleLoss(sample, rotations=72, batch=4000, points=points)
    assert finite.nearest.tolist() == [3, 80]
    passed = finite._passed(torch.Generator().manual_seed(12)).flatten(1)
    share = (passed[:, 50] + passed[:, 51]) / 0.1
    assert torch.allclose(passed[:, 3] + passed[:, 80], torch.ones(4000))
    assert (
        float(share.min()) >= 0
        and 1.2 < float(share.max()) <= 1.25
        and abs(float(share.mean()) - 0.625) < 0.02
    )  # 3.5 deviations
    # A quarter of all inputs are these, and a quarter of those without noise: 250 of 4,000, three
    # deviations either way.
    x = finite.draw(torch.Generator().manual_seed(13))[0].flatten(1)
    still = ((x[:, 50] > 0) ^ (x[:, 51] > 0)) & ((x != 0).sum(1) == 2)
    assert 0.25 * 0.25 * 0.8 < float(still.float().mean()) < 0.25 * 0.25 * 1.2


def test_disturbed_digits_are_moved_half_a_pixel_and_shaded_a_little() -> None:
    count = 500
    ramp = torch.arange(28.0).sub(13.5).expand(count, 1, 28, 28)
    whole, middle = torch.ones(count), (..., slice(8, 20), slice(13, 15))

    def spread(ink: torch.Tensor) -> float:
        """Deviation of the ink that comes out, over pictures; of bicubic fields it is 0.6 to 1 of
        that at their nodes.
        """
        return float(
            (disturbed(ink - 1, whole, torch.Generator().manual_seed(11)) + 1)[middle].std(0).mean()
        )

    assert 0.6 * 0.03 < spread(0 * ramp) < 0.03  # no ink: what is added
    assert (
        0.6 * 0.15 < spread(0 * ramp + 1) < 1.05 * 0.15
    )  # ink 1 everywhere: its scale, and a little of what is added
    assert (
        0.6 * 0.5 < spread(ramp) < 1.05 * 0.5
    )  # ink that grows by 1 a pixel, near its zero: the displacement
    x = ramp / 14
    assert torch.allclose(disturbed(x, 0 * whole, torch.Generator().manual_seed(11)), x, atol=1e-5)


def test_sigma_is_of_a_uniform_timestep_or_log_uniform() -> None:
    schedule = ddpm_schedule()
    wide = torch.arange(4000) < 2000
    sigma = draw_sigma(4000, schedule, wide, torch.Generator().manual_seed(7)).flatten()
    steps = schedule.timestep(sigma[wide])
    assert abs(float(steps.mean()) - 499.5) < 20
    assert sigma[~wide].min() >= NEAR[0] * 0.999
    assert sigma[~wide].max() <= NEAR[1] * 1.001
    assert float(sigma[~wide].log().mean()) == pytest.approx(
        math.log(NEAR[0] * NEAR[1]) / 2, abs=0.1
    )


def test_rotated_digits_loss_draws_from_its_generator_alone() -> None:
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(8)) * 2 - 1
    draw = RotatedDigitsLoss(images, 7).draw
    first = draw(torch.Generator().manual_seed(9))
    assert first.shape == (7, 1, 28, 28)
    assert torch.equal(first, draw(torch.Generator().manual_seed(9)))
