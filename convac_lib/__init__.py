from convac_lib.architecture import Architecture, Layer, baseline, common_case
from convac_lib.errors import ConvacError
