"""The licences of what is installed: `make checks` refuses every name that is not listed, and none of them binds us."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

import pytest
from helpers.chapters import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pip-licenses"]
ALLOWED = {" ".join(name.split()) for name in SETTINGS["allow-only"].split(";")}
CLASSIFIER = "Classifier: License :: OSI Approved :: {}"


def names_of(package):
    """The licences that a package names: by its expression, or else by its classifiers, or else in a line."""
    said = metadata(package)
    if said.get("License-Expression"):
        return {said.get("License-Expression")}
    lines = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License ::")]
    return set(lines) - {"OSI Approved"} or {said.get("License") or "UNKNOWN"}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-checks.txt"])
def test_every_pinned_package_names_a_listed_licence(file):
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    for package in set(pinned) - set(SETTINGS["ignore-packages"]):
        try:
            names = names_of(package)
        except PackageNotFoundError:  # for another Python, or for `make checks` alone
            continue
        assert names & ALLOWED, (package, names)


def test_no_listed_licence_would_bind_the_book():
    assert not SETTINGS.keys() & {"partial-match", "fail-on"}
    for name in ALLOWED:
        assert not re.search(r"(?<!L)GPL|SSPL|EUPL|-NC|-ND|Proprietary|LicenseRef|UNKNOWN", name), name
    assert "GPL" in "".join(ALLOWED), "the lesser one, of libraries that the book calls and does not contain"


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("License-Expression: MIT", True),
        ("License-Expression: MPL-2.0 AND MIT", True),
        (CLASSIFIER.format("BSD License"), True),
        ("License-Expression: GPL-3.0-only", False),
        ("License-Expression: MIT AND GPL-3.0-only", False),
        ("License-Expression: AGPL-3.0-or-later", False),
        ("License-Expression: LicenseRef-Proprietary", False),
        (CLASSIFIER.format("GNU General Public License v3 (GPLv3)"), False),
        ("License: a licence of our own, miscellaneous terms", False),
        ("Summary: names none", False),
    ],
)
def test_a_package_with_another_licence_is_refused(tmp_path, line, fits):
    pytest.importorskip("piplicenses", reason="make checks installs pip-licenses")
    folder = tmp_path / "new_package-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: new-package\nVersion: 1.0\n{line}\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from piplicenses import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--packages", "new-package"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == fits, done.stderr
    assert ("new-package" in done.stdout) == fits
    assert fits or "new-package:1.0" in done.stderr
