"""The names of the front door: loaded when first used, typed, and the same in the stub as at run time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

import convac_lib

PACKAGE = Path(convac_lib.__file__).parent


def type_check(folder, source):
    """What mypy says of a user's file."""
    user = folder / "user.py"
    user.write_text(source)
    out, _, _ = api.run([str(user), "--strict", "--cache-dir", str(folder / "cache"), "--follow-imports=silent"])
    return out


def test_the_stub_names_what_is_there():
    """A type checker reads the stub, and Python does not."""
    lines = (PACKAGE / "__init__.pyi").read_text("utf-8").splitlines()
    imports = {re.fullmatch(r"from \.(\S+) import (\w+) as \2", line).groups() for line in lines if "import" in line}
    assert imports == {(home, name) for home, names in convac_lib._HOMES.items() for name in names}
    assert all(getattr(convac_lib, name).__name__ == name for name in convac_lib.__all__)
    assert set(convac_lib.__all__) <= set(dir(convac_lib))


def test_a_wrong_name_is_an_error():
    with pytest.raises(AttributeError, match="nonsense_name"):
        convac_lib.nonsense_name  # noqa: B018


@pytest.mark.parametrize("name", ["torch", "numpy", "matplotlib"])
def test_the_front_door_loads_nothing_heavy(name):
    code = f"import sys, convac_lib; sys.exit({name!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=True)


def test_a_user_of_mypy_sees_the_types_and_the_wrong_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(PACKAGE.parent))
    said = type_check(
        tmp_path,
        "import convac_lib\n"
        "reveal_type(convac_lib.common_case(B=2, M=2, size=4).size)\n"
        "reveal_type(convac_lib.ConvAC)\n"
        "convac_lib.nonsense_name\n",
    )
    assert '2: note: Revealed type is "int"' in said
    assert '-> convac_lib.networks.models.ConvAC"' in said
    assert '4: error: Module has no attribute "nonsense_name"  [attr-defined]' in said
    assert "Found 1 error in 1 file" in said


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
