"""A Sphinx extension: tell readers who listen what Sphinx and the theme leave out."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

# Sphinx writes a signature of several lines as a list of definitions without terms.
ARGUMENTS = re.compile(r'(?<=<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>', re.DOTALL)


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Call the entries of the bibliography, a list, items of a list; and lists that are none, lines.

    The entries' own role is given up, because a list needs items.
    """
    body = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = ARGUMENTS.sub(_in_lines, body)
    context["generate_toctree_html"] = partial(_with_names, context["generate_toctree_html"])


def _in_lines(arguments: re.Match[str]) -> str:
    return arguments[1].strip().replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")


def _with_names(contents: Callable[..., BeautifulSoup | str], *words: Any, **more: Any) -> BeautifulSoup | str:
    """Name the chevrons of the table of contents by the page that they open."""
    soup = contents(*words, **more)
    for summary in soup.select("summary") if isinstance(soup, BeautifulSoup) else ():
        summary["aria-label"] = f"Pages below {summary.find_parent('li').a.get_text(strip=True)}"
    return soup


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", mend, priority=900)  # after the theme has said how it makes its table of contents
    return {"parallel_read_safe": True, "parallel_write_safe": True}
