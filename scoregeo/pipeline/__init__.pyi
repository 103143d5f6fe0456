from .geodesic import GeodesicPipeline as GeodesicPipeline
from .output import GeodesicOutput as GeodesicOutput
