"""One profile of hypothesis for every test: the same cases on every machine, and none timed. And what was counted."""

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
