"""Cuts: a partition P | Q of an image's patches in two, across which the rank of a grid tensor is measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from numbers import Integral
from typing import Any

from convac_lib.architecture import require_size
from convac_lib.budget import require_memory
from convac_lib.errors import CutError, shown

LARGEST_LIST, NAMED = 2**20, 128  # patches that a cut may list, and that its name spells out
LISTED = 80  # bytes that a patch takes in a list while it is made

# Whether the patch at a row and a column is in P; rows and columns may be arrays, and the answer is then one too.
CUTS: dict[str, Callable[[int, Any, Any], Any]] = {
    "left-right": lambda size, row, column: column < size // 2,
    "top-bottom": lambda size, row, column: row < size // 2,
    "interleaved": lambda size, row, column: column % 2 == 0,
    "checkerboard": lambda size, row, column: (row + column) % 2 == 0,
}


@dataclass(frozen=True, repr=False)
class Cut:
    """A partition P | Q of the N = H² patches, numbered row by row from 0; made by `make_cut`.

    Args:
        name: the rule in `CUTS` that says which patches are in P, or for a list of patches, what to call it.
        size: H, the side of the image in patches.
        listed: the patches of P, increasing; None for a rule.

    Chapter: *The overlap theorem*.

    >>> make_cut("checkerboard", 2**20).sides
    (549755813888, 549755813888)
    """

    name: str
    size: int
    listed: tuple[int, ...] | None = None

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """P, the patches that index the rows of a matricization, increasing."""
        return self._patches(True) if self.listed is None else self.listed

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Q, the other patches, increasing."""
        return self._patches(False)

    @property
    def sides(self) -> tuple[int, int]:
        """(|P|, |Q|), counted without listing patches: every rule makes two equal halves."""
        first = self.size**2 // 2 if self.listed is None else len(self.listed)
        return first, self.size**2 - first

    def is_like(self, name: str) -> bool:
        """Whether this cut separates the patches as the rule of this name does, in either order of the parts."""
        if self.listed is None and self.size > 2:
            return self.name == name
        first, second = self.sides
        return first == second and len({CUTS[name](self.size, *divmod(patch, self.size)) for patch in self.rows}) == 1

    def _patches(self, in_rows: bool) -> tuple[int, ...]:
        require_memory(
            LISTED * self.size**2,
            f"a list of the {self.size}×{self.size} patches of an image",
            "use a smaller size, or a bound, which needs no list",
        )
        patches = range(self.size**2)
        if self.listed is None:
            return tuple(patch for patch in patches if CUTS[self.name](self.size, *divmod(patch, self.size)) == in_rows)
        return tuple(sorted(set(patches).difference(self.listed)))

    def __repr__(self) -> str:
        if self.size > 64:
            return f"<Cut {self.name!r} of {self.size}×{self.size} patches>"
        return f"Cut(name={self.name!r}, rows={self.rows}, columns={self.columns})"


CutLike = str | Iterable[int] | Cut  # what `make_cut` takes


def make_cut(cut: CutLike, size: int) -> Cut:
    """Split the patches of an H×H image in two: by a name, or by the patches of the first part.

    Args:
        cut: "left-right", "top-bottom", "interleaved" (even columns | odd columns), "checkerboard", the patches of P
            as numbers 0..H²−1 in row-major order, or a `Cut`.
        size: H, the side of the image in patches.

    Returns:
        The `Cut`.

    Raises:
        ArchitectureError: if the size is not an integer from 1 to 2⁶⁴.
        CutError: if the name is unknown, a named cut is given with an odd size, a patch is not in the image, over 2²⁰
            patches are listed, a part is empty, or a `Cut` is of an image of another size.

    Source: Cohen & Shashua, ICLR 2017 (partitions as pooling geometry). Chapter: *The overlap theorem*.

    >>> make_cut("left-right", 2)
    Cut(name='left-right', rows=(0, 2), columns=(1, 3))
    >>> make_cut([0, 3], 2).columns
    (1, 2)
    """
    require_size(size)
    if isinstance(cut, Cut):
        if cut.size != size:
            raise CutError(
                f"the cut {cut.name!r} is of {cut.size**2} patches and a {size}×{size} image has {size**2}; "
                "make a cut of this size"
            )
        return cut
    if isinstance(cut, str) or not isinstance(cut, Iterable):
        return _named_cut(cut, size)
    return _listed_cut(cut, size)


def _named_cut(name: str, size: int) -> Cut:
    if not isinstance(name, str) or name not in CUTS:
        raise CutError(f"unknown cut {shown(name)}; use one of {', '.join(CUTS)}, or list the patches of one side")
    if size % 2:
        raise CutError(
            f"the cut {name!r} needs an even size to make two equal halves, and the size is {size}; "
            f"use {size + 1}, or list the patches of one side"
        )
    return Cut(name, size)


def _listed_cut(patches: Iterable[int], size: int) -> Cut:
    listed = list(islice(patches, LARGEST_LIST + 1))
    if len(listed) > LARGEST_LIST:
        raise CutError(f"a cut may list at most {LARGEST_LIST:,} patches, and more were given; list the other side")
    for patch in listed:
        if not isinstance(patch, Integral) or not 0 <= patch < size**2:
            raise CutError(f"patch {shown(patch)} is not in a {size}×{size} image; use numbers from 0 to {size**2 - 1}")
    rows = tuple(sorted(set(map(int, listed))))
    if len(rows) in (0, size**2):
        raise CutError(
            f"a cut needs patches on both sides, and this one has {len(rows)} of {size**2} on the first; "
            "move one of them"
        )
    name = ",".join(map(str, rows[:NAMED])) + f",… ({len(rows):,} patches)" * (len(rows) > NAMED)
    return Cut(name, size, rows)
