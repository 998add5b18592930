"""The rules of the exercises in *Widths and entanglement*."""

from convac_lib.errors import ConvacError
from convac_lib.exercises.answers import Wrong, integer, integers
from convac_lib.related.row import RowTree, random_levels, row_rank
from convac_lib.related.widths import min_cut

MOST = 330  # numbers that the tree of the budget may store


def spread(patches: object) -> str:
    """Patches, numbered from 1, that make the min cut 64 for the widths 4, 2, 2 and M = 4."""
    if not isinstance(patches, list | tuple | set):
        raise Wrong("patches should be a list of patches such as [1, 2], numbered from 1 as in the figure")
    listed = [integer("every patch", patch) - 1 for patch in patches]
    try:
        value = min_cut(RowTree(8, 4, (4, 2, 2)), listed).value
    except ConvacError:
        raise Wrong("patches should name some of the patches 1 to 8, each once, and not all of them") from None
    if value != 64:
        raise Wrong(f"The cheapest cut that separates these patches costs {value}, and not 64")
    return "three lowest windows are cut, and each costs 4, while the fourth is whole"


def budget(widths: object) -> str:
    """Widths over eight patches with M = 4, few numbers in all, whose min cut for the halves is 8 or more."""
    r0, r1, r2 = integers("widths", widths, (3,), "one for each level").tolist()
    if min(r0, r1, r2) < 1:
        raise Wrong("every width is at least 1")
    tree = RowTree(8, 4, (r0, r1, r2))
    value = min_cut(tree, "left-right").value
    if value < 8:
        narrow = {"r0² ": r0**2, "r1 ": r1, "r2 ": r2}
        name = min(narrow, key=lambda each: narrow[each])
        raise Wrong(f"The min cut of the halves is {value}, because {name}= {narrow[name]}")
    if tree.parameters > MOST:
        raise Wrong(f"The min cut is {value}, but the tree stores {tree.parameters} numbers, more than {MOST}")
    return f"the halves need r1 and r2 of 8 and r0² of 8, and the tree stores {tree.parameters} numbers"


def symmetric(shared: object, own: object) -> str:
    """The rank of a pair against the rest for three templates, with one leaf matrix for all patches, and without."""
    for name, answer, tree in (
        ("shared", shared, RowTree(4, 3, (9, 9), shared=True)),
        ("own", own, RowTree(4, 3, (9, 9))),
    ):
        rank = row_rank(random_levels(tree, seed=0), [0, 1])
        if (said := integer(name, answer)) != rank:
            hint = "a symmetric 3×3 matrix" if tree.shared else "a 3×3 matrix"
            raise Wrong(f"{name} is {'less' if said > rank else 'more'} than {said}: count the free entries of {hint}")
    return "a symmetric 3×3 matrix has 6 free entries, and any 3×3 matrix has 9"
