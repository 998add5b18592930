"""Run chapters and tests on one thread: fastest for networks this small, and the same last digits at each run here."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads torch; the chapters' kernels inherit it


def pytest_configure(config):
    """Name the file of what a chapter's outputs may differ in by its whole path: pytest runs in any folder."""
    if not config.option.nbval_sanitize_with:
        config.option.nbval_sanitize_with = str(Path(__file__).with_name("tests") / "nbval_sanitize.cfg")


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_make_scheduler(config, log):
    """Keep a file on one worker where `-n` alone would not: the cells of a chapter need one another."""
    from xdist.scheduler import LoadScopeScheduling

    return LoadScopeScheduling(config, log) if config.option.dist == "load" else None
