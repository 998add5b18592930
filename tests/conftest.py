"""One profile of hypothesis for every test: the same cases on every machine, and none timed. A browser, and counts."""

import json
import shutil
import time
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from helpers.tested import SUITE, provenance, seconds_by_file
from hypothesis import settings

settings.register_profile("convac", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("convac")


BEGUN = time.time()


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Print what passed tests counted, each by `record_property(what, number)`; write it down if all ran and passed."""
    counts = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for what, number in report.user_properties:
            counts[what] += number
    if counts:
        terminalreporter.section("checked", "-")
    for what, number in counts.items():
        terminalreporter.line(f"{number:,} {what}")
    if exitstatus == 0 and is_whole(config):
        tests = {outcome: len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "skipped")}
        found = provenance() | {"seconds": round(time.time() - BEGUN), "tests": tests, "checked": counts}
        found["seconds by file"] = seconds_by_file(chain.from_iterable(terminalreporter.stats.values()))
        SUITE.parent.mkdir(exist_ok=True)
        SUITE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def is_whole(config):
    """Whether pytest was asked for all tests and for the chapters, as `make test` asks."""
    chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword
    return not (chosen or config.option.markexpr or config.option.deselect) and config.option.nbval


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        path = path or engine.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no Chromium here")
        browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
