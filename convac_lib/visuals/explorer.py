"""The explorer: a picture and one sentence for every choice of a few parameters, with a kernel and without one.

On a static page it is plain HTML with a small script and a table of all its states. In a running notebook it consists
of ipywidgets, and every move calls the view again.
"""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from itertools import product
from typing import Any

from convac_lib.errors import ConvacError

Value = str | int | float
State = tuple[Value, ...]  # a value of every axis


class ExplorerError(ConvacError):
    """An explorer whose name, axes, start or view do not fit together."""


@dataclass(frozen=True)
class View:
    """What an explorer shows of one state.

    Args:
        picture: an SVG document; give the pictures of all states one size, so that nothing jumps.
        alt: what the picture shows, for readers who do not see it.
        reading: one sentence that says what the picture tells.
        values: the state's numbers by name, a row of the table of all values.
        spots: parts of the picture, (left, top, width, height) in its own units, each with values on axes. Pointing at
            a part shows the state with these values, and a click or a tap chooses it.

    Chapter: *The overlap theorem*.

    >>> View(picture="<svg/>", alt="A line.", reading="The rank is 2.", values={"rank": 2}).reading
    'The rank is 2.'
    """

    picture: str
    alt: str
    reading: str
    values: Mapping[str, Value] = field(default_factory=dict)
    spots: Sequence[tuple[tuple[float, float, float, float], Mapping[str, Value]]] = ()


class Explorer:
    """Let the reader choose a state by sliders and buttons, and show its picture, its reading and all the values.

    Every state is computed once, when the explorer is made. The last line of a cell shows it.

    Args:
        name: the end of its id on the page, in lower-case letters, digits and hyphens; unique in the book.
        axes: the values to choose from, by label: "B" or "B, receptive field", where the word before the comma is the
            argument of `view`. Numbers make a slider, strings a row of buttons.
        view: takes a value of every axis, by name, and returns the `View`; or None if the combination does not exist:
            the explorer then moves to the nearest one that exists, and changes the last axes first.
        title: the heading, one line.
        start: the first state; an axis left out starts at its first value.

    Attributes:
        states: every `View`, by its values on the axes.

    Raises:
        ExplorerError: if the name, an axis or the start does not fit, or the view returns neither a `View` nor None.

    Source: none; ours. Chapter: *The overlap theorem*.

    >>> def view(B, M):
    ...     return View("<svg/>", f"A network, B={B}.", f"B = {B}: rank {B * M}.", {"rank": B * M})
    >>> Explorer("ranks", {"B, receptive field": [1, 2], "M": [2, 3]}, view, title="Rank and overlap")
    Rank and overlap
    <BLANKLINE>
    B  M  rank
    1  2     2
    1  3     3
    2  2     4
    2  3     6
    """

    def __init__(
        self,
        name: str,
        axes: Mapping[str, Sequence[Value]],
        view: Callable[..., View | None],
        *,
        title: str,
        start: Mapping[str, Value] | None = None,
    ) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ExplorerError(
                f"explorer name {name!r} makes no stable id; "
                "use lower-case letters, digits and hyphens, as in 'rank-by-overlap'"
            )
        self.name, self.title, self.view = name, title, view
        self.axes = {label.split(",")[0]: tuple(values) for label, values in axes.items()}
        self.labels = dict(zip(self.axes, axes))
        self._check_axes(axes)
        self.start = {letter: values[0] for letter, values in self.axes.items()} | dict(start or {})
        self._check_start()
        self.states = {state: seen for state in product(*self.axes.values()) if (seen := self._see(state))}
        if tuple(self.start.values()) not in self.states:
            raise ExplorerError(f"the view has no state at the start, {_call(self.start)}; start at one that it has")

    def _check_axes(self, axes: Mapping[str, Sequence[Value]]) -> None:
        if not axes:
            raise ExplorerError("an explorer needs an axis to move along, and none was given")
        if len(self.axes) < len(axes):
            raise ExplorerError(f"two axes have one name in {', '.join(map(repr, axes))}; name every axis differently")
        for letter, values in self.axes.items():
            if not letter.isidentifier():
                raise ExplorerError(
                    f"axis {self.labels[letter]!r} begins with no name that the view can take; "
                    "write its letter first, as in 'B, receptive field'"
                )
            if not values:
                raise ExplorerError(f"axis {letter!r} has no values; give it at least one")

    def _check_start(self) -> None:
        for letter, value in self.start.items():
            if letter not in self.axes:
                raise ExplorerError(f"the start sets {letter!r}, which is no axis; the axes are {', '.join(self.axes)}")
            if value not in self.axes[letter]:
                raise ExplorerError(
                    f"the start {letter} = {value!r} is not on its axis; "
                    f"use one of {', '.join(map(_words, self.axes[letter]))}"
                )

    def _see(self, state: State) -> View | None:
        named = dict(zip(self.axes, state))
        view = self.view(**named)
        if not isinstance(view, View | None):
            raise ExplorerError(
                f"view({_call(named)}) returned {view!r}; it must return a View, or None where there is no such state"
            )
        return view

    def _nearest(self, wanted: Sequence[Value]) -> State:
        """Find the state nearest to these values on the first axis, then on the next: the last axes change first."""

        def distances(state: State) -> list[int]:
            return [abs(each.index(a) - each.index(b)) for each, a, b in zip(self.axes.values(), state, wanted)]

        return min(self.states, key=distances)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Write the header and the rows of the table of all values."""
        names = list(dict.fromkeys(name for view in self.states.values() for name in view.values))
        rows = (
            [*map(_words, state), *(_words(view.values.get(name, "–")) for name in names)]
            for state, view in self.states.items()
        )
        return [*self.axes, *names], list(rows)

    def __repr__(self) -> str:
        header, rows = self._table()
        widths = [max(map(len, column)) for column in zip(header, *rows)]
        lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in (header, *rows))
        return "\n".join([self.title, "", *lines])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        bundle: dict[str, object] = {"text/plain": repr(self), "text/html": self._html()}
        if _has_kernel() and find_spec("ipywidgets"):
            model = {"version_major": 2, "version_minor": 0, "model_id": self._live().model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = model
        return bundle

    def _html(self) -> str:
        start = tuple(self.start[letter] for letter in self.axes)
        view = self.states[start]
        axes = [[letter, [_words(value) for value in values]] for letter, values in self.axes.items()]
        states = [self._data(state) for state in product(*self.axes.values())]
        data = json.dumps({"axes": axes, "states": states}, ensure_ascii=False, separators=(",", ":"))
        data = data.replace("<", r"\u003c")  # no string can close the script element
        controls = "\n".join(self._control(letter) for letter in self.axes)
        return f"""\
<figure class="convac-explorer" id="convac-explorer-{self.name}">
<style>
{_resource("explorer.css")}</style>
<div class="convac-card">
<figcaption>{escape(self.title)}</figcaption>
{_image(view)}
<div class="convac-panel">
<form autocomplete="off" hidden>
{controls}
</form>
<p class="convac-reading" aria-live="polite">{escape(_sentence(view))}</p>
</div>
<details>
<summary>All values</summary>
{self._html_table(start)}
</details>
</div>
<script type="application/json">{data}</script>
<script>
{_resource("explorer.js")}</script>
</figure>"""

    def _data(self, state: State) -> dict[str, object] | None:
        """Return a state as the script reads it; a spot is its rectangle and the indices of its values."""
        view = self.states.get(state)
        if view is None:
            return None
        spots = []
        for place, changes in view.spots:
            chosen = dict(zip(self.axes, state)) | dict(changes)
            spots.append([*place, *(values.index(chosen[letter]) for letter, values in self.axes.items())])
        data: dict[str, object] = {"picture": view.picture, "alt": view.alt, "reading": _sentence(view)}
        return data | {"spots": spots} if spots else data

    def _control(self, letter: str) -> str:
        values, label = self.axes[letter], escape(self.labels[letter])
        words = [escape(_words(value)) for value in values]
        chosen = values.index(self.start[letter])
        common = f'name="{letter}" data-lm-suppress-shortcuts="true"'
        if _is_slider(values):
            ticks = "".join(f"<span>{word}</span>" for word in words)
            return (
                f'<div class="convac-axis"><label><span>{label}</span>'
                f'<input type="range" {common} min="0" max="{len(values) - 1}" step="1" value="{chosen}"'
                f' aria-valuetext="{letter} = {words[chosen]}"></label>'
                f'<b class="convac-value" aria-hidden="true">{words[chosen]}</b>'
                f'<div class="convac-ticks" aria-hidden="true">{ticks}</div></div>'
            )
        buttons = "".join(
            f'<label><input type="radio" {common} value="{index}"{" checked" * (index == chosen)}>'
            f"<span>{word}</span></label>"
            for index, word in enumerate(words)
        )
        return f'<fieldset class="convac-axis"><legend>{label}</legend><div>{buttons}</div></fieldset>'

    def _html_table(self, start: State) -> str:
        header, rows = self._table()
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
        body = "\n".join(
            ('<tr aria-current="true">' if state == start else "<tr>")
            + "".join(f"<td>{escape(cell)}</td>" for cell in row)
            + "</tr>"
            for state, row in zip(self.states, rows)
        )
        return (
            f'<div tabindex="0" role="group" aria-label="All values"><table>\n<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody>\n</table></div>"
        )

    def _live(self) -> Any:
        """Build the same card of ipywidgets, whose every move calls the view."""
        import ipywidgets as widgets

        picture, reading = widgets.HTML(), widgets.HTML()
        controls = {}
        for letter, values in self.axes.items():
            kind = widgets.SelectionSlider if _is_slider(values) else widgets.ToggleButtons
            controls[letter] = kind(
                options=[(_words(value), value) for value in values],
                value=self.start[letter],
                description=self.labels[letter],
                style={"description_width": "initial"},
                layout={"width": "auto"},
            )

        def show(_: object = None) -> None:
            state = self._nearest([control.value for control in controls.values()])
            for control, value in zip(controls.values(), state):
                control.value = value
            if view := self._see(state):
                picture.value = _image(view)
                reading.value = f'<p class="convac-reading" aria-live="polite">{escape(_sentence(view))}</p>'

        for control in controls.values():
            control.observe(show, "value")
        show()
        heading = f"<style>{_resource('explorer.css')}</style><div class='convac-title'>{escape(self.title)}</div>"
        body = widgets.Box([picture, widgets.VBox([*controls.values(), reading])])
        body.add_class("convac-body")
        card = widgets.VBox([widgets.HTML(heading), body])
        card.add_class("convac-live")
        return card


def _call(state: Mapping[str, Value]) -> str:
    return ", ".join(f"{letter}={value!r}" for letter, value in state.items())


def _is_slider(values: Sequence[Value]) -> bool:
    return not any(isinstance(value, str) for value in values)


def _words(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _image(view: View) -> str:
    source = b64encode(view.picture.encode()).decode()
    # "dark-light" asks the book's theme to leave the picture as it is in dark mode
    return f'<img class="dark-light" alt="{escape(view.alt)}" src="data:image/svg+xml;base64,{source}">'


def _sentence(view: View) -> str:
    """Return the reading, in which "B = 3" never breaks over two lines."""
    return view.reading.replace(" = ", "\u00a0=\u00a0")


def _resource(name: str) -> str:
    return files("convac_lib.visuals").joinpath(name).read_text(encoding="utf-8")


def _has_kernel() -> bool:
    """Whether this runs in a notebook's kernel; if IPython was never imported, it does not."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
