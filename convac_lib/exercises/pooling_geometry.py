"""The rules of the exercises in *Pooling geometry*."""

from convac_lib.errors import CutError
from convac_lib.exercises.answers import Wrong, integer, integers
from convac_lib.families import baseline
from convac_lib.related.geometry import rank_bounds, split_windows
from convac_lib.theory.cuts import make_cut

SIX = {  # the explorer's cuts of 4×4 patches: the patches of one side, row by row
    "left | right": "##.. ##.. ##.. ##..",
    "top | bottom": "#### #### .... ....",
    "interleaved": "#.#. #.#. #.#. #.#.",
    "checkerboard": "#.#. .#.# #.#. .#.#",
    "outer | inner": "#..# #..# #..# #..#",
    "diagonal": "##.. ##.. ..## ..##",
}


def unsplit(patches: object, squares: object) -> str:
    """Patches of a 4×4 image, numbered from 0, that split no mirror window, and how many square windows they split."""
    first = _side("patches", patches)
    split = len(split_windows(first, "mirror", 4))
    if split:
        raise Wrong(f"This cut splits {split} of the mirror windows: make a side of whole ones")
    if (said := integer("squares", squares)) != len(split_windows(first, "square", 4)):
        raise Wrong(f"squares is not {said}: count the patches of a mirror window that a square window holds")
    return "every square window has one patch of each mirror window, so it has patches on both sides"


def larger_image(mirror_at_least: object, square_at_most: object) -> str:
    """The lower bound of mirror windows and the min cut of square ones, for 8×8 patches, M = 3 and widths 2."""
    plan = baseline(3, 8, channels=2)
    lower, upper = rank_bounds(plan, "left-right", "mirror")[0], rank_bounds(plan, "left-right", "square")[1]
    if (said := integer("mirror_at_least", mirror_at_least)) != lower:
        side = "less" if said > lower else "more"
        raise Wrong(f"mirror_at_least is {side} than {said:,}: count the split windows of 8×8 patches")
    if (said := integer("square_at_most", square_at_most)) != upper:
        raise Wrong(f"square_at_most is not {said:,}: find the bond that separates the halves at the least cost")
    return "16 mirror windows are split and give 2^16, and one bond of size 2 separates the halves of square windows"


def own_windows(own: object, loses: object) -> str:
    """Four windows that all six cuts of the explorer split, and a cut that splits none of them."""
    windows = [set(window) for window in integers("own", own, (4, 4), "four windows of four patches").tolist()]
    if set.union(*windows) != set(range(16)):
        raise Wrong("own should hold each of the patches 0 to 15 once")
    for name, picture in SIX.items():
        first = {patch for patch, letter in enumerate(picture.replace(" ", "")) if letter == "#"}
        whole = [sorted(window) for window in windows if window <= first or not window & first]
        if whole:
            raise Wrong(f"The cut {name} does not split the window {whole[0]}")
    first = set(_side("loses", loses))
    split = [sorted(window) for window in windows if window & first and window - first]
    if split:
        raise Wrong(f"The cut loses splits your window {split[0]}")
    return "all six cuts split all of your windows, and still there is a cut that splits none"


def _side(name: str, patches: object) -> list[int]:
    if not isinstance(patches, list | tuple | set):
        raise Wrong(f"{name} should be a list of patches such as [0, 1], numbered row by row from 0")
    listed = [integer("every patch", patch) for patch in patches]
    try:
        return list(make_cut(listed, 4).rows)
    except CutError:
        raise Wrong(f"{name} should name some of the patches 0 to 15, and not all of them") from None
