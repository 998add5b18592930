"""The house style: one meaning per colour in the whole book, with a marker as a second channel (Okabe–Ito)."""

from importlib.resources import as_file, files

OVERLAP_COLOURS = {1: "#7F7F7F", 2: "#E69F00", 3: "#D55E00", 5: "#CC79A7"}
OVERLAP_MARKERS = {1: "o", 2: "s", 3: "^", 5: "D"}
OTHER_COLOUR, OTHER_MARKER = "#009E73", "v"
BOUND_COLOUR = "#0072B2"
SATURATION_COLOUR = "#000000"
INK = "#2B2B2B"
MUTED = "#5F5F5B"
RULE = "#C9C9C4"
LIT = "#F0E442"  # behind the one letter, and on the objects, that a drawing speaks of


def colour_of(B: int) -> str:
    """Return the colour of the networks of receptive field B; green for every B without one of its own.

    Args:
        B: the receptive field of the stride-1 layers, in pixels; 1 is the non-overlapping network, grey.

    Returns:
        The colour, as "#RRGGBB".

    Source: Okabe & Ito, "Color Universal Design", 2008. Chapter: *The overlap theorem*.

    >>> colour_of(1), colour_of(3)
    ('#7F7F7F', '#D55E00')
    """
    return OVERLAP_COLOURS.get(B, OTHER_COLOUR)


def marker_of(B: int) -> str:
    """Return the matplotlib marker of the networks of receptive field B: what tells them apart without colour.

    Args:
        B: the receptive field of the stride-1 layers, in pixels.

    Returns:
        The marker.

    Chapter: *Experiments on standard ConvNets*.

    >>> marker_of(1), marker_of(3)
    ('o', '^')
    """
    return OVERLAP_MARKERS.get(B, OTHER_MARKER)


def use() -> None:
    """Give every later matplotlib figure of this session the house style (`convac.mplstyle`).

    Chapter: *Experiments on standard ConvNets*.

    >>> use()
    >>> import matplotlib
    >>> matplotlib.rcParams["font.size"]
    10.0
    """
    from matplotlib import pyplot  # a second to import, and the drawings never need it

    with as_file(files("convac_lib.visuals") / "convac.mplstyle") as sheet:  # a file also where the library is a zip
        pyplot.style.use(sheet)
