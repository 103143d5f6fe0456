"""What measures and files of sound need to know of a dataset whose points are waveforms."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Sound:
    """Points are frames of sound, [samples].

    Attributes:
        rate: samples a second.
        window: of frames that have a pitch, [samples]; None where they have none, and are circular
            delays of each other.
        low, high: between which the pitch lies, Hz.
    """

    rate: float
    window: torch.Tensor | None = None
    low: float = 0.0
    high: float = 0.0
