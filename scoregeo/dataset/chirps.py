"""One chirp at every circular delay: a closed curve of a codimension of hundreds."""

import math

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, check_above, check_length, check_number
from scoregeo._utils.memory import check_count
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of
from scoregeo.dataset.sound import Sound

_FINER = 16  # delays a sample, among which the nearest is looked for first
_STEPS = 6  # of Newton's method
_EMPTY = 1e-6  # share of the chirp's norm in its highest frequency: above it, the rate is too low


class Chirps(AbstractDataset):
    """`x_i = s(i / rate - tau)` of one chirp s of period T = samples / rate, uniform in tau; points
    [samples], float64.

    s is a trigonometric polynomial, `sum_k c_k exp(2 pi i k t / T)`: the interpolant of
    `exp(-(t / width)^2 / 2) cos(2 pi (low + high) t / 2 + pi sweep t^2)`, t from the middle, whose
    pitch sweeps from low to high within two widths on either side, scaled to norm 1. By Parseval's
    theorem the curve's speed is the same everywhere, `sqrt(n sum_k (2 pi k / T)^2 |c_k|^2)`, and so
    are all of its curvatures. The geodesic between two points is the shorter of the two arcs; the
    delay glides evenly. `Pairs.truth` [pairs, 2] holds the delays of both ends, seconds, the
    second's so that the shorter way is straight.
    """

    def __init__(
        self,
        samples: int = 512,
        rate: float = 8000.0,
        low: float = 100.0,
        high: float = 500.0,
        width: float = 0.006,
        num_pairs: int = 8,
        min_delay: float = 0.0005,
        max_delay: float = 0.004,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            samples: n, of a frame. rate: samples a second. low, high: Hz, below rate / 2.
            width: standard deviation of the chirp's envelope, seconds, at most a tenth of a frame.
            num_pairs: pairs drawn from the seed.
            min_delay, max_delay: seconds between the ends, below half a frame.

        Raises: ConfigError for anything else, and for a chirp that the rate does not hold.
        """
        check_number("dataset.samples", samples, at_least=16, integer=True)
        check_count("dataset.num_pairs", num_pairs, 2 * samples, "so many pairs")
        check_length("dataset.rate", rate)
        check_number("dataset.low", low, above=0.0)
        check_number("dataset.high", high, below=rate / 2)
        check_above("dataset.high", high, "dataset.low", low)
        self.samples, self.rate, self.num_pairs = samples, float(rate), num_pairs
        self.period = samples / self.rate
        check_number("dataset.width", width, above=0.0, at_most=self.period / 10)
        check_number("dataset.min_delay", min_delay, above=0.0, below=self.period / 2)
        check_number("dataset.max_delay", max_delay, below=self.period / 2)
        check_above("dataset.max_delay", max_delay, "dataset.min_delay", min_delay)
        self.min_delay, self.max_delay = float(min_delay), float(max_delay)
        t = (np.arange(samples) - samples / 2) / self.rate
        sweep = (high - low) / (4 * width)
        chirp = np.exp(-((t / width) ** 2) / 2) * np.cos(
            math.pi * (low + high) * t + math.pi * sweep * t**2
        )
        # Of real frames: frequencies from 0 to half the rate, without the last, which has no phase.
        coefficients = np.fft.rfft(chirp / np.linalg.norm(chirp))[: (samples + 1) // 2]
        if abs(coefficients[-1]) > _EMPTY * np.linalg.norm(coefficients):
            raise ConfigError(
                f"dataset.high = {high:g} is too near half of dataset.rate = {rate:g} for a chirp"
                f" of width {width:g} s: take a higher rate or a longer width."
            )
        coefficients[0] = 0
        self._spectrum = coefficients * math.sqrt(samples / 2) / np.linalg.norm(coefficients)
        self._omega = 2 * math.pi * np.arange(len(coefficients)) / self.period
        self.speed = math.sqrt(
            2 / samples * float((self._omega**2 * np.abs(self._spectrum) ** 2).sum())
        )
        self.length = self.speed * self.period

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.samples,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    @property
    def sound(self) -> Sound:
        return Sound(self.rate)

    def pairs(self, seed: int) -> Pairs:
        source = generator(seed, "pairs")
        draw = torch.rand(self.num_pairs, 2, generator=source, dtype=self.dtype)
        side = 2 * draw[:, 1] - 1
        apart = self.min_delay + (self.max_delay - self.min_delay) * side.abs()
        first = self.period * draw[:, 0]
        truth = torch.stack([first, first + torch.copysign(apart, side)], 1)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        ends = self.at(truth)
        return Pairs(ends[:, 0], ends[:, 1], names, ("all",) * self.num_pairs, truth)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        draw = torch.rand(count, generator=generator(seed, "sample"), dtype=self.dtype)
        return self.at(self.period * draw)

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(pairs, torch.linspace(0, 1, num_points, dtype=self.dtype)[None])

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        steps = torch.linspace(0, 1, num_points, dtype=self.dtype)
        return self._along(pairs, 1 + reach_of(reach, pairs)[:, None] * steps)

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        return self.speed * self._delays(pairs).diff(dim=1)[:, 0].abs()

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        return (points - self.at(self.nearest(points)).to(points)).norm(dim=-1)

    def nearest(self, points: torch.Tensor) -> torch.Tensor:
        """Delays [batch] of the nearest points: where the circular cross-correlation with the chirp
        is greatest; a grid, then Newton's method.
        """
        x = points.detach().cpu().double().numpy()
        product = np.fft.rfft(x)[:, : len(self._spectrum)] * self._spectrum.conj()
        count = _FINER * self.samples
        tau = np.fft.irfft(product, count).argmax(1) * (self.period / count)
        for _ in range(_STEPS):
            turned = product * np.exp(1j * tau[:, None] * self._omega)
            slope = -(turned.imag * self._omega).sum(1)
            bend = -(turned.real * self._omega**2).sum(1)
            step = np.where(bend < 0, -slope / np.where(bend < 0, bend, 1.0), 0.0)
            tau = tau + np.clip(step, -self.period / count, self.period / count)
        return torch.from_numpy(tau)

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        count = max(16, math.ceil(self.length / spacing))
        nodes = self.at(torch.arange(count, dtype=self.dtype) * (self.period / count))
        return nodes, torch.full((count,), 1 / count, dtype=self.dtype)

    def at(self, delay: torch.Tensor) -> torch.Tensor:
        """Points [..., samples] at delays [...], seconds."""
        turned = self._spectrum * np.exp(-1j * delay.numpy()[..., None] * self._omega)
        return torch.from_numpy(np.fft.irfft(turned, self.samples))

    def _delays(self, pairs: Pairs) -> torch.Tensor:
        if pairs.truth is not None:
            return pairs.truth
        delay = self.nearest(pairs.ends.flatten(0, 1)).view(-1, 2)
        apart = torch.remainder(delay[:, 1] - delay[:, 0] + self.period / 2, self.period)
        return torch.stack([delay[:, 0], delay[:, 0] + apart - self.period / 2], 1)

    def _along(self, pairs: Pairs, fractions: torch.Tensor) -> torch.Tensor:
        delays = self._delays(pairs)
        return self.at(delays[:, :1] + fractions * delays.diff(dim=1))
