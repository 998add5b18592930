"""The handwritten digits that come with scikit-learn.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from convac_lib.data.dataset import Dataset


def digits(seed: int = 0) -> Dataset:
    """Read the 1,797 handwritten digits that come with scikit-learn: 8×8 pixels, 1,437 to train on and 360 to test on.

    Their values 0..16 are multiplied by 15, exactly, to 0..240. Every class is split in the same proportion.

    Args:
        seed: decides which images are test images; the same seed makes the same split.

    Returns:
        The `Dataset`, source "digits".

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), UCI repository; the 8×8 test
    part, as in scikit-learn. Chapter: *Experiments on standard ConvNets*.

    >>> digits().train_labels.bincount()                          # 1437 images, the ten digits about equally often
    tensor([142, 146, 142, 146, 145, 145, 145, 143, 139, 144])
    """
    embedded = load_digits()
    images = torch.tensor(embedded.images * 15, dtype=torch.uint8)[:, None]  # (n, 1, 8, 8)
    labels = torch.tensor(embedded.target)
    split = train_test_split(np.arange(len(labels)), test_size=360, stratify=labels, random_state=seed)
    train, test = map(torch.tensor, split)
    return Dataset("digits", images[train], labels[train], images[test], labels[test], tuple("0123456789"))
