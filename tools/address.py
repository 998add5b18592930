"""Write the address at which the book is published into every file that names it, or take it out again.

    python tools/address.py https://github.com/owner/name          # or owner/name's remote: without words, git's origin
    python tools/address.py https://github.com/owner/name v1.0     # at another tag than the version's
    python tools/address.py none                                   # not published

A published page installs the library that it was built with, so a tag is written beside the address. A commit cannot
name itself, but a tag can be given to the commit that names it.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
SETUP = "tools/setup_cell.py"
VERSIONED = "convac_lib/__init__.py"
GITHUB = "https://github.com/"
# What each file says while the book is not published, and instead of it when it is.
PLACES = [
    (SETUP, "PUBLISHED = None  #", 'PUBLISHED = "convac-lib[experiments] @ git+{url}@{tag}"  #'),
    ("CITATION.cff", "\nreferences:\n", "\nrepository-code: {url}\nreferences:\n"),
    (
        "pyproject.toml",
        "\n[tool.setuptools]\n",
        '\n[project.urls]\nRepository = "{url}"\nIssues = "{url}/issues"\n\n[tool.setuptools]\n',
    ),
    (
        "README.md",
        "\nThe first run downloads",
        "\nIt is published at <{url}>; this is {tag}.\n\nThe first run downloads",
    ),
]
# Colab and Binder open notebooks on GitHub, and the theme's buttons know them.
ON_GITHUB = [
    (
        "_config.yml",
        "\nexecute:\n",
        """
repository:
  url: {url}
  branch: {tag}

launch_buttons:
  colab_url: https://colab.research.google.com
  binderhub_url: https://mybinder.org
  notebook_interface: jupyterlab

execute:
""",
    ),
    (
        "_config.yml",
        "\n  extra_footer:",
        "\n  use_repository_button: true\n  use_issues_button: true\n  extra_footer:",
    ),
    (
        "README.md",
        "\nThe first run downloads",
        """
In Colab, without installing anything: open
[the first chapter](https://colab.research.google.com/github/{name}/blob/{tag}/book/intro.ipynb). In JupyterLab, on
[Binder](https://mybinder.org/v2/gh/{name}/{tag}?urlpath=lab/tree/book/intro.ipynb).

The first run downloads""",
    ),
]


class AddressError(ValueError):
    """An address at which nothing can be published, or a file in which it cannot be written."""


def origin() -> str:
    """Return the address of git's remote named origin."""
    here = os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}  # a repository around this folder is another's
    words = ["git", "remote", "get-url", "origin"]
    try:
        done = subprocess.run(words, cwd=ROOT, env=here, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        done = None
    if not done or done.returncode:
        raise AddressError(
            "no address was given, and git knows no remote named origin; "
            "give it, as in: make address URL=https://github.com/owner/name"
        )
    return done.stdout.strip()


def normalise(address: str) -> str:
    """Return an address as readers open it: https, without a login, `.git` or a slash at its end.

    >>> normalise("git@github.com:owner/name.git")
    'https://github.com/owner/name'
    >>> normalise("https://token@GitHub.com/owner/name/")
    'https://github.com/owner/name'
    """
    text = address.strip()
    if "://" not in text and (scp := re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)", text)):
        text = f"ssh://{scp[1]}/{scp[2]}"
    try:
        url = urlsplit(text)
        host, port = (url.hostname or "").removeprefix("www."), url.port
    except ValueError:
        url, host, port = urlsplit(""), "", None
    path = url.path.strip("/").removesuffix(".git")
    clean = url.scheme in ("https", "ssh") and not re.search(r"[\s?#]", text)
    if not (clean and _is_repository(host, path.split("/"))):
        raise AddressError(
            f"{address!r} is no address of a repository; give one like https://github.com/owner/name, or none"
        )
    return f"https://{host}{f':{port}' if port and url.scheme == 'https' else ''}/{path}"


def _is_repository(host: str, parts: list[str]) -> bool:
    """Return whether a host and the parts of a path can name a repository: owner and name, elsewhere groups too."""
    known = re.fullmatch(r"[\w-]+(\.[\w-]+)+", host, re.ASCII) is not None
    named = len(parts) == 2 or (len(parts) > 2 and host != "github.com")
    return known and named and all(re.fullmatch(r"\w[\w.-]*", part, re.ASCII) for part in parts)


def pattern(published: str) -> re.Pattern:
    """Return what matches a published text, whatever its address."""
    return re.compile(re.sub(r"\\\{\w+\\\}", r"[^\\s\"'<>@]+?", re.escape(published)))


def written(url: str | None, tag: str) -> dict[Path, str]:
    """Return the text of every file that names the address, with this address instead of what it names.

    Args:
        url: the address; None takes it out.
        tag: the tag of the commit that is published.
    """
    texts = {name: (ROOT / name).read_text("utf-8") for name, *_ in PLACES + ON_GITHUB}
    for name, unpublished, published in reversed(PLACES + ON_GITHUB):
        texts[name] = pattern(published).sub(lambda _, text=unpublished: text, texts[name], count=1)
    words = {"url": url, "tag": tag, "name": (url or "").removeprefix(GITHUB)}
    for name, unpublished, published in PLACES + (ON_GITHUB if (url or "").startswith(GITHUB) else []):
        if texts[name].count(unpublished) != 1:
            raise AddressError(f"{name} must hold {unpublished.strip()!r} once; PLACES in tools/address.py says where")
        if url:
            texts[name] = texts[name].replace(unpublished, published.format(**words))
    cell = texts[SETUP].removesuffix("\n")
    chapters = {path: with_setup(path.read_text("utf-8"), cell) for path in sorted(ROOT.glob("book/*.ipynb"))}
    return {ROOT / name: text for name, text in texts.items()} | chapters


def with_setup(chapter: str, cell: str) -> str:
    """Return a chapter's text with this set-up cell, named after its source as tools/execute_notebooks.py does."""
    notebook = json.loads(chapter)
    first = next((each for each in notebook["cells"] if each["cell_type"] == "code"), None)
    if first is None:  # a page of words alone needs no library
        return chapter
    first["source"] = cell.splitlines(keepends=True)
    first["id"] = hashlib.sha256(cell.encode()).hexdigest()[:8]
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(address: str = "", tag: str = "") -> str:
    """Write the address and return what was done."""
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / VERSIONED).read_text("utf-8"), re.MULTILINE)[1]
    tag = tag.strip() or f"v{version}"
    if not re.fullmatch(r"\w[\w./-]*", tag, re.ASCII):
        raise AddressError(f"{tag!r} is no tag to publish; use letters, digits and dots, as in v{version}")
    url = None if address.strip() == "none" else normalise(address.strip() or origin())
    changed = {path: text for path, text in written(url, tag).items() if path.read_text("utf-8") != text}
    for path, text in changed.items():
        path.write_text(text, "utf-8", newline="\n")
    names = ", ".join(path.relative_to(ROOT).as_posix() for path in changed) or "no file, for all say so already"
    if url is None:
        return f"No file names an address. Written: {names}."
    return (
        f"The address is {url}, at the tag {tag}. Written: {names}.\n"
        f"Commit this, give that commit its tag, and publish both: git tag {tag} && git push origin HEAD {tag}"
    )


if __name__ == "__main__":
    try:
        print(main(*sys.argv[1:3]))
    except AddressError as error:
        sys.exit(f"make address: {error}")
