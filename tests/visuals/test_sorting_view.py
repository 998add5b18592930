"""The picture of sorted digits: its pixels are those of the sorted images, and its count of neighbours is right."""

from itertools import combinations

import numpy as np
import pytest
import torch
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.data.digits import digits
from convac_lib.data.sorting import sorted_blocks
from convac_lib.errors import DataError
from convac_lib.visuals.pixels import pixels_in
from convac_lib.visuals.style import INK
from convac_lib.visuals.views.sorting import STEPS, sorting_view

IMAGES = digits().train_images[[33, 0, 17, 4]]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_pixels_are_those_of_the_sorted_images(count):
    svg = assert_legible(sorting_view(IMAGES[:count]).picture)
    drawn = [pixels_in(image) for image in svg.iter(f"{SVG}image")]
    columns = [255 - sorted_blocks(IMAGES[:count], step)[:, 0].numpy() for step in STEPS]
    assert np.array_equal(np.stack(drawn), np.concatenate(columns))


def test_the_outlined_block_is_one_block_in_every_column():
    svg = assert_legible(sorting_view(IMAGES[:2]).picture)
    images = list(svg.iter(f"{SVG}image"))
    outlines = paths(svg, stroke=INK, stroke_width="2.5")
    found = []
    for image, outline in zip(images, outlines, strict=True):
        cell = float(image.get("width")) / 8
        left, top, width, _, back = numbers_in(outline.get("d"))
        column, row = (round((at - float(image.get(name))) / cell) for at, name in ((left, "x"), (top, "y")))
        assert width == -back == pytest.approx(2 * cell)
        found.append(sorted((255 - pixels_in(image))[row : row + 2, column : column + 2].flatten().tolist()))
    blocks = IMAGES[:2, 0].reshape(2, 4, 2, 4, 2).transpose(2, 3).reshape(2, 16, 4).tolist()
    most = [sorted(max(each, key=sum)) for each in blocks]
    assert found == most * len(STEPS)


def test_adjacent_pairs_are_counted_pair_by_pair():
    """For an image of 64 different values, whose pixels can be followed by their values."""
    image = torch.randperm(64, generator=torch.Generator().manual_seed(5)).to(torch.uint8).reshape(1, 1, 8, 8)

    def adjacent(square):
        place = {value: divmod(number, 8) for number, value in enumerate(square.flatten().tolist())}
        return {
            frozenset(pair)
            for pair in combinations(place, 2)
            if abs(place[pair[0]][0] - place[pair[1]][0]) + abs(place[pair[0]][1] - place[pair[1]][1]) == 1
        }

    before, after = adjacent(image), adjacent(sorted_blocks(image))
    view = sorting_view(image)
    assert view.values == {"adjacent pairs": 112, "still adjacent": len(before & after)}
    assert f"Of 112 pairs of adjacent pixels, {len(before & after)} are still adjacent" in view.reading
    assert f"of 112 pairs of adjacent pixels {len(before & after)} are still adjacent at the end" in view.alt


@pytest.mark.parametrize("count, dtype", [(0, torch.uint8), (5, torch.uint8), (1, torch.int64)])
def test_bad_input_is_one_sentence(count, dtype):
    with pytest.raises(DataError) as error:
        sorting_view(torch.zeros(count, 1, 8, 8, dtype=dtype))
    assert str(error.value) == (
        f"the picture shows one to four images, uint8 of shape (N, 1, 8, 8), not {dtype} of shape ({count}, 1, 8, 8); "
        "choose some of them"
    )
