"""The argument --model: where a torch model comes from."""

import ast
import os
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from convac_lib.errors import ArchitectureError, shown
from convac_lib.extras import require

COLLECTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "torchvision": ("torchvision.models", "get_model", {"weights": None}),
    "timm": ("timm", "create_model", {"pretrained": False}),
    "pytorchcv": ("pytorchcv.model_provider", "get_model", {"pretrained": False}),
}
FORMS = "mynet.py:net, package.module:factory, 'package.module:factory(18, width=2)' or timm:resnet50"


def load(word: str, what: str = "model") -> Any:  # whatever is there; `from_torch` refuses what is no model
    """Return what a word names: an object, or what a function returns; modules of the current directory come first.

    Args:
        word: a file or a module, a colon, and a name in it, with arguments in brackets if it takes any; or a collection
            of networks, a colon, and a network's name there.
        what: what it should be, in words.

    Raises:
        ArchitectureError: if the word has another form, or what it names raises an error.
    """
    home, _, name = word.partition(":")
    if not home or not name:
        raise ArchitectureError(f"{shown(word)} names no {what}; write {FORMS}")
    sys.path.insert(0, os.getcwd())
    try:
        if home in COLLECTIONS:
            return _collected(home, name)
        return _made(_module(home), name)
    except ArchitectureError:
        raise
    except (Exception, SystemExit) as error:  # whatever the factory's own code raises
        raise ArchitectureError(f"{word} gave no {what} ({_reason(error)}); {_remedy(error, home, what)}") from error


def _collected(collection: str, name: str) -> Any:
    """Make a network of a collection, with random weights unless its arguments ask for others.

    Raises:
        ArchitectureError: if the collection is not installed, or cannot be imported.
    """
    home, factory, given = COLLECTIONS[collection]
    try:
        module = import_module(home)
    except Exception as error:  # a broken install raises whatever its own modules raise
        if isinstance(error, ModuleNotFoundError) and error.name == collection:
            raise ArchitectureError(
                f"{collection}:{name} needs the package {collection}, which is not installed; install it with "
                f"pip install {collection}"
            ) from error
        raise ArchitectureError(
            f"{collection}:{name} needs the package {collection}, which is installed and cannot be imported "
            f"({_reason(error)}); install it again with pip install --force-reinstall {collection}"
        ) from error
    own, args, kwargs = _parsed(name) if "(" in name else (name, [], {})
    return getattr(module, factory)(own, *args, **given | kwargs)


def _module(home: str) -> ModuleType:
    """Import a module by its name, or by the path of its file."""
    if not home.endswith(".py") and "/" not in home and os.sep not in home:
        return import_module(home)
    path = Path(home)
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no file {home}")
    sys.path.insert(0, str(path.resolve().parent))
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _made(module: ModuleType, name: str) -> Any:
    """Return an object of a module, or what it returns when it is called with the arguments in the name."""
    own, args, kwargs = _parsed(name)
    found: Any = module
    for part in own.split("."):
        found = getattr(found, part)
    if name != own or isinstance(found, type) or not _is_ready(found):
        return found(*args, **kwargs)
    return found


def _parsed(name: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Split a name from the arguments in brackets after it.

    >>> _parsed("net(18, width=2)")
    ('net', [18], {'width': 2})
    """
    call = ast.parse(name, mode="eval").body
    if not isinstance(call, ast.Call):
        return name, [], {}
    args = [ast.literal_eval(each) for each in call.args]
    return ast.unparse(call.func), args, {each.arg or "": ast.literal_eval(each.value) for each in call.keywords}


def _is_ready(found: Any) -> bool:
    """Whether an object is a model or an example already, and no function that makes one."""
    require("networks", __name__)
    from torch import Tensor, nn

    return isinstance(found, (nn.Module, Tensor, tuple, dict)) or not callable(found)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip('.')}"


def _remedy(error: BaseException, home: str, what: str) -> str:
    if home in COLLECTIONS:
        return f"give the name of a network in {home}, with arguments if it takes any, as in {home}:resnet50"
    if isinstance(error, TypeError) and "argument" in str(error):
        return "write its arguments after it, as in 'package.module:factory(18, width=2)'"
    return f"write {FORMS}, where the name is a {what}, or a function that returns one"
