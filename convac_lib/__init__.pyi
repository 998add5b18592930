from .architecture import Architecture as Architecture
from .architecture import Layer as Layer
from .errors import ConvacError as ConvacError
from .experiments.training import train as train
from .families import baseline as baseline
from .families import common_case as common_case
from .networks.functional import generalized_conv2d as generalized_conv2d
from .networks.layers import GeneralizedConv2d as GeneralizedConv2d
from .networks.models import ConvAC as ConvAC
from .networks.models import ConvNet as ConvNet
from .networks.tracing.reading import from_torch as from_torch
from .theory.bounds import bounds_of as bounds_of
from .theory.circuits import Circuit as Circuit
from .theory.circuits import random_circuit as random_circuit
from .theory.cuts import make_cut as make_cut
from .theory.ranks import certify_rank as certify_rank
from .theory.ranks import rank_modulo as rank_modulo
from .theory.tensors import grid_tensor as grid_tensor
from .theory.tensors import matricize as matricize
from .visuals.explorer import Explorer as Explorer

__version__: str
