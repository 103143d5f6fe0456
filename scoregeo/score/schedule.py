"""Noise schedules of variance-preserving diffusion models, in the project's coordinates."""

import numpy as np
import torch

from scoregeo._utils.errors import DataError, shown


class NoiseSchedule:
    """Maps timesteps to noise levels and back, `sigma(t) = sqrt((1 - abar_t) / abar_t)`.

    Between whole timesteps log sigma is linear in t, so both maps are continuous and inverse to
    each other.
    """

    def __init__(self, alphas_cumprod: torch.Tensor) -> None:
        """`alphas_cumprod` [timesteps]: abar_t in (0, 1), falling. Raises DataError for others."""
        abar = alphas_cumprod.double().cpu().numpy()
        inside = abar.ndim == 1 and abar.size and ((abar > 0) & (abar < 1)).all()
        if not inside or (np.diff(abar) > 0).any():
            raise DataError(
                "a noise schedule is one number abar_t for each timestep, above 0 and below 1 and"
                f" falling; this one has {shown(abar[:3].tolist())}, ... of shape {abar.shape}."
            )
        self._log_sigma = 0.5 * np.log((1 - abar) / abar)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """sigma at the first and last timestep."""
        return float(np.exp(self._log_sigma[0])), float(np.exp(self._log_sigma[-1]))

    @property
    def num_timesteps(self) -> int:
        return len(self._log_sigma)

    def sigma(self, timestep: torch.Tensor) -> torch.Tensor:
        """Noise level at `timestep` (any shape, 0 to num_timesteps - 1, fractions allowed)."""
        grid = np.arange(self.num_timesteps)
        value = np.exp(np.interp(timestep.detach().cpu().double().numpy(), grid, self._log_sigma))
        return torch.as_tensor(value).to(timestep.device)

    def timestep_at(self, sigma: float) -> float:
        """Fractional timestep at one noise level; clamped to the schedule's ends."""
        return float(np.interp(np.log(sigma), self._log_sigma, np.arange(self.num_timesteps)))

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        """Fractional timestep at noise level `sigma` (any shape); clamped to the
        schedule's ends.
        """
        grid = np.arange(self.num_timesteps, dtype=np.float64)
        value = np.interp(np.log(sigma.detach().cpu().double().numpy()), self._log_sigma, grid)
        return torch.as_tensor(value).to(sigma.device)
