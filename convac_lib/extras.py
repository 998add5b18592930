"""The extras of the installation: what each one brings, and the sentence where one is missing."""

import sys
from importlib.util import find_spec

from convac_lib.errors import MissingExtraError

_NETWORKS = ("torch",)
_WIDGETS = ("matplotlib", "PIL", "ipywidgets", "anywidget")
# The modules that an extra brings; pyproject.toml lists their packages, and a test compares the two.
EXTRAS = {
    "networks": _NETWORKS,
    "widgets": _WIDGETS,
    "experiments": (*_NETWORKS, *_WIDGETS, "distributed", "pooch", "requests", "safetensors", "sklearn"),
}


def require(extra: str, module: str) -> None:
    """Refuse to import a module whose extra is not installed.

    Args:
        extra: a key of `EXTRAS`.
        module: what needs it, as `__name__`.

    Raises:
        MissingExtraError: if a module that the extra brings cannot be found.

    >>> require("networks", "convac_lib.networks")
    """
    for name in EXTRAS[extra]:
        if sys.modules.get(name) is None and find_spec(name) is None:
            sentence = f"{module} needs {name}, which is not installed; run {command_for(extra)}"
            raise MissingExtraError(sentence, name=name)


def command_for(extra: str) -> str:
    """Write the command that installs an extra; the quotes are for shells that expand brackets.

    >>> command_for("networks")
    'pip install "convac-lib[networks]"'
    """
    return f'pip install "convac-lib[{extra}]"'
