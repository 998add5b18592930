"""Cuts against parts of a grid of numbers, their names, and what makes no cut, at the exact limits."""

from dataclasses import FrozenInstanceError
from itertools import count

import numpy as np
import pytest
from helpers.strategies import cuts
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.errors import ArchitectureError, BudgetError, CutError
from convac_lib.theory.cuts import CUTS, Cut, make_cut

NAMES = ["left-right", "top-bottom", "interleaved", "checkerboard"]


def part(name, size):
    """The numbers of the patches of P, as parts of a grid."""
    grid = np.arange(size**2).reshape(size, size)
    parts = {
        "left-right": [grid[:, : size // 2]],
        "top-bottom": [grid[: size // 2]],
        "interleaved": [grid[:, ::2]],
        "checkerboard": [grid[::2, ::2], grid[1::2, 1::2]],
    }
    return {int(patch) for block in parts[name] for patch in block.flat}


@pytest.mark.parametrize("size", [2, 4, 6, 64, 66])
@pytest.mark.parametrize("name", NAMES)
def test_a_named_cut_is_a_part_of_the_grid_and_the_rest(name, size):
    cut, rows = make_cut(name, size), sorted(part(name, size))
    columns = sorted({*range(size**2)} - {*rows})
    assert (cut.name, cut.size, cut.listed) == (name, size, None) and cut == Cut(name, size)
    assert (cut.rows, cut.columns, cut.sides) == (tuple(rows), tuple(columns), (len(rows), len(columns)))
    in_rows = CUTS[name](size, *np.divmod(np.arange(size**2), size))  # of arrays at once
    assert np.flatnonzero(in_rows).tolist() == rows
    full = f"Cut(name={name!r}, rows={tuple(rows)}, columns={tuple(columns)})"
    assert repr(cut) == (full if size < 66 else f"<Cut {name!r} of 66×66 patches>")


@given(st.integers(2, 6).flatmap(lambda size: st.tuples(st.just(size), cuts(size))), st.randoms())
def test_a_listed_cut_is_its_patches_in_order_and_the_rest(drawn, random):
    size, patches = drawn
    given_as = [*patches, *random.choices(sorted(patches), k=3)]
    random.shuffle(given_as)
    expected = tuple(sorted(patches)), tuple(sorted({*range(size**2)} - patches))
    for listed in (given_as, iter(given_as), np.array(given_as), patches):
        cut = make_cut(listed, size)
        assert (cut.rows, cut.columns) == expected and cut.sides == tuple(map(len, expected))
        assert cut.listed == cut.rows and all(type(patch) is int for patch in cut.rows)
        assert cut.name == ",".join(map(str, expected[0]))
        assert make_cut(cut, size) is cut and hash(cut) == hash(make_cut(given_as, size))


@pytest.mark.parametrize("size", [2, 3, 4, 6])
def test_a_cut_is_like_the_rules_that_part_the_patches_as_it_does(size):
    names = NAMES if size % 2 == 0 else []
    parts = {name: part(name, size) for name in NAMES}
    rest = {name: {*range(size**2)} - patches for name, patches in parts.items()}
    made = [(make_cut(name, size), parts[name]) for name in names]
    listed = [*parts.values(), *rest.values(), {0}, {0, size**2 - 1}, {0, 1}, {*range(size**2 // 2 - 1)} | {0}]
    for cut, patches in [*made, *((make_cut(patches, size), patches) for patches in listed)]:
        for name in NAMES:
            expected = size % 2 == 0 and patches in (parts[name], rest[name])
            assert cut.is_like(name) == expected


def test_a_cut_does_not_change():
    with pytest.raises(FrozenInstanceError):
        make_cut("left-right", 2).size = 4


def test_a_name_spells_out_128_patches_and_a_cut_lists_a_million():
    words = ",".join(map(str, range(128)))
    assert make_cut(range(128), 12).name == words
    assert make_cut(range(129), 12).name == f"{words},… (129 patches)"
    cut = make_cut(range(2**20), 1025)
    assert (cut.name, cut.sides) == (f"{words},… (1,048,576 patches)", (2**20, 1025**2 - 2**20))
    endless = count()
    with pytest.raises(CutError) as error:
        make_cut(endless, 1025)
    assert str(error.value) == "a cut may list at most 1,048,576 patches, and more were given; list the other side"
    assert next(endless) == 2**20 + 1  # no more were taken than it needs to refuse


@pytest.mark.parametrize("read", [lambda cut: cut.rows, lambda cut: cut.columns])
def test_a_list_takes_80_bytes_a_patch(read, monkeypatch):
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: 80 * 100**2)
    assert len(read(make_cut("top-bottom", 100))) == 5000
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: 80 * 100**2 - 1)
    with pytest.raises(BudgetError) as error:
        read(make_cut("top-bottom", 100))
    assert str(error.value) == (
        "a list of the 100×100 patches of an image needs about 0.0 GiB of memory, and 0.0 GiB are free; "
        "use a smaller size, or a bound, which needs no list"
    )
    assert make_cut("top-bottom", 2**64).sides == (2**127, 2**127)


@pytest.mark.parametrize(
    ("cut", "size", "kind", "sentence"),
    [
        ("diagonal", 4, CutError,
         ("unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches "
          "of one side")),
        (7, 4, CutError,
         ("unknown cut 7; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches of one "
          "side")),
        ("left-right", 5, CutError,
         ("the cut 'left-right' needs an even size to make two equal halves, and the size is 5; use 6, or list the "
          "patches of one side")),
        (make_cut("left-right", 4), 6, CutError,
         "the cut 'left-right' is of 16 patches and a 6×6 image has 36; make a cut of this size"),
        ([0, 16], 4, CutError, "patch 16 is not in a 4×4 image; use numbers from 0 to 15"),
        ([-1], 3, CutError, "patch -1 is not in a 3×3 image; use numbers from 0 to 8"),
        ([1.0], 3, CutError, "patch 1.0 is not in a 3×3 image; use numbers from 0 to 8"),
        (["left-right"], 3, CutError, "patch 'left-right' is not in a 3×3 image; use numbers from 0 to 8"),
        ([], 3, CutError, "a cut needs patches on both sides, and this one has 0 of 9 on the first; move one of them"),
        (range(9), 3, CutError,
         "a cut needs patches on both sides, and this one has 9 of 9 on the first; move one of them"),
        (Cut("small", 2, (0,)), 3, CutError,
         "the cut 'small' is of 4 patches and a 3×3 image has 9; make a cut of this size"),
        (Cut("large", 4, (0,)), 3, CutError,
         "the cut 'large' is of 16 patches and a 3×3 image has 9; make a cut of this size"),
        ([0], 0, ArchitectureError, "size must be an integer of at least 1, not 0"),
        ([0], 2.0, ArchitectureError, "size must be an integer of at least 1, not 2.0"),
    ],
)  # fmt: skip
def test_what_makes_no_cut_gets_one_sentence(cut, size, kind, sentence):
    with pytest.raises(kind) as error:
        make_cut(cut, size)
    assert str(error.value) == sentence
