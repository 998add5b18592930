"""What the suites write down about themselves: `tools/tested.py` copies it into results/tested."""

import datetime
import os
import platform
from collections import Counter
from importlib.metadata import version

from helpers.chapters import ROOT

from convac_lib.experiments.machine import processor

SUITE = ROOT / "_build/tested.json"
TESTED = ROOT / "results/tested"


def provenance():
    """The date, the versions of the software, and the hardware."""
    versions = {name: version(name) for name in ("convac-lib", "numpy", "python-flint", "torch", "hypothesis")}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"Python": platform.python_version()} | versions,
        "hardware": f"{os.cpu_count()} cores, {processor()}",
    }


def seconds_by_file(reports):
    """How long the tests of each file took, with what they set up: seconds, the longest first."""
    seconds = Counter()
    for report in reports:
        if hasattr(report, "duration"):  # a warning, or a test left out, has none
            seconds[report.nodeid.partition("::")[0]] += report.duration
    return {name: round(taken, 1) for name, taken in seconds.most_common()}
