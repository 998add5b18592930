"""One profile of hypothesis for every test: the same cases on every machine, and none timed. A browser, and counts."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("convac", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("convac")


def pytest_terminal_summary(terminalreporter):
    """Print what passed tests counted, each by `record_property(what, number)`."""
    counts = [count for report in terminalreporter.stats.get("passed", []) for count in report.user_properties]
    if counts:
        terminalreporter.section("checked", "-")
    for what, number in counts:
        terminalreporter.line(f"{number:,} {what}")


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
