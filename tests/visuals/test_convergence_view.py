"""The explorer of convergence: its ends are the library's, its picture shows them, and no start is on a border."""

import re
from itertools import product

import numpy as np
import pytest
from helpers.pictures import assert_legible, numbers_in, paths

from convac_lib.errors import ConvacError
from convac_lib.related.convergence import Teacher, descend, population_gradient, population_loss, saddle
from convac_lib.visuals.pixels import pixels_in
from convac_lib.visuals.style import BOUND_COLOUR, INK
from convac_lib.visuals.svg import Place
from convac_lib.visuals.views.convergence import (
    CASES,
    COLUMNS,
    EDGE,
    PIXELS,
    ROWS,
    STARTS,
    _thin,
    convergence_view,
    kind_of,
    teacher_of,
)

SVG = "{http://www.w3.org/2000/svg}"
GROUPS = list(product(CASES, (2, 8)))
STATES = [(case, k, COLUMNS[n % 6], ROWS[(2 * n + 1) % 6]) for n, (case, k) in enumerate(GROUPS)]


def starts_of(teacher):
    return np.array(STARTS) / 10 * np.linalg.norm(teacher.target)


def at(place):
    """A place of the picture, as a filter in units of |w*|."""
    x, y = place
    return np.array([(x - 1) / 279 - 1, 1 - (y - 31) / 279]) * EDGE / 10


@pytest.mark.parametrize(("case", "k", "x", "y"), STATES)
def test_the_end_and_the_count_are_those_of_the_library(case, k, x, y):
    view, teacher = convergence_view(case, k, x, y), teacher_of(case, k)
    length = np.linalg.norm(teacher.target)
    found = descend(starts_of(teacher), teacher)
    reach = (np.linalg.norm(found.ends - np.array(teacher.target), axis=1) < 1e-3).sum()
    end, loss = found.ends[STARTS.index((x, y))], found.losses[STARTS.index((x, y))]
    assert view.values["of 36 starts at w*"] == reach and found.finished.all()
    assert view.values["loss there"] == f"{loss:.3f}"
    place = f"({end[0]:.2f}, {end[1]:.2f})".replace("-", "−")
    assert view.values["ends at"] == ("w*" if loss < 1e-9 else f"minimum {place}")
    svg = assert_legible(view.picture)
    (line,), blue = paths(svg, stroke=BOUND_COLOUR, fill="none")[:1], paths(svg, fill=BOUND_COLOUR)
    places = numbers_in(line.get("d"))
    assert at(places[:2]) == pytest.approx((x / 10, y / 10), abs=1e-3)
    assert at(places[-2:]) == pytest.approx(end / length, abs=1e-3)
    assert len(blue) == 1 and f"{reach if reach < 36 else 'all'} reach w*." in view.reading
    filled, hollow = (paths(svg, fill=colour, stroke=INK) for colour in (INK, "#FFFFFF"))
    assert filled[0].get("d").count("M") == reach
    assert hollow[0].get("d").count("M") == 36 - reach if reach < 36 else hollow[0].get("d") == ""


@pytest.mark.parametrize(("case", "k"), GROUPS)
def test_no_marked_start_is_so_near_a_border_that_rounding_decides(case, k):
    teacher = teacher_of(case, k)
    ends = [
        descend(starts_of(teacher) + shift, teacher, tolerance=1e-7)
        for shift in ((0, 0), (1e-6, 0), (0, 1e-6), (-1e-6, -1e-6))
    ]
    for other in ends[1:]:
        assert other.ends == pytest.approx(ends[0].ends, abs=1e-4) and other.finished.all()


@pytest.mark.parametrize(("case", "k"), GROUPS)
def test_the_bands_rise_with_the_loss(case, k):
    teacher = teacher_of(case, k)
    (image,) = assert_legible(convergence_view(case, k, -9, 4).picture).iter(f"{SVG}image")
    greys = pixels_in(image).astype(int)
    assert greys.shape == (PIXELS, PIXELS)
    along = ((np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1) * EDGE / 10 * np.linalg.norm(teacher.target)
    losses = population_loss(np.stack(np.meshgrid(along, along[::-1]), axis=-1), teacher)
    order = np.argsort(losses, axis=None)
    assert (np.diff(greys.ravel()[order]) <= 0).all() and greys.max() == 255 and greys.min() > 120


def test_every_spot_leads_to_its_own_state():
    view = convergence_view("(1, −1), overlap", 2, 3, 4)
    assert [(state["x"], state["y"]) for _, state in view.spots] == STARTS
    for (left, top, width, height), state in view.spots:
        assert at((left + width / 2, top + height / 2)) == pytest.approx((state["x"] / 10, state["y"] / 10), abs=1e-9)
        assert left >= 0 and top >= 30 and left + width <= 560


def test_the_saddle_is_named():
    view = convergence_view("(1, −1), no overlap", 2, -10, 10)
    assert view.reading == (
        "On this ray, and on no other, descent stops at a saddle, (−0.24, 0.24), with loss 0.621. "
        "Of the 36 marked starts, all reach w*."
    )


def test_an_end_is_a_target_a_minimum_a_saddle_or_none():
    apart, together = Teacher((1, -1), 2, 2), Teacher((1, -1), 2, 1)
    assert kind_of(saddle(apart), apart) == "saddle"
    assert kind_of(np.array([-0.5491424703, 0.5491424703]), together) == "minimum"
    assert kind_of(np.array([1.0, -1.0]), together) == "w*"
    away = np.array([0.5, 0.5])
    assert kind_of(away, together) == "none" and np.linalg.norm(population_gradient(away, together)) > 0.1


def test_turning_the_teacher_without_overlap_turns_its_landscape():
    here = convergence_view("(1, −1), no overlap", 2, -10, 6)
    there = convergence_view("(1, −1), no overlap", 2, -6, -10, turn=90)
    assert here.values["ends at"] == there.values["ends at"] == "w*" and "turned by 90°" in there.alt


def test_at_0_there_is_no_state():
    assert convergence_view("(1, 0), overlap", 2, 0, 0) is None


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            ("(2, 2)", 2, 1, 1),
            f"there is no case '(2, 2)'; use one of {'; '.join(CASES)}",
        ),
        (("(1, 0), overlap", 65, 1, 1), "k must be an integer from 1 to 64, not 65"),
        (("(1, 0), overlap", 2, 20, 1), "x must be an integer from -19 to 19, not 20"),
        (("(1, 0), overlap", 2, 1, 1, 181), "turn must be an integer from -180 to 180, not 181"),
    ],
)
def test_bad_states_are_refused(state, sentence):
    with pytest.raises(ConvacError) as raised:
        convergence_view(*state)
    assert str(raised.value) == sentence


def test_a_path_is_thinned_by_at_most_a_unit():
    places: list[Place] = [(float(n), 40 * np.sin(n / 20)) for n in range(200)]
    kept = _thin(places)
    assert kept[0] == places[0] and kept[-1] == places[-1] and 4 < len(kept) < 40
    heights = np.interp([x for x, _ in places], [x for x, _ in kept], [y for _, y in kept])
    assert np.abs(heights - [y for _, y in places]).max() < 2.5


def test_all_pictures_have_one_size_and_are_small():
    pictures = [convergence_view(*state).picture for state in STATES]
    assert len({re.match(r"<svg[^>]*>", picture)[0] for picture in pictures}) == 1
    assert max(map(len, pictures)) < 20_000
