from .interpolation import linear as linear
from .interpolation import spherical as spherical
from .quadrature import Quadrature as Quadrature
from .resampling import arc_length as arc_length
from .resampling import resample as resample
