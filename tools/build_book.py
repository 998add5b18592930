"""Build the book as `jupyter-book build` does, and execute as many chapters at once as there are cores.

    python tools/build_book.py . --all -W -n --keep-going

Sphinx reads pages in several processes if it is told to, and jupyter-book has no option that tells it. Where Sphinx
cannot, as on Windows, the pages are read one by one.
"""

import os
import sys
from functools import partial

import sphinx_multitoc_numbering
from jupyter_book import sphinx
from jupyter_book.cli.main import main


def number_nothing(app):
    """Stand in for the extension that numbers chapters: none has a number here, and it keeps Sphinx to one process."""
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    sphinx_multitoc_numbering.setup = number_nothing
    sphinx.build_sphinx = partial(sphinx.build_sphinx, jobs=min(4, os.cpu_count() or 1))
    main(["build", *sys.argv[1:]])
