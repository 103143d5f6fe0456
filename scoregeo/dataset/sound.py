"""What measures and files of sound need to know of a dataset whose points are waveforms."""

from dataclasses import dataclass

import torch

from scoregeo.dataset.spectrogram import LogSpectrogram


@dataclass(frozen=True)
class Sound:
    """Points are frames of sound, [samples], or spectrograms of it.

    Attributes:
        rate: samples a second.
        window: of frames that have a pitch, [samples]; None where they have none, and are circular
            delays of each other.
        low, high: between which the pitch lies, Hz.
        spectrogram: how points are made of sound, where they are spectrograms.
    """

    rate: float
    window: torch.Tensor | None = None
    low: float = 0.0
    high: float = 0.0
    spectrogram: LogSpectrogram | None = None

    @property
    def has_pitch(self) -> bool:
        """Whether points have a pitch, not a delay."""
        return self.window is not None or self.spectrogram is not None
