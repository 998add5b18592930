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
        if home in COLLECTIONS and "(" not in name and "." not in name:
            module, factory, given = COLLECTIONS[home]
            return getattr(import_module(module), factory)(name, **given)
        return _made(_module(home), name)
    except (Exception, SystemExit) as error:  # whatever the factory's own code raises
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ArchitectureError(
            f"{word} gave no {what} ({type(error).__name__}: {reason}); {_remedy(error, home, what)}"
        ) from error


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
    call = ast.parse(name, mode="eval").body
    target, args, kwargs = call, [], {}
    if isinstance(call, ast.Call):
        target = call.func
        args = [ast.literal_eval(each) for each in call.args]
        kwargs = {each.arg or "": ast.literal_eval(each.value) for each in call.keywords}
    found: Any = module
    for part in ast.unparse(target).split("."):
        found = getattr(found, part)
    if isinstance(call, ast.Call) or isinstance(found, type) or not _is_ready(found):
        return found(*args, **kwargs)
    return found


def _is_ready(found: Any) -> bool:
    """Whether an object is a model or an example already, and no function that makes one."""
    from torch import Tensor, nn

    return isinstance(found, (nn.Module, Tensor, tuple, dict)) or not callable(found)


def _remedy(error: BaseException, home: str, what: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == home.partition(".")[0] and home in COLLECTIONS:
        return f"install {home} first"
    if isinstance(error, TypeError) and "argument" in str(error):
        return "write its arguments after it, as in 'package.module:factory(18, width=2)'"
    return f"write {FORMS}, where the name is a {what}, or a function that returns one"
