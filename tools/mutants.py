"""Break the library in one place, many times, and ask whether a test notices: mutation testing.

    python tools/mutants.py             # try mutants until all of them, or --most, are tried; go on where it stopped
    python tools/mutants.py --report    # write results/tested/mutants.json from what was tried

A mutant is the library with one change that Cosmic Ray's operators make: a number one larger, `<` as `<=`, `and` as
`or`, a loop that never runs, a decorator gone. The mutants are tried in an order drawn at random from `--seed`, so
that those tried at any moment are a random sample of all. Left out are type annotations, which nothing executes, and
bit operators in place of arithmetic, which any test would see.

The tests of a mutant are its module's doctests and its test file, or else one that imports it, without the
tests in `SLOW`. A mutant is killed if one of them fails, or if they take 30 seconds of processor time, or 8 GiB of
memory. What survives is tried again with --survivors, on up to five files. The
mutants are made in a copy of the repository below _build, in processes forked from one that has loaded NumPy, flint
and torch already. It needs Linux or macOS, and `pip install -r requirements-checks.txt`.
"""

import argparse
import ast
import hashlib
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cosmic_ray.plugins
import pytest
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "_build/mutants"
TREE, TRIED = WORK / "tree", WORK / "tried.jsonl"
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
    "matplotlib.pyplot",
]  # fmt: skip
SHARES = {"architecture": 1, "theory": 3, "records": 1}  # of the mutants that are tried
MEMORY, SECONDS = 8 * 2**30, 30  # of all its tests; the slowest module's take a third of that
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


def child(work):
    """Run `work` in a fork; return (exit status, or minus the signal that ended it; processor seconds)."""
    began, number = time.monotonic(), os.fork()
    if number == 0:
        status = 70
        try:
            os.setpgid(0, 0)
            sink = os.open(WORK / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(sink, 1), os.dup2(sink, 2)
            os.chdir(TREE)
            sys.path[:0] = [str(TREE), str(TREE / "tests")]
            os.environ["PYTHONPATH"] = str(TREE)
            status = int(work())
        except BaseException:  # noqa: BLE001  # a child reports whatever happens to it
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    late = threading.Timer(600, lambda: os.killpg(number, signal.SIGKILL))
    late.start()
    _, status, use = os.wait4(number, 0)
    late.cancel()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)  # what it left running
    return os.waitstatus_to_exitcode(status), use.ru_utime + use.ru_stime, time.monotonic() - began


def run_pytest(*words):
    quiet = ["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    for test in SLOW:
        quiet += ["--deselect", f"tests/theory/test_{test}"]
    return pytest.main([*quiet, *words])


def tests_of(path, most):
    """The tests to run for the mutants of a module: its doctests, and `most` test files, its own first."""
    module = path.removesuffix(".py").replace("/", ".")
    name = module.rpartition(".")[2]
    found = []
    for test in files(TESTS, TREE):
        text = (TREE / test).read_text(encoding="utf-8")
        if name in Path(test).stem or f"from {module} import" in text:
            found.append((not test.endswith(f"/test_{name}.py"), name not in Path(test).stem, len(text), test))
    return [path, *(test for *_, test in sorted(found)[:most])]


def attempt(path, name, occurrence, line, most):
    """Make one mutant and run its tests; return what to remember of it."""
    file = TREE / path
    source = file.read_text(encoding="utf-8")
    mutated = mutate_code(source, cosmic_ray.plugins.get_operator(name)(), occurrence)

    def work():
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * most, SECONDS * most + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        return run_pytest(*tests_of(path, most))

    try:
        file.write_text(mutated, encoding="utf-8")
        status, taken, wall = child(work)
    finally:
        file.write_text(source, encoding="utf-8")
    before, after = source.splitlines(), mutated.splitlines()
    place = next((n for n, (one, other) in enumerate(zip(before, after)) if one != other), line - 1)
    return {
        "path": path, "operator": name, "occurrence": occurrence, "line": place + 1, "was": before[place].strip(),
        "is": after[place].strip() if len(after) == len(before) else "(line removed)",
        "killed": status != 0, "status": status, "seconds": round(taken, 1), "wall": round(wall, 1),
        "digest": digest(path, TREE),
    }  # fmt: skip


def digest(path, root=ROOT):
    return hashlib.sha256((root / path).read_bytes()).hexdigest()[:16]


def tried():
    """What was tried of the files as they are now, by mutant; a later try of the same mutant counts."""
    lines = TRIED.read_text().splitlines() if TRIED.exists() else []
    found = [result for result in map(json.loads, lines) if result["digest"] == digest(result["path"])]
    return {(result["path"], result["operator"], result["occurrence"]): result for result in found}


def copy_tree():
    """Copy what git knows of the repository; compiled modules stay out, lest a mutant be taken for its original."""
    shutil.rmtree(TREE, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)


def population(seed):
    """All mutants, in the order in which they are tried."""
    order = []
    for group, share in SHARES.items():
        mutants = [mutant for path in files(MUTATED) if group_of(path) == group for mutant in mutants_of(path)]
        random.Random(seed).shuffle(mutants)
        order += [(number / share, mutant) for number, mutant in enumerate(mutants)]
    return [mutant for _, mutant in sorted(order)]


def group_of(path):
    return {"convac_lib/architecture.py": "architecture", "convac_lib/theory": "theory"}.get(
        path if path.endswith("architecture.py") else str(Path(path).parent), "records"
    )


def try_all(options):
    WORK.mkdir(parents=True, exist_ok=True)
    copy_tree()
    for name in PRELOADED:
        importlib.import_module(name)
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    mutants, known = population(options.seed), tried()
    wanted = mutants[: options.most]
    if options.survivors:
        wanted = [mutant for mutant in wanted if not known.get(mutant[:3], {"killed": True})["killed"]]
        known = {}
    for number, mutant in enumerate(wanted, 1):
        if mutant[:3] not in known:
            result = attempt(*mutant, 5 if options.survivors else 1)
            with open(TRIED, "a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            verdict = "killed  " if result["killed"] else "SURVIVED"
            print(
                f"{number}/{len(wanted)} {verdict} {result['wall']:5.1f} s {mutant[0]}:{result['line']} {result['is']}",
                flush=True,
            )


def report(options):
    """Write the counts and the survivors, each with the reason that tests/survivors.toml gives."""
    mutants, known = population(options.seed), tried()
    results = [known[mutant[:3]] for mutant in mutants[: options.most] if mutant[:3] in known]
    reasons = {
        (one["path"], one["was"], one["is"]): one["reason"] for one in tomllib.loads(REASONS.read_text())["survivor"]
    }
    every, here, killed = Counter(group_of(mutant[0]) for mutant in mutants), Counter(), Counter()
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
        "groups": {name: {"mutants": every[name], "tried": here[name], "killed": killed[name]} for name in SHARES},
        "survivors": sorted(survivors, key=lambda one: (one["path"], one["line"], one["is"])),
    }  # fmt: skip
    RESULT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, group in found["groups"].items():
        print(f"{name}: {group['killed']:,} of {group['tried']:,} mutants killed, drawn from {group['mutants']:,}")
    print(f"{len(survivors)} survivors in {RESULT.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, help="how many mutants to try; all if it is left out")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which the mutants are tried")
    parser.add_argument(
        "--survivors", action="store_true", help="try again those that survived, on five test files instead of one"
    )
    parser.add_argument("--report", action="store_true", help="only write results/tested/mutants.json")
    options = parser.parse_args()
    if not options.report:
        try_all(options)
    report(options)


if __name__ == "__main__":
    main()
