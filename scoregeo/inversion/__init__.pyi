from .base import AbstractInversion as AbstractInversion
from .ddim import DDIMInversion as DDIMInversion
from .none import NoInversion as NoInversion
from .shared_noise import SharedNoise as SharedNoise
