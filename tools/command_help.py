"""A Sphinx extension: the directive `convac-help`, which shows what `convac COMMAND --help` prints."""

import os
import subprocess
import sys
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

COLUMNS = "88"  # fits the page's column


class CommandHelp(Directive):
    """Run the command, named by the directive's arguments, and show its help as a block."""

    optional_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Ask the installed program itself, so that the page cannot say anything else."""
        done = subprocess.run(
            [sys.executable, "-m", "convac_lib", *self.arguments, "--help"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": COLUMNS, "PYTHONIOENCODING": "utf-8"},
        )
        if done.returncode:
            raise self.error(f"convac {' '.join(self.arguments)} --help failed: {done.stderr.strip()}")
        return [nodes.literal_block(done.stdout, done.stdout, language="none")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("convac-help", CommandHelp)
    return {"parallel_read_safe": True}
