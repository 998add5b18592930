"""Data sets by the name that the command line takes.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import os

from convac_lib.data.cifar10 import cifar10
from convac_lib.data.dataset import PUBLISHED, Dataset
from convac_lib.data.digits import digits
from convac_lib.data.folder import folder
from convac_lib.errors import DataError


def load(source: str, *, progress: bool = True) -> Dataset:
    """Read a data set by its name: `digits`, `cifar10`, or the path of a folder of images.

    Args:
        source: the name; `./digits` is a folder of that name.
        progress: whether to draw progress bars on stderr.

    Returns:
        The `Dataset`.

    Raises:
        DataError: if there is no such data set, or it is damaged.

    Chapter: *Experiments on standard ConvNets*.

    >>> load("digits")
    Dataset(source='digits', 1437 train and 360 test images of shape (1, 8, 8), 10 classes)
    >>> load("mnist")
    Traceback (most recent call last):
    convac_lib.errors.DataError: there are no data named mnist; use digits, cifar10, or the path of a folder of images
    """
    require_known(source)
    if source == "digits":
        return digits()
    if source == "cifar10":
        return cifar10(progress=progress)
    return folder(source, progress=progress)


def require_known(source: str) -> None:
    """Refuse a name of no data set before anything is read or fetched.

    Raises:
        DataError: if there is no such data set.
    """
    if source not in PUBLISHED and not os.path.isdir(source):
        raise DataError(
            f"there are no data named {source or repr(source)}; use digits, cifar10, or the path of a folder of images"
        )
