"""Augmentations against slow, plain ones: pixel by pixel, and by the standard library's `colorsys`."""

import colorsys
from itertools import product

import numpy as np
import pytest
import torch

from convac_lib.data.augmentation import AUGMENTATIONS, REACH, SHIFT, colour, hsv_to_rgb, rgb_to_hsv, spatial


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def moved(image, down, right, mirror):
    """One image, moved and then mirrored, pixel by pixel."""
    _, H, W = image.shape
    y = np.zeros_like(image)
    for r, s in product(range(H), range(W)):
        source, column = r + down, (W - 1 - s if mirror else s) + right
        if 0 <= source < H and 0 <= column < W:
            y[:, r, s] = image[:, source, column]
    return y


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 5, 9)])
def test_every_image_is_one_of_the_98_moves_and_all_of_them_occur(shape):
    image = np.random.default_rng(0).integers(1, 256, shape, np.uint8)
    moves = {
        moved(image, *move, mirror).tobytes(): (*move, mirror)
        for *move, mirror in product(range(-REACH, REACH + 1), range(-REACH, REACH + 1), (False, True))
    }
    assert len(moves) == 98
    images = torch.tensor(image).expand(4000, *shape)
    seen = [moves[one.numpy().tobytes()] for one in spatial(images, seeded())]  # a KeyError where none fits
    counts = np.unique(seen, axis=0, return_counts=True)[1]
    assert len(counts) == 98
    assert ((counts - 4000 / 98) ** 2 / (4000 / 98)).sum() < 150  # χ² with 97 degrees of freedom: 1 in 2,500 beyond


def test_hsv_is_that_of_colorsys():
    generator = np.random.default_rng(0)
    grid = np.array(list(product((0, 0.25, 1), repeat=3)))  # greys and corners
    rgb = np.concatenate([grid, generator.random((2000, 3))])
    expected = [colorsys.rgb_to_hsv(*pixel) for pixel in rgb.tolist()]
    np.testing.assert_allclose(rgb_to_hsv(torch.tensor(rgb)), expected, atol=1e-12)
    hsv = np.concatenate([grid, generator.random((2000, 3))])
    expected = [colorsys.hsv_to_rgb(*pixel) for pixel in hsv.tolist()]
    np.testing.assert_allclose(hsv_to_rgb(torch.tensor(hsv)), expected, atol=1e-12)


def test_colours_change_as_colorsys_says_for_the_same_draws():
    images = torch.randint(256, (40, 3, 4, 4), dtype=torch.uint8, generator=seeded(1))
    draws = torch.rand((5, 40), generator=seeded(2)).double().numpy()
    for image, after, draw in zip(images, colour(images, seeded(2)), draws.T):
        shift, factor = (2 * draw[:3] - 1) * SHIFT, 0.5 + draw[3:]
        for pixel, changed in zip(image.flatten(1).T.tolist(), after.flatten(1).T.tolist()):
            h, s, v = colorsys.rgb_to_hsv(*(number / 255 for number in pixel))
            s, v = (min(1, max(0, k * x + d)) for k, x, d in zip(factor, (s, v), shift[1:]))
            expected = [255 * number for number in colorsys.hsv_to_rgb((h + shift[0]) % 1, s, v)]
            np.testing.assert_allclose(changed, expected, atol=0.51)  # rounded to bytes


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_bytes_come_out_of_bytes_and_the_seed_decides(name):
    images = torch.randint(256, (20, 3, 8, 8), dtype=torch.uint8, generator=seeded(1))
    before, augment = images.clone(), AUGMENTATIONS[name]
    once, again, other = augment(images, seeded()), augment(images, seeded()), augment(images, seeded(1))
    assert (once.shape, once.dtype) == (images.shape, torch.uint8) and torch.equal(images, before)
    assert torch.equal(once, again) and torch.equal(once, other) == (name == "none")
