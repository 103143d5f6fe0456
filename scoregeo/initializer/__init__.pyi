from .base import AbstractInitializer as AbstractInitializer
from .continued import ContinuedInitializer as ContinuedInitializer
from .graph import GraphInitializer as GraphInitializer
from .high_noise import HighNoiseInitializer as HighNoiseInitializer
from .lerp import LerpInitializer as LerpInitializer
from .perturbed import PerturbedInitializer as PerturbedInitializer
from .several import SeveralInitializer as SeveralInitializer
from .slerp import SlerpInitializer as SlerpInitializer
