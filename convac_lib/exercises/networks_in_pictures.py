"""The rules of the exercises in *Networks in pictures*."""

from convac_lib.architecture import Architecture, Layer
from convac_lib.exercises.answers import Wrong, integer, integers

UNITS = ((4, 4), (4, 5), (5, 5))  # of "windows": row and column, counted from 0


def windows(counts: object) -> str:
    """In how many windows of 3×3 units, of stride 2, the units at rows and columns 4 | 4, 4 | 5 and 5 | 5 lie."""
    given = integers("counts", counts, (3,), "one for each unit")
    for (row, column), said in zip(UNITS, given.tolist()):
        down, across = (_starts(place, R=3, S=2) for place in (row, column))
        right = len(down) * len(across)
        if said == len(down) + len(across) != right:
            raise Wrong(
                f"Row and column are chosen independently: for row {row}, column {column} multiply {len(down)} by "
                f"{len(across)} and do not add them"
            )
        if said == 9 != right:
            raise Wrong("9 is the count for stride 1: with stride 2 a window begins only at each second row and column")
        if said != right:
            raise Wrong(
                f"For row {row}, column {column} the count is not {said}: its windows begin at row {_listed(down)} and "
                f"column {_listed(across)}"
            )
    return "an even row lies in two windows and an odd one in one, columns likewise, and the two counts multiply"


def stem(T_R: object, T_S: object, shared: object) -> str:
    """T_R and T_S in pixels after 4×4 windows of stride 4 and 7×7 windows of stride 1, and the columns shared."""
    T_R, T_S, shared = integer("T_R", T_R), integer("T_S", T_S), integer("shared", shared)
    network = Architecture(64, 3, [Layer(4, 4, 96), Layer(7, 1, 96)])
    right, step = network.total_receptive_fields[1], network.total_strides[1]
    if T_R == 4 + 6:
        raise Wrong("T_R is not 4 + 6: the six further units of the window lie 4 pixels apart, so each adds T_S = 4")
    if T_R == 4 * 7 + 4:
        raise Wrong(f"T_R is not {T_R}: the window of 7 units adds R − 1 = 6 units to the first, and not 7")
    if T_R != right:
        raise Wrong(f"T_R is not {T_R}: to the 4 pixels of the first layer it adds (R − 1)·T_S = 6·4")
    if T_S != step:
        raise Wrong(f"T_S is not {T_S}: a step of 1 over units that are 4 pixels apart is a step of {step} pixels")
    if shared != right - step:
        raise Wrong(f"Two windows of {right} columns that are {step} apart do not share {shared} columns")
    return f"T_R = 4 + 6·4 = {right} and T_S = 1·4 = {step}, so neighbours share {right} − {step} = {shared} columns"


def _starts(place: int, R: int, S: int) -> list[int]:
    """List where the windows begin that contain a row or column."""
    return [start for start in range(0, place + 1, S) if start + R > place]


def _listed(places: list[int]) -> str:
    return " or ".join(map(str, places))
