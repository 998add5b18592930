"""Print what to install for an environment like Colab's, from the list of packages that Google publishes.

    python tools/colab_versions.py pip-freeze.txt > _build/colab.txt

Google's list is `pip-freeze.txt` in https://github.com/googlecolab/backend-info: we take from it what the library asks
for, and what runs a notebook.
"""

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
NOTEBOOK = ["ipykernel", "ipython", "jupyter-client"]


def normalised(name: str) -> str:
    """Return a package's name as the index spells it.

    >>> normalised("scikit_learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(listed: str) -> list[str]:
    r"""Return one pin per package of Colab that the library asks for.

    Args:
        listed: the text of `pip-freeze.txt`.

    >>> pins("numpy==2.1.3\ntorch @ https://a.example/torch-2.11.0%2Bcu128-cp313-linux.whl\nflask==3.1.0")
    ['numpy==2.1.3', 'torch==2.11.0']
    """
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    asked = [*NOTEBOOK, *project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {normalised(re.match(r"[\w.-]+", requirement)[0]) for requirement in asked}
    versions = re.findall(r"^([\w.-]+)(?:==| @ \S*/[\w.]+-)(\d[\w.]*)", listed, re.MULTILINE)
    return sorted(f"{normalised(name)}=={version}" for name, version in versions if normalised(name) in names)


if __name__ == "__main__":
    print(*pins(Path(sys.argv[1]).read_text("utf-8")), sep="\n")
