"""The atlas: its entries against fresh computations, its file against kills and second writers, and the book's."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from itertools import count

import pytest
from filelock import FileLock

from convac_lib import ConvacError, certify_rank, common_case
from convac_lib.__main__ import main
from convac_lib.errors import ArchitectureError
from convac_lib.files import results_path
from convac_lib.theory.atlas import CUTS, _claim, certificate_path, extend_atlas, read_atlas
from convac_lib.theory.bounds import non_overlapping_upper, saturation, talk_bound, talk_formula, theorem
from convac_lib.theory.certificates import load
from convac_lib.theory.chain import chain
from convac_lib.theory.checker import verify
from convac_lib.theory.checker_costs import checking_cost
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.min_cut import min_cut_upper

RESULTS = results_path("atlas.csv")
GRID = ([2, 4], [2], [1, 2, 3, 4])
PLACES = [(H, 2, B, C, cut) for H in (2, 4) for B in (1, 2, 3, 4) for C in (2, 4) for cut in CUTS]


@pytest.fixture(scope="module")
def charted(tmp_path_factory):
    path = tmp_path_factory.mktemp("atlas") / "atlas.csv"
    extend_atlas(path, *GRID)
    return path


def network_of(cell):
    return common_case(cell.B, cell.M, cell.size, cell.channels)


def value_of(bound, network, cut):
    try:
        return bound(network, cut).value
    except ConvacError:
        return None


def check(cell):
    """What a cell says, against the bounds one by one, and against its own numbers."""
    network, bounds = network_of(cell), [non_overlapping_upper, saturation]
    bounds += [min_cut_upper] if cell.size < 16 else []  # the others take a second each
    uppers = [value for bound in bounds if (value := value_of(bound, network, cell.cut)) is not None]
    assert cell.upper <= min(uppers) and (cell.upper == min(uppers) or min_cut_upper not in bounds)
    proved = value_of(theorem, network, cell.cut), value_of(chain, network, cell.cut)
    assert proved == (cell.theorem, cell.chain) and max(cell.rank, *(value or 1 for value in proved)) <= cell.upper
    assert cell.status != "exact" or cell.rank == cell.upper
    assert cell.status != "whole" or (cell.rank < cell.upper and cell.rows == cell.M ** (cell.size**2 // 2))
    assert cell.status != "at least" or cell.rank <= cell.rows < cell.M ** (cell.size**2 // 2)
    if cell.cut == "interleaved":
        assert cell.formula is cell.claim is None
        return
    assert cell.formula == talk_formula(cell.B, cell.M).value
    applies = value_of(talk_bound, network, cell.cut) is not None
    assert (cell.claim == "false") == (not applies)
    assert (cell.claim == "vacuous") == (applies and cell.formula <= cell.channels)
    assert cell.claim != "proved" or cell.formula <= max(cell.rank, cell.theorem or 0, cell.chain or 0)
    assert cell.claim != "open" or cell.formula > max(cell.rank, cell.theorem or 0, cell.chain or 0)


def test_every_cell_is_there_and_true(charted):
    cells = read_atlas(charted)
    assert sorted(cell.place for cell in cells) == sorted(PLACES)
    for cell in cells:
        check(cell)
        assert cell.rank == certify_rank(network_of(cell), cell.cut).rank
        certificate = verify(certificate_path(charted, cell))
        assert (certificate.rank, certificate.architecture) == (cell.rank, network_of(cell))
    ranks = {cell.place: cell.rank for cell in cells}
    assert [ranks[4, 2, B, 2, "left-right"] for B in (1, 2, 3, 4)] == [2, 64, 256, 256]
    claims = {cell.place: cell.claim for cell in cells}
    assert [claims[4, 2, B, 2, "left-right"] for B in (1, 2, 3, 4)] == ["vacuous", "proved", "proved", "false"]


def test_cells_are_in_the_grids_order_and_the_cheap_ones_are_true(charted):
    cells = read_atlas(charted)
    assert [cell.place for cell in cells] == PLACES
    for cell in cells:
        if cell.size == 2 or cell.B == 1:
            check(cell)
            assert cell.rank == certify_rank(network_of(cell), cell.cut).rank
    halves = [cell for cell in cells if (cell.size, cell.cut) == (4, "left-right")]
    assert [(cell.channels, cell.rank, cell.status, cell.claim) for cell in halves if cell.B < 4] == [
        (2, 2, "exact", "vacuous"),
        (4, 4, "exact", "vacuous"),
        (2, 64, "exact", "proved"),
        (4, 256, "exact", "proved"),
        (2, 256, "exact", "proved"),
        (4, 256, "exact", "proved"),
    ]
    assert {(cell.rows, cell.seed, cell.prime) for cell in halves} == {(256, 0, 2**31 - 1)}


@pytest.mark.parametrize(
    ("formula", "channels", "proved", "side", "claim"),
    [
        (None, 1, 1, 1, None),
        (17, 1, 16, 16, "false"),
        (16, 16, 15, 16, "vacuous"),
        (16, 15, 16, 16, "proved"),
        (16, 15, 15, 16, "open"),
    ],
)
def test_a_claim_is_false_then_vacuous_then_proved_then_open(formula, channels, proved, side, claim):
    assert _claim(formula, channels, proved, side) == claim


def test_a_grid_may_have_as_many_cells_as_the_limit(monkeypatch, tmp_path):
    grid = [1], [2, 3], [1, 2]
    monkeypatch.setattr("convac_lib.theory.atlas.LARGEST_CELLS", 15)
    with pytest.raises(ConvacError) as error:
        extend_atlas(tmp_path / "atlas.csv", *grid)
    assert str(error.value) == "an atlas may chart 15 cells at once, and this grid has 16; chart parts of it"
    monkeypatch.setattr("convac_lib.theory.atlas.LARGEST_CELLS", 16)
    with pytest.raises(ArchitectureError):  # no common case has one patch
        extend_atlas(tmp_path / "atlas.csv", *grid)
    monkeypatch.undo()
    for endless in ((count(2), [2], [1]), ([2], count(2), [1]), ([2], [2], count(1))):
        with pytest.raises(ConvacError) as error:
            extend_atlas(tmp_path / "atlas.csv", *endless)
        assert str(error.value) == (
            "an atlas may chart 10,000 cells at once, and this grid has 40,004; chart parts of it"
        )


def test_a_formula_is_written_out_up_to_8192_bits(tmp_path):
    path = tmp_path / "atlas.csv"
    with pytest.raises(ConvacError) as error:
        extend_atlas(path, [2], [4], [65])  # of 8,320 bits
    assert str(error.value) == (
        "an atlas writes the talk's formula out, and ⌈4^(16641/4)⌉ is too long; use a smaller B or M"
    )
    extend_atlas(path, [2], [2], [91])
    assert {cell.formula.bit_length() for cell in read_atlas(path) if cell.formula} == {181**2 // 4 + 1}


def test_a_torn_last_line_is_computed_anew(charted, tmp_path):
    whole, path = charted.read_bytes(), tmp_path / "atlas.csv"
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in (0, 10, last, last + 1, len(whole) - 1):
        path.write_bytes(whole[:end])
        if end > last:
            assert len(read_atlas(path)) == len(PLACES) - 1
            extend_atlas(path, *GRID)
            assert path.read_bytes() == whole
    path.write_bytes(whole[: whole.index(b"\n") - 3])  # even the header
    extend_atlas(path, [2], [2], [1])
    assert path.read_bytes().startswith(whole[: whole.index(b"\n") + 1]) and len(read_atlas(path)) == 4


def test_an_atlas_killed_again_and_again_ends_up_whole(charted, tmp_path):
    draw, path, kills = random.Random(0), tmp_path / "atlas.csv", 0
    grid = ["--sizes", "2", "4", "--M", "2", "--B", "1", "2", "3", "4"]
    command = [sys.executable, "-m", "convac_lib", "atlas", *grid, "--out", str(path)]
    for _ in range(8):
        process, lines = subprocess.Popen(command, stdout=subprocess.DEVNULL), -1
        wanted = draw.randint(0, 8)  # lines more than there were
        while process.poll() is None:
            now = path.read_bytes().count(b"\n") if path.exists() else 0
            lines = now if lines < 0 else lines
            if now > lines + wanted:
                break
            time.sleep(0.005)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert kills > 0
    extend_atlas(path, *GRID)
    assert path.read_bytes() == charted.read_bytes()
    names = {file.name for file in (tmp_path / "certificates").glob("*.json")}
    assert names == {certificate_path(path, cell).name for cell in read_atlas(path)}


def test_a_second_writer_waits_its_turn(charted):
    with FileLock(f"{charted}.lock"), pytest.raises(ConvacError) as error:
        extend_atlas(charted, *GRID)
    assert str(error.value) == f"another run is writing {charted}; wait until it has ended"


def test_the_command_charts_and_counts(charted, tmp_path, capsys):
    path = tmp_path / "new" / "atlas.csv"
    assert main(["atlas", *["--sizes", "2", "--M", "2", "--B", "1", "2", "--out"], str(path)]) == 0
    assert capsys.readouterr().out == f"8 cells in {path}: 8 exact, 0 whole, 0 at least\n"
    lines = charted.read_text().splitlines()
    assert path.read_text().splitlines() == lines[:9]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("size,M\n",
         ("{} is no atlas: its first line must be size,M,B,channels,cut,rank,status,rows,theorem,chain,formula,claim,"
          "upper,prime,seed,certificate")),
        ("{header}\n4,2,x\n", "line 2 of {} is no cell of an atlas: 4,2,x; restore the file, or remove the line"),
        ("{header}\n\n", "line 2 of {} is no cell of an atlas: ; restore the file, or remove the line"),
        ("\n",
         ("{} is no atlas: its first line must be size,M,B,channels,cut,rank,status,rows,theorem,chain,formula,claim,"
          "upper,prime,seed,certificate")),
    ],
)  # fmt: skip
def test_what_is_no_atlas_gets_one_sentence(text, sentence, charted, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(text.format(header=charted.read_text().splitlines()[0]))
    for use in (read_atlas, lambda path: extend_atlas(path, [2], [2], [1])):
        with pytest.raises(ConvacError) as error:
            use(path)
        assert str(error.value) == sentence.format(path)
    with pytest.raises(ConvacError) as error:
        read_atlas(tmp_path / "none.csv")
    assert str(error.value) == (
        f"cannot read {tmp_path / 'none.csv'}: No such file or directory; write it with convac atlas"
    )


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("size", ["", "-4", "4.0", "x", " 4", "+4", "04", "\u0664", "1e3", "9" * 5000, "NaN"]),
        ("rank", ["", "-1", "inf"]),
        ("cut", ["", "diagonal", "left-right\x00", "Left-right"]),
        ("status", ["", "certain"]),
        ("claim", ["maybe"]),
        ("theorem", ["x", "-1"]),
        ("chain", ["x", "-1"]),
        ("certificate", ["", "../../../../etc/passwd", "0" * 63, "g" * 64, "0" * 64 + "\u2028"]),
    ],
)
def test_a_value_that_no_cell_has_is_one_sentence(field, values, charted, tmp_path):
    header, line = charted.read_text("utf-8").splitlines()[:2]
    for value in values:
        words = dict(zip(header.split(","), line.split(","), strict=True)) | {field: value}
        changed, path = ",".join(words.values()), tmp_path / "atlas.csv"
        path.write_text(f"{header}\n{line}\n{changed}\n", "utf-8")
        with pytest.raises(ConvacError) as error:
            read_atlas(path)
        assert str(error.value) == (
            f"line 3 of {path} is no cell of an atlas: {changed.encode()[:100].decode(errors='replace')}; "
            "restore the file, or remove the line"
        )


@pytest.mark.parametrize(
    "line", [b"\xff\xfe", b"\x00" * 200, b'"' * 10**6, b'"4,2', b"4," * 10**6, "é".encode("utf-16")]
)
def test_a_hostile_line_is_one_sentence(line, charted, tmp_path):
    path, header = tmp_path / "atlas.csv", charted.read_bytes().split(b"\n")[0]
    path.write_bytes(header + b"\n" + line + b"\n")
    with pytest.raises(ConvacError) as error:
        read_atlas(path)
    start = line.split(b"\n")[0][:100].decode(errors="replace")
    assert str(error.value).startswith(f"line 2 of {path} is no cell of an atlas: {start}; restore the file")
    path.write_bytes(line)
    assert read_atlas(path) == []  # a line that was never finished


def test_lines_that_windows_ends_are_read(charted, tmp_path):
    path = tmp_path / "atlas.csv"
    path.write_bytes(charted.read_bytes().replace(b"\n", b"\r\n"))
    assert read_atlas(path) == read_atlas(charted)


def test_an_atlas_that_cannot_be_read_or_written_is_one_sentence(charted, tmp_path, monkeypatch):
    with pytest.raises(ConvacError) as error:
        extend_atlas(charted / "atlas.csv", *GRID)
    assert str(error.value) == (
        f"cannot write {charted / 'atlas.csv'}: Not a directory; a part of this path is a file, not a folder, "
        "so name another place"
    )
    for use, what in ((read_atlas, "read"), (lambda path: extend_atlas(path, *GRID), "write")):
        with pytest.raises(ConvacError) as error:
            use(tmp_path)
        assert str(error.value) == f"cannot {what} {tmp_path}: Is a directory; name a file, not a folder"
    monkeypatch.setattr("convac_lib.theory.atlas.LARGEST_FILE", 100)
    with pytest.raises(ConvacError) as error:
        read_atlas(charted)
    assert str(error.value) == f"cannot read {charted}: it is larger than 100 bytes; name another file"


# --- the atlas that the book shows ---


@cache
def book():
    return read_atlas(RESULTS)


def test_the_books_atlas_is_whole_and_consistent():
    wanted = [
        (H, M, B, C, cut)
        for H in (4, 8, 16)
        for M in (2, 3, 4)
        for B in range(1, 6)
        for C in (M, 2 * M)
        for cut in CUTS
    ]
    assert sorted(cell.place for cell in book()) == sorted(wanted)
    for cell in book():
        check(cell)
    files = {file.name for file in (RESULTS.parent / "certificates").glob("*.json")}
    assert files >= {certificate_path(RESULTS, cell).name for cell in book()}


def test_the_books_atlas_leaves_no_claim_open_and_knows_what_is_exact():
    """55 ranks meet their upper bound, and the chains prove each claim that is not false."""
    assert Counter(cell.status for cell in book()) == {"exact": 55, "at least": 125}
    assert Counter(cell.claim for cell in book()) == {None: 90, "proved": 60, "vacuous": 18, "false": 12}
    cells = {cell.place: cell for cell in book()}
    assert cells[8, 2, 2, 2, "left-right"].upper == 36_864 and cells[4, 3, 2, 6, "left-right"].rank == 2_916
    for cell in book():
        if cell.claim == "proved" and cell.channels >= cell.M:
            assert cell.formula <= cell.chain


def test_every_cell_has_a_certificate_that_says_the_same():
    for cell in book():
        certificate = load(certificate_path(RESULTS, cell))
        assert certificate.document()["digest"] == cell.certificate
        assert (certificate.architecture, certificate.rank) == (network_of(cell), cell.rank)
        assert certificate.cut == make_cut(cell.cut, cell.size).rows and certificate.prime == cell.prime
        assert max(certificate.sampled) == cell.rows


def test_the_cheap_certificates_are_borne_out():
    cheap = [
        cell
        for cell in book()
        if checking_cost(network_of(cell), make_cut(cell.cut, cell.size).rows, cell.rank)[0] < 1e8
    ]
    assert len(cheap) > 30
    for cell in cheap:
        assert verify(certificate_path(RESULTS, cell)).rank == cell.rank


def test_the_cells_of_a_small_image_are_found_again():
    small = [cell for cell in book() if (cell.size, cell.M) == (4, 2)]
    assert len(small) == 20
    assert all(certify_rank(network_of(cell), cell.cut).rank == cell.rank for cell in small)
