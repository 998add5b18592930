"""Judge an architecture by what it can represent compactly: exact ranks, bounds and networks.

The live library of the book *On the expressive efficiency of overlapping architectures*, after the talk by Or Sharir
and Amnon Shashua. Names are loaded when first used, so that the theory runs without importing torch.

>>> from convac_lib import certify_rank, common_case
>>> [certify_rank(common_case(B, M=2, size=4)).rank for B in (1, 2, 3)]
[2, 64, 256]
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
