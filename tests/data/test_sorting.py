"""Sorting blocks takes their order away and nothing else: a network of B = 1 gives the same outputs."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.data.digits import digits
from convac_lib.data.sorting import sorted_blocks, without_order
from convac_lib.errors import ConvacError, DataError
from convac_lib.experiments.records import read_records
from convac_lib.families import common_case
from convac_lib.files import results_path
from convac_lib.networks.models import ConvNet


def shuffled(image, generator):
    """Shuffle the quarters of every block of an image, from the whole down to the pixels."""
    half = image.shape[-1] // 2
    if half == 0:
        return image
    quarters = [image[:, i : i + half, j : j + half] for i in (0, half) for j in (0, half)]
    a, b, c, d = (shuffled(quarters[number], generator) for number in torch.randperm(4, generator=generator))
    return torch.cat([torch.cat([a, b], 2), torch.cat([c, d], 2)], 1)


@given(st.integers(0, 10**6), st.sampled_from([2, 4, 8]), st.sampled_from([1, 3]))
def test_images_that_differ_only_in_order_become_one(seed, H, channels):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(3, (channels, H, H), generator=generator)
    other = shuffled(image, generator)
    found = sorted_blocks(torch.stack([image, other]))
    assert torch.equal(found[0], found[1])
    assert torch.equal(sorted_blocks(found), found)
    pixels = image.flatten(1).T.tolist()
    assert sorted(found[0].flatten(1).T.tolist()) == sorted(pixels)  # every pixel keeps its colours


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_a_block_of_four_is_sorted(numbers):
    for order in permutations(numbers):
        block = torch.tensor(order).reshape(1, 1, 2, 2)
        assert sorted_blocks(block).flatten().tolist() == sorted(numbers)


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4, 8]))
def test_blocks_above_the_side_stay_where_they_are(seed, side):
    image = torch.randint(9, (1, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
    found = sorted_blocks(image, side)
    for i, j in np.ndindex(8 // side, 8 // side):
        block = (..., slice(i * side, i * side + side), slice(j * side, j * side + side))
        assert torch.equal(found[block], sorted_blocks(image[block]))


def test_only_a_network_without_overlap_cannot_notice():
    images = digits().test_images.double()[:40]
    for B, notices in ((1, False), (2, True)):
        generator = torch.Generator().manual_seed(0)
        network = ConvNet(common_case(B, 1, 8, 16), 10, 1, generator=generator).double()
        with torch.no_grad():
            difference = (network(images) - network(sorted_blocks(images))).abs().max()
        assert (difference > 1e-6) == notices


def test_the_record_is_of_these_images():
    blind = without_order(digits())
    records = read_records(results_path("digits-sorted.jsonl"))
    assert {(record.digest, record.source) for record in records} == {(blind.digest, blind.source)}
    assert len(blind.train_images.flatten(1).unique(dim=0)) == len(blind.train_images)  # none became another


@pytest.mark.parametrize("shape", [(1, 1, 6, 6), (1, 1, 8, 4), (8, 8)])
def test_images_of_another_shape_are_refused_in_one_sentence(shape):
    with pytest.raises(DataError) as raised:
        sorted_blocks(torch.zeros(shape))
    assert str(raised.value) == (
        f"blocks are sorted in images of shape (N, C, H, H) with H a power of two, not {shape}; crop or resize them"
    )


@pytest.mark.parametrize("side", [3, 8])
def test_blocks_of_another_side_are_refused_in_one_sentence(side):
    with pytest.raises(ConvacError) as raised:
        sorted_blocks(torch.zeros(1, 1, 4, 4), side)
    assert str(raised.value) == (
        f"side must be a power of two from 1 to 4, not {side}; it is that of the largest blocks"
    )
