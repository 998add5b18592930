"""The card of an explorer as HTML: picture, sentence and table need no scripts; the script makes the controls."""

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from convac_lib.visuals.view import View

ENGINE = ("draws", "networks", "engine", "certificates", "worker")
DRAWN = (
    *("marks", "drawings", "rank", "placement", "builder", "efficiency"),
    *("convolution_entry", "receptive_fields", "geometry", "mixed"),
)
# The views that a browser computes too: the function's name in Python, and in JavaScript.
BROWSER_VIEWS = {
    "rank_view": "rankView",
    "rank_alone_view": "rankAloneView",
    "placement_view": "placementView",
    "builder_view": "builderView",
    "efficiency_view": "efficiencyView",
    "entry_view": "entryView",
    "field_view": "fieldView",
    "geometry_view": "geometryView",
    "mixed_view": "mixedView",
}
WITHOUT_SCRIPTS = "The controls need scripts; in a notebook, run this cell. The table has the values of every state."


def card_html(
    name: str,
    title: str,
    view: View,
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    current: int,
    data: Mapping[str, object],
    *,
    live: bool,
    browser_view: str = "",
) -> str:
    """Write a card.

    Args:
        name: the end of its id.
        title: the heading.
        view: the view that it shows first.
        table: the header and the rows of the table of all values.
        current: the index of that view's row.
        data: the axes and the states, for the script.
        live: whether the card is a widget's, which brings script and style itself.
        browser_view: the view, of `BROWSER_VIEWS`, by which the page computes what the table lacks; empty if none.

    Returns:
        A figure element.

    Chapter: *The overlap theorem*.

    >>> view = View("<svg/>", "A line.", "The rank is 2.")
    >>> "<figcaption>Ranks</figcaption>" in card_html("ranks", "Ranks", view, ([], []), 0, {}, live=True)
    True
    """
    style = "" if live else f"<style>\n{resource('explorer.css')}</style>\n"
    script = "" if live else f'\n<script type="module">\n{script_of(browser_view)}</script>'
    own = f' data-view="{browser_view}"' if browser_view else ""
    without = "" if live else f"\n<noscript>{WITHOUT_SCRIPTS}</noscript>"
    return f"""\
<figure class="convac-explorer" id="convac-explorer-{name}"{own}>
{style}<div class="convac-card">
<figcaption>{escape(title)}</figcaption>
{_image(view)}
<div class="convac-panel">
<div class="convac-words">
<p class="convac-reading" aria-live="polite">{escape(view.sentence)}</p>{without}
</div>
</div>
<details>
<summary>All values</summary>
{_table(*table, current)}
</details>
</div>
<script type="application/gzip">{packed(data)}</script>{script}
</figure>"""


def packed(data: object) -> str:
    """Write data as JSON, compressed by gzip and encoded in base64."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def script_of(browser_view: str) -> str:
    """Write the script of a card: the front end, and before it, for a card that computes, the engine and all views.

    All cards that compute have one script, so that a page keeps one copy of it.
    """
    parts = [resource(f"{part}.js") for part in (*ENGINE, *DRAWN)] if browser_view else []
    views = ", ".join(f"{name}: {function}" for name, function in BROWSER_VIEWS.items()) if browser_view else ""
    return "\n".join([*parts, f"const views = {{ {views} }};", resource("explorer.js")])


def resource(name: str) -> str:
    """Read a script or the style of the card."""
    return files("convac_lib.visuals").joinpath("browser", name).read_text(encoding="utf-8")


def _image(view: View) -> str:
    source = b64encode(view.picture.encode()).decode()
    # "dark-light" asks the book's theme to leave the picture as it is in dark mode. Its white background is set here,
    # because a sanitizer may remove the card's style.
    paper = 'class="dark-light" style="background-color: #fff"'
    return f'<img {paper} alt="{escape(view.alt)}" src="data:image/svg+xml;base64,{source}">'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], current: int) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(
        ('<tr aria-current="true">' if number == current else "<tr>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for number, row in enumerate(rows)
    )
    return (
        f'<div tabindex="0" role="group" aria-label="All values"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )
