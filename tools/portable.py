"""Run the chapters, and the tests that compute in floating point, as other processors would; print what differs.

    python tools/portable.py            # every setting; half an hour on two cores
    python tools/portable.py --quick    # the chapters alone, in two settings

A setting is a set of environment variables, which make the numerical libraries take other paths than this processor's
own: fewer vector instructions, another number of threads, other kernels. Two settings multiply every weight that is
drawn by 1 ± 1e-6. The exit status is 1 if anything fails in any setting.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PERTURBED = ROOT / "tools/perturbed"
FLOATING = re.compile(r"\btorch\b|allclose|approx|isclose")  # what a test that computes in floating point names
VARIABLES = (
    "OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR",
    "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES", "JSIMD_FORCENONE", "PERTURBATION",
)  # fmt: skip


def numpy_features(*kept: str) -> str:
    """The instruction sets that this NumPy would choose at run time, but for those that are kept."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name] and name not in kept)


def settings() -> dict[str, dict[str, str]]:
    """The environment variables of every setting, by its name; the variables that it does not name are unset."""
    return {
        "native": {},
        "AVX2": {
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "OPENBLAS_CORETYPE": "Haswell",
            "NPY_DISABLE_CPU_FEATURES": numpy_features("X86_V3", "AVX2", "FMA3"),
        },
        "SSE4.1": {
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "OPENBLAS_CORETYPE": "Nehalem",
            "NPY_DISABLE_CPU_FEATURES": numpy_features(),
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",  # exp, log, sin and pow of the C library
            "JSIMD_FORCENONE": "1",  # how JPEG images are read
        },
        "1 thread": {"OMP_NUM_THREADS": "1"},
        "2 threads": {"OMP_NUM_THREADS": "2"},
        "MKL compatible": {"MKL_CBWR": "COMPATIBLE"},
        "weights, seed 0": {"PYTHONPATH": str(PERTURBED), "PERTURBATION": "0"},
        "weights, seed 1": {"PYTHONPATH": str(PERTURBED), "PERTURBATION": "1"},
    }


def environment_of(setting: dict[str, str]) -> dict[str, str]:
    """This process's environment with a setting in place of whatever it says itself."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [setting["PYTHONPATH"]] if "PYTHONPATH" in setting else []
    path += [str(ROOT), *(each for each in inherited if each not in ("", str(PERTURBED)))]
    return environment | setting | {"PYTHONPATH": os.pathsep.join(path)}


def targets(quick: bool) -> list[Path]:
    """The chapters; and, unless the run is quick, the docstrings' examples and the tests in floating point."""
    chapters = sorted((ROOT / "book").glob("*.ipynb"))
    if quick:
        return chapters
    tests = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if FLOATING.search(path.read_text("utf-8"))]
    return [*chapters, ROOT / "convac_lib", *tests]


def run(environment: dict[str, str], paths: list[Path], processes: int) -> tuple[list[str], int]:
    """Run pytest; return the name and the message of what failed, and how many passed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += [f"--numprocesses={processes}", "--dist=loadscope", *map(str, paths)]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 1):  # neither "all passed" nor "some failed"
            raise SystemExit(f"pytest ended with status {ended.returncode}:\n{ended.stdout}{ended.stderr}")
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = [f"{case.get('classname')}: {case.get('name')}\n{case[0].get('message')}" for case in failed]
    if bool(failed) != bool(ended.returncode):
        raise SystemExit(f"pytest's report does not tell what failed:\n{ended.stdout}{ended.stderr}")
    return names, len(cases) - len(failed) - skipped


def drawn(environment: dict[str, str]) -> str:
    """A weight that the library draws in that environment."""
    code = (
        "import torch, convac_lib as c; torch.manual_seed(0); print(c.ConvAC(c.baseline(2, 2)).dense.weight.tolist())"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Run the settings that were asked for; return the exit status."""
    known = settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the chapters alone, in two settings: SSE4.1 and weights")
    parser.add_argument("--setting", nargs="+", choices=known, metavar="NAME", help=f"these alone: {', '.join(known)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="of pytest (default: one a core)")
    arguments = parser.parse_args()
    names = arguments.setting or (["SSE4.1", "weights, seed 0"] if arguments.quick else list(known))
    paths, native, failures = targets(arguments.quick), drawn(environment_of({})), 0
    print(f"{'setting':16} {'passed':>6} {'failed':>6} {'minutes':>7}", flush=True)
    for name in names:
        environment, start = environment_of(known[name]), time.monotonic()
        if "PERTURBATION" in environment and drawn(environment) == native:
            raise SystemExit(f"{name}: no weight was perturbed; is there another sitecustomize before tools/perturbed?")
        failed, passed = run(environment, paths, arguments.processes)
        print(f"{name:16} {passed:6,} {len(failed):6,} {(time.monotonic() - start) / 60:7.1f}", flush=True)
        print(*failed, sep="\n", end="\n" * bool(failed), flush=True)
        failures += len(failed)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
