"""The explorer of templates: patches show what is said, and the table has a cell for every choice of templates."""

import re
from itertools import product
from xml.etree import ElementTree

import pytest
from helpers.pictures import assert_legible, paths

from convac_lib.errors import ConvacError
from convac_lib.visuals.style import INK, LIT, MUTED
from convac_lib.visuals.views.templates import templates_view

NUMBER = r"-?[\d.]+"


def boxes(path):
    """The rectangles (left, top, width, height) of a path."""
    found = re.findall(rf"M({NUMBER}) ({NUMBER})h({NUMBER})v({NUMBER})h", path.get("d"))
    return [tuple(map(float, box)) for box in found]


def patches_of(svg):
    """Every drawn patch, in order: its place, and its black pixels relative to its side."""
    frames = paths(svg, stroke=INK, fill="none")
    motifs = paths(svg, fill=MUTED)[: len(frames)]
    found = []
    for motif, frame in zip(motifs, frames, strict=True):
        ((left, top, side, _),) = boxes(frame)
        pixels = {(round((y - top) / side * 3), round((x - left) / side * 3)) for x, y, _, _ in boxes(motif)}
        found.append(((left, top, side), frozenset(pixels)))
    return found


@pytest.mark.parametrize("M, N", list(product((2, 3, 5, 8), (1, 2, 4, 5, 6, 9, 12, 13, 16))))
def test_the_image_shows_the_templates_that_the_alternative_text_lists(M, N):
    view = templates_view(M, N)
    svg = assert_legible(view.picture)
    drawn = patches_of(svg)
    templates, image = [pixels for _, pixels in drawn[:M]], drawn[M:]
    assert len(set(templates)) == M and len(image) == N
    shown = [templates.index(pixels) + 1 for _, pixels in image]
    assert f"template{'s' if N > 1 else ''} {', '.join(map(str, shown))}." in view.alt
    places = [(top, left) for (left, top, _), _ in image]
    assert places == sorted(set(places))  # row by row, none on another
    assert len({left for _, left in places}) * len({top for top, _ in places}) == N


@pytest.mark.parametrize("M, N", list(product((2, 3, 4, 7, 8), range(1, 17))))
def test_the_table_has_one_cell_for_every_choice_and_marks_the_image(M, N):
    view = templates_view(M, N)
    svg = ElementTree.fromstring(view.picture)
    images = patches_of(svg)
    shown = [[pixels for _, pixels in images[:M]].index(pixels) for _, pixels in images[M:]]
    ((left, top, width, height),) = boxes(paths(svg, fill=MUTED)[-1])
    lines = "".join(path.get("d") for path in paths(svg, stroke="#fff"))
    rows, columns = (len(re.findall(rf"M{NUMBER} {NUMBER}{way}", lines)) + 1 for way in "hv")
    first = next(n for n in range(N + 1) if M**n == rows * columns)  # the patches of the table
    assert width / columns == height / rows >= 4
    if first < N:
        assert M ** (first - first // 2 + (first % 2 == 0)) * 4 > 272  # one patch more would not fit
        assert f"{M ** (N - first):,} tables like this one:" in view.picture
    if M**first <= 10_000:
        choices = list(product(range(M), repeat=first)).index(tuple(shown[:first]))  # by trying them all
        ((x, y, w, h),) = boxes(paths(svg, fill=LIT)[0])
        row, column = (y + h / 2 - top) * rows // height, (x + w / 2 - left) * columns // width
        assert row * columns + column == choices


@pytest.mark.parametrize("M, N", list(product((2, 6, 8), (1, 3, 7, 16))))
def test_the_number_is_exact(M, N):
    view = templates_view(M, N)
    count = 1
    for _ in range(N):
        count *= M
    assert view.values == {"M^N": count}
    assert f"{count:,} values" in view.picture and f"{count:,} images" in view.reading
    assert len(view.picture) < 20_000


@pytest.mark.parametrize(
    "M, N, sentence",
    [
        (1, 4, "M must be an integer from 2 to 8, not 1"),
        (9, 4, "M must be an integer from 2 to 8, not 9"),
        (2, 17, "N must be an integer from 1 to 16, not 17"),
    ],
)
def test_numbers_out_of_bounds_are_refused(M, N, sentence):
    with pytest.raises(ConvacError) as error:
        templates_view(M, N)
    assert str(error.value) == sentence
