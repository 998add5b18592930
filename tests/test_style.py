"""The house style: one meaning a colour, a marker for each colour, and letters large enough."""

import matplotlib
from matplotlib import pyplot

from convac_lib.visuals import style


def test_every_meaning_has_a_colour_and_a_marker_of_its_own():
    colours = [*map(style.colour_of, (1, 2, 3, 4, 5)), style.BOUND_COLOUR, style.SATURATION_COLOUR]
    assert len(set(colours)) == len(colours)
    assert len(set(map(style.marker_of, (1, 2, 3, 4, 5)))) == 5


def test_the_house_style_is_found_and_large_enough():
    with pyplot.rc_context():
        style.use()
        sizes = [
            matplotlib.rcParams[key] for key in ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize")
        ]
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert min(sizes) >= 9
    assert cycle == [style.colour_of(B) for B in (1, 2, 3, 5, 4)]
