"""A Sphinx extension: the built book reads from a disk as from a server, and a zip of it is beside it.

A page that is opened from a disk may not fetch another, which Sphinx's search does for its excerpts. So this extension
writes the texts of all pages into a script, and the search takes them from there.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

NAME = "overlapping-architectures"  # the folder in the zip, and its file
NO_WORDS = ["script", "style", "svg", "figure", "form", "button", "noscript", ".headerlink", "div.cell_input"]


def text_of(page: str) -> str:
    """Return the words of a page, in the elements where the search looks: the main part, and what has an anchor.

    >>> text_of('<nav>Contents</nav><article class="bd-article"><h1 id="a" class="b">One</h1></article>')
    '<div role="main"><h1 id="a">One</h1></div>'
    """
    main = BeautifulSoup(page, "html.parser").select_one("article.bd-article")
    if main is None:
        return ""
    for element in main.select(", ".join(NO_WORDS)):
        element.decompose()
    for element in main.find_all(True):
        if "id" not in element.attrs:
            element.unwrap()
        else:
            element.attrs = {"id": element["id"]}
    return f'<div role="main">{main.decode_contents().strip()}</div>'


def load_texts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if page == "search":
        app.add_js_file("search.js")


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the texts that the search shows, and the zip."""
    if error or app.builder.name != "html":
        return
    folder = Path(app.outdir)
    texts = {
        f"{name}.html": text_of((folder / f"{name}.html").read_text("utf-8")) for name in sorted(app.env.found_docs)
    }
    script = f"window.searchTexts = {json.dumps(texts, ensure_ascii=False)};\n"
    (folder / "_static/search-texts.js").write_text(script, "utf-8")
    pack(folder)


def pack(folder: Path) -> None:
    """Write the zip of the built book beside its folder."""
    with zipfile.ZipFile(folder.parent / f"{NAME}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != ".buildinfo":
                archive.write(path, Path(NAME) / path.relative_to(folder))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", load_texts)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
