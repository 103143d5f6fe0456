from .interpolation import linear as linear
from .interpolation import spherical as spherical
from .quadrature import Quadrature as Quadrature
from .resample import arc_length as arc_length
from .resample import resample as resample
