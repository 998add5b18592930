"""Break the library in one place, many times, and ask whether a test notices: mutation testing.

    python tools/mutants.py --most 650               # try the mutants, of the theory so many; go on where it stopped
    python tools/mutants.py --most 650 --part 1/2    # try every other one; --part 2/2 may run at the same time
    python tools/mutants.py --most 650 --only ranks  # try only those of files whose path contains this text
    python tools/mutants.py --most 650 --report      # write results/tested/mutants.json from what was tried

A mutant is the library with one change that Cosmic Ray's operators make: a number one larger, `<` as `<=`, `and` as
`or`, a loop that never runs, a decorator gone. A hash of `--seed` and of the mutant says which come first. So those
that are tried are a random sample of their group, and a change to one file leaves the order of the others alone. The
architecture and the records are tried whole, before the theory. Left out are type annotations, which nothing executes,
and bit operators in place of arithmetic and `is` in place of `==`, which any test would see. Nothing else is left out.

The tests of a mutant are its module's doctests, its own test file, and up to six more that name the module, import it,
belong to a module that does, or name what it defines, in this order, without the tests in `SLOW`. They run file after
file until one kills the mutant: a test fails, or the file takes 60 seconds of processor time, 120 seconds of any time,
or 8 GiB of memory. So a mutant that waits for ever counts as killed. A file that fails without any mutant, or takes a
third of the time, is left out. Hypothesis does not look for smaller examples, for one that fails is enough.

What was killed stays killed until its file changes. What survived is tried again on those test files that changed.

The mutants are made in a copy of the repository below _build, in processes forked from one that has loaded NumPy, flint
and torch already. It needs Linux or macOS, and `pip install -r requirements-checks.txt`.
"""

import argparse
import ast
import compileall
import gc
import hashlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import traceback
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from py_compile import PycInvalidationMode

import cosmic_ray.plugins
import pytest
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "_build/mutants"
TRIED = WORK / "tried.jsonl"
REASONS, RESULT = ROOT / "tests/survivors.toml", ROOT / "results/tested/mutants.json"
MUTATED = [
    "convac_lib/architecture.py",
    "convac_lib/theory",
    "convac_lib/experiments/records.py",
    "convac_lib/files.py",
]
TESTS = ["tests/test_architecture.py", "tests/test_files.py", "tests/theory", "tests/experiments", "tests/related",
         "tests/visuals"]  # fmt: skip
SLOW = [  # they take more than a second each
    "atlas.py::test_an_atlas_killed_again_and_again_ends_up_whole",
    "atlas.py::test_the_books_atlas_is_whole_and_consistent",
    "atlas.py::test_every_cell_is_there_and_true",
    "atlas.py::test_the_cheap_certificates_are_borne_out",
    "atlas.py::test_an_atlas_that_cannot_be_read_or_written_is_one_sentence",
    "ranks.py::test_the_reference_and_the_fast_engine_agree_modulo_two_primes",
    "decompositions.py::test_without_overlap_a_network_is_the_baseline_and_its_decomposition",
    "elimination.py::test_structures_larger_than_a_block_agree_with_flint",
    "witness.py::test_the_witness_holds_the_identity_in_every_architecture",
    "witness.py::test_hundreds_of_rows_hold_the_identity_whole",
    "min_cut.py::test_no_rank_is_above_the_min_cut",
    "min_cut.py::test_the_plain_cut_is_that_of_another_flow_over_an_unrolled_network_of_windows",
    "chain.py::test_the_witness_compares_its_chains_in_every_network",
    "trees.py::test_nodes_of_one_kind_give_the_bound_of_all_nodes",
    "certificates.py::test_1000_tampered_certificates_are_rejected",
    "thresholds.py::test_the_thresholds_of_the_common_case[16]",
    "thresholds.py::test_the_thresholds_of_the_common_case[32]",
]
PRELOADED = [
    "numpy", "scipy.optimize", "scipy.sparse.csgraph", "flint", "hypothesis.strategies", "hypothesis.extra.numpy",
    "networkx", "psutil", "torch", "safetensors.torch", "nbval.plugin", "xdist.plugin", "PIL.Image", "sklearn.datasets",
    "matplotlib.pyplot", "anyio.pytest_plugin", "anyio._backends._asyncio", "hypothesis.internal.conjecture.engine",
    "jsonschema",
]  # fmt: skip
GROUPS = ("architecture", "records", "theory")  # in the order in which they are tried
MEMORY, SECONDS, WALL, FILES = 8 * 2**30, 60, 120, 7  # bytes and seconds for one test file; test files for a mutant
LEFT_OUT = re.compile(
    "core/ReplaceBinaryOperator_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(RShift|LShift|BitOr|BitAnd|BitXor)"
    "|core/ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_(Is|IsNot)$"
)


def files(paths, root=ROOT):
    """The Python files at and below these paths, relative to the root."""
    found = [
        file for path in paths for file in ([root / path] if ".py" in path else sorted((root / path).glob("*.py")))
    ]
    return [str(file.relative_to(root)) for file in found if file.name != "__init__.py"]


def annotated(source):
    """Where annotations stand: ((line, column), (line, column)) of each, in characters."""
    lines = source.encode().splitlines()

    def place(line, column):
        return line, len(lines[line - 1][:column].decode())

    for node in ast.walk(ast.parse(source)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if part is not None:
                yield place(part.lineno, part.col_offset), place(part.end_lineno, part.end_col_offset)


def mutants_of(path):
    """All mutants of a file: (path, operator, occurrence, line)."""
    tree, source = get_ast_from_path(ROOT / path), (ROOT / path).read_text(encoding="utf-8")
    skipped, nodes = list(annotated(source)), list(ast_nodes(tree))
    for name in cosmic_ray.plugins.operator_names():
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments() or LEFT_OUT.match(name):
            continue
        operator = kind()
        places = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(places):
            if not any(first <= start < last for first, last in skipped):
                yield path, name, occurrence, start[0]


def child(tree, *words):
    """Run pytest in a fork; return (exit status, or minus the signal that ended it; processor and other seconds).

    The fork may wait for ever and use no processor time, as when the mutant breaks a lock. Its parent ends it then. It
    has no thread for that, because a fork of a process with threads may itself wait for ever.
    """
    began, number = time.monotonic(), os.fork()
    if number == 0:
        status = 70
        try:
            os.setpgid(0, 0)
            sink = os.open(tree.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(sink, 1), os.dup2(sink, 2)
            os.chdir(tree)
            sys.path[:0] = [str(tree), str(tree / "tests")]
            os.environ["PYTHONPATH"] = str(tree)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            status = int(run_pytest(*words))
        except BaseException:  # noqa: BLE001  # a child reports whatever happens to it
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    ended = 0
    while not ended:
        if time.monotonic() - began > WALL:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(number, signal.SIGKILL)
        time.sleep(0.02)
        ended, status, use = os.wait4(number, os.WNOHANG)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)  # what it left running
    return os.waitstatus_to_exitcode(status), use.ru_utime + use.ru_stime, time.monotonic() - began


class NoShrinking:
    """A plugin of pytest: leave out the phases of hypothesis that follow a failure, which may take minutes."""

    def pytest_sessionstart(self):
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.default, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")


def run_pytest(*words):
    quiet = ["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    for test in SLOW:
        quiet += ["--deselect", f"tests/theory/test_{test}"]
    return pytest.main([*quiet, *words], plugins=[NoShrinking()])


@cache
def tests_of(path, root):
    """What to run for the mutants of a module: its doctests, and test files, the closest first."""
    module, source = path.removesuffix(".py").replace("/", "."), (root / path).read_text(encoding="utf-8")
    name, defined = module.rpartition(".")[2], set(re.findall(r"^(?:def|class) ([A-Za-z]\w+)", source, re.MULTILINE))
    imports, found = f"from {module} import", []
    importers = {
        f"test_{Path(file).stem}" for file in files(MUTATED, root) if imports in (root / file).read_text("utf-8")
    }
    for test in files(TESTS, root):
        text = (root / test).read_text(encoding="utf-8")
        stem = Path(test).stem
        near = (stem == f"test_{name}", name in stem, imports in text, stem in importers)
        named = len(defined & set(re.findall(r"\w+", text)))
        if any(near) or named:
            found.append((*(not one for one in near), -named, test))
    return [path, *(test for *_, test in sorted(found)[:FILES])]


@cache
def sound(test, tree):
    """Whether a file passes without a mutant, in a third of the time that it may take."""
    status, taken, wall = child(tree, test)
    if status or taken > SECONDS / 3:
        print(f"left out {test}: status {status} after {taken:.1f} s of the processor, {wall:.1f} s in all", flush=True)
        return False
    return True


def attempt(path, name, occurrence, line, tests, tree):
    """Make one mutant and run these tests; return what to remember of it."""
    file = tree / path
    source = file.read_text(encoding="utf-8")
    mutated = mutate_code(source, cosmic_ray.plugins.get_operator(name)(), occurrence)
    status, taken, wall, by = 0, 0.0, 0.0, ""
    for words in tests[:2], *([test] for test in tests[2:]):  # the doctests and a file take hardly longer than the file
        if status == 0 and (words := [test for test in words if sound(test, tree)]):
            try:
                file.write_text(mutated, encoding="utf-8")
                status, *times = child(tree, *words)
            finally:
                file.write_text(source, encoding="utf-8")
            taken, wall, by = taken + times[0], wall + times[1], words[-1]
    before, after = source.splitlines(), mutated.splitlines()
    place = next((n for n, (one, other) in enumerate(zip(before, after)) if one != other), line - 1)
    return {
        "path": path, "operator": name, "occurrence": occurrence, "line": place + 1, "was": before[place].strip(),
        "is": after[place].strip() if len(after) == len(before) else "(line removed)",
        "killed": status != 0, "by": by, "status": status, "seconds": round(taken, 1), "wall": round(wall, 1),
        "digest": digest(path, tree),
    }  # fmt: skip


def digest(path, root=ROOT):
    return hashlib.sha256((root / path).read_bytes()).hexdigest()[:16]


def tried():
    """What was tried of the files as they are now, by mutant; a later try of the same mutant counts."""
    lines = TRIED.read_text().splitlines() if TRIED.exists() else []
    found = [result for result in map(json.loads, lines) if result["digest"] == digest(result["path"])]
    return {(result["path"], result["operator"], result["occurrence"]): result for result in found}


def copy_tree(tree):
    """Copy what git knows of the repository, and compile the library; hashes tell a mutant from its original."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    compileall.compile_dir(tree / "convac_lib", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def population(seed):
    """All mutants of each group, in the order in which they are tried."""
    groups = {name: [] for name in GROUPS}
    for path in files(MUTATED):
        groups[group_of(path)] += mutants_of(path)
    for mutants in groups.values():
        mutants.sort(key=lambda mutant: hashlib.sha256(repr((seed, *mutant[:3])).encode()).digest())
    return groups


def group_of(path):
    if path.endswith("architecture.py"):
        return "architecture"
    return "theory" if "/theory/" in path else "records"


def sample(groups, most):
    """The mutants to try: the two small groups whole, and `most` of the theory's."""
    return [mutant for name in GROUPS for mutant in groups[name][: most if name == "theory" else None]]


def try_all(options):
    part, parts = map(int, options.part.split("/"))
    tree = WORK / f"tree{part}"
    WORK.mkdir(parents=True, exist_ok=True)
    copy_tree(tree)
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")  # before torch reads it
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # so that no fork looks through what was loaded, which takes longer than many a mutant's tests
    wanted = [mutant for mutant in sample(population(options.seed), options.most) if options.only in mutant[0]]
    wanted, known = wanted[part - 1 :: parts], tried()
    for number, mutant in enumerate(wanted, 1):
        before = known.get(mutant[:3], {"killed": False, "tests": {}})
        tests = {test: digest(test, tree) for test in tests_of(mutant[0], tree)}
        changed = [test for test in tests if before.get("tests", {}).get(test) != tests[test]]
        if before["killed"] or not changed:
            continue
        result = attempt(*mutant, changed, tree) | {"tests": tests}
        with open(TRIED, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        verdict = f"killed by {result['by']}" if result["killed"] else "SURVIVED"
        print(
            f"{number}/{len(wanted)} {result['wall']:5.1f} s {verdict} {mutant[0]}:{result['line']} {result['is']}",
            flush=True,
        )


def report(options):
    """Write the counts and the survivors, each with the reason that tests/survivors.toml gives."""
    groups, known = population(options.seed), tried()
    results = [known[mutant[:3]] for mutant in sample(groups, options.most) if mutant[:3] in known]
    reasons = {
        (one["path"], one["was"], one["is"]): one["reason"] for one in tomllib.loads(REASONS.read_text())["survivor"]
    }
    here, killed = Counter(), Counter()
    for result in results:
        here[group_of(result["path"])] += 1
        killed[group_of(result["path"])] += result["killed"]
    survivors = [
        {key: result[key] for key in ("path", "line", "was", "is")}
        | {"reason": reasons.get((result["path"], result["was"], result["is"]), "not looked at")}
        for result in results if not result["killed"]
    ]  # fmt: skip
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from helpers.tested import provenance  # it loads the library, which no process that forks mutants may have

    found = provenance() | {
        "seed": options.seed,
        "groups": {
            name: {"mutants": len(groups[name]), "tried": here[name], "killed": killed[name]} for name in GROUPS
        },
        "survivors": sorted(survivors, key=lambda one: (one["path"], one["line"], one["is"])),
    }  # fmt: skip
    RESULT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, group in found["groups"].items():
        print(f"{name}: {group['killed']:,} of {group['tried']:,} mutants killed, drawn from {group['mutants']:,}")
    print(f"{len(survivors)} survivors in {RESULT.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, help="how many mutants of the theory to try; all if it is left out")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which the mutants are tried")
    parser.add_argument("--only", default="", help="try only the mutants of files whose path contains this text")
    parser.add_argument("--part", default="1/1", help="1/2 and 2/2: the halves, for two processes at once")
    parser.add_argument("--report", action="store_true", help="only write results/tested/mutants.json")
    options = parser.parse_args()
    if not options.report:
        try_all(options)
    report(options)


if __name__ == "__main__":
    main()
