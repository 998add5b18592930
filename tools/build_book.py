"""Build the book as `jupyter-book build` does, and execute as many chapters at once as there are cores.

    python tools/build_book.py . --all -W -n --keep-going

Sphinx reads pages in several processes if it is told to, and jupyter-book has no option that tells it. Where Sphinx
cannot, as on Windows, the pages are read one by one.
"""

import os
import sys
from functools import partial

from jupyter_book import sphinx
from jupyter_book.cli.main import main
from sphinx.application import Sphinx


def is_parallel_allowed(app, kind):
    """Allow it: two extensions do not say that they do, and neither keeps anything of a page."""
    return True


if __name__ == "__main__":
    Sphinx.is_parallel_allowed = is_parallel_allowed
    sphinx.build_sphinx = partial(sphinx.build_sphinx, jobs=min(4, os.cpu_count() or 1))
    main(["build", *sys.argv[1:]])
