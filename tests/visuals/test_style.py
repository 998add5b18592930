"""The house style: one meaning a colour, a marker for each colour, and letters large enough."""

import shutil
import subprocess
import sys
from pathlib import Path

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


def test_the_house_style_is_found_in_a_library_that_is_a_zip(tmp_path):
    library = Path(style.__file__).parents[1]
    packed = shutil.make_archive(str(tmp_path / "library"), "zip", library.parent, library.name)
    code = f"import sys; sys.path.insert(0, {packed!r}); from convac_lib.visuals import style; style.use(); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(style.__file__)"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(packed)
