"""A Sphinx extension: a page has one copy of the explorers' script and style, though every card brings its own.

A script of an explorer starts every card on the page, so that the first copy is enough. Where a card computes in the
browser, its script has the engine and starts the other cards too, so that the plain script is left out.
"""

import re
from typing import Any

from sphinx.application import Sphinx

from convac_lib.visuals.card import BROWSER_VIEWS, script_of

OWN = re.compile(r'\n?<(style|script type="module")>.*?</(style|script)>', re.DOTALL)


def once(body: str) -> str:
    """Keep the first copy of every style and module script."""
    seen: set[str] = set()

    def first(found: re.Match[str]) -> str:
        text = found[0].strip()
        if text in seen:
            return ""
        seen.add(text)
        return found[0]

    kept = OWN.sub(first, body)
    plain, computing = (_element(script_of(view)) for view in ("", next(iter(BROWSER_VIEWS))))
    return kept.replace(plain, "") if computing in kept else kept


def _element(script: str) -> str:
    return f'<script type="module">\n{script}</script>'


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if "convac-explorer" in context.get("body", ""):
        context["body"] = once(context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
