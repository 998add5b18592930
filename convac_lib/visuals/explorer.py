"""The explorer: a picture and one sentence for every choice of a few parameters, with a kernel and without one.

One card, one script and one style serve the page and the notebook. The card holds a table of all its states, over which
the script moves. In a running notebook it asks the kernel for states that the table lacks. On a page it computes them
in the reader's browser, if the view is one of those that are written in JavaScript too.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import product

from convac_lib.errors import ConvacError
from convac_lib.visuals.card import BROWSER_VIEWS, card_html
from convac_lib.visuals.records import read_record, write_record
from convac_lib.visuals.view import State, Value, View, bounds_in_words, is_slider, label_of, words_of

WIDGET = "application/vnd.jupyter.widget-view+json"
MODE = "CONVAC_EXPLORERS"  # in the environment: "page" asks for no widgets, "record" also for new records
LONGEST_SLIDER = 100
Bundle = dict[str, object]  # by MIME type


class ExplorerError(ConvacError):
    """An explorer whose name, axes, start or view do not fit together, or a state out of its bounds.

    Chapter: *The overlap theorem*.
    """


class Explorer:
    """Let the reader choose a state by sliders and buttons, and show its picture, its reading and all the values.

    All states on the axes are read or computed when the explorer is made. As the last line of a cell, it is shown.

    Args:
        name: the end of its id on the page, in lower-case letters, digits and hyphens; unique in the book.
        axes: the values to choose from, by label: "B" or "B, receptive field", where the word before the comma is the
            argument of `view`. Numbers make a slider, strings a row of buttons.
        view: takes a value of every axis, by name, and returns the `View`; or None if the combination does not exist:
            the explorer then moves to the nearest one that exists, and changes the last axes first. With a kernel it
            runs in a thread beside the reader's cells, so it must not change anything that they share.
        title: the heading, one line.
        start: the first state; an axis left out starts at its first value.
        free: the integers that a reader may type if something computes, a kernel or the browser, by label: a range or a
            sorted list. Those of an axis extend its slider. Any other argument of `view` gets a field of its own and
            starts at its default; "seed" also gets a button that draws new weights.
        browser_view: the name of the view in JavaScript, in `BROWSER_VIEWS`, by which a page computes what the table
            lacks, without a kernel. It must show what `view` shows.
        recorded: whether to read the states from `results/explorers/NAME.json.gz`, the record that `make notebooks`
            writes. A state that the record lacks is computed; if the code of the view has changed, all are computed.

    Attributes:
        states: the `View` of every state on the axes, by its values; arguments beyond the axes have their start.

    Raises:
        ExplorerError: if the name is no valid id, an axis is empty or has no name that `view` can take, the start is
            not on the axes or no state, the free numbers fit no argument, a recorded explorer's view is no function,
            there is no such view in JavaScript, or the view returns neither a `View` nor None.
        DataError: if the record is damaged.

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
        free: Mapping[str, Sequence[int]] | None = None,
        browser_view: str = "",
        recorded: bool = False,
    ) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ExplorerError(
                f"explorer name {name!r} makes no stable id; "
                "use lower-case letters, digits and hyphens, as in 'rank-by-overlap'"
            )
        if recorded and not inspect.isfunction(view):
            raise ExplorerError(
                "a recorded explorer needs a plain function as its view, whose code tells whether the record is still "
                "true; write one with def"
            )
        if browser_view and browser_view not in BROWSER_VIEWS:
            raise ExplorerError(
                f"there is no view {browser_view!r} in JavaScript; use one of {', '.join(BROWSER_VIEWS)}, or write it"
            )
        self.name, self.title, self.view, self.browser_view = name, title, view, browser_view
        self.axes = {_letter(label): tuple(values) for label, values in axes.items()}
        self.free = {_letter(label): values for label, values in (free or {}).items()}
        self.labels = {_letter(label): label for label in (*(free or {}), *axes)}
        self._check_axes(axes)
        self.start = {letter: values[0] for letter, values in self.axes.items()} | self._defaults() | dict(start or {})
        self._check_start()
        self.states = self._find_states(recorded)
        if tuple(self.start.values()) not in self.states:
            raise ExplorerError(f"the view has no state at the start, {_call(self.start)}; start at one that it has")

    def _check_axes(self, axes: Mapping[str, Sequence[Value]]) -> None:
        if not axes:
            raise ExplorerError("an explorer needs an axis to move along, and none was given")
        if len(self.axes) < len(axes):
            raise ExplorerError(f"two axes have one name in {', '.join(map(repr, axes))}; name every axis differently")
        for letter, values in (*self.axes.items(), *self.free.items()):
            if not letter.isidentifier():
                raise ExplorerError(
                    f"axis {self.labels[letter]!r} begins with no name that the view can take; "
                    "write its letter first, as in 'B, receptive field'"
                )
            if not values:
                raise ExplorerError(f"axis {letter!r} has no values; give it at least one")
        for letter in (letter for letter in self.free if letter in self.axes):
            if not is_slider(self.axes[letter]):
                raise ExplorerError(
                    f"axis {letter!r} is a row of buttons, where nothing is typed; leave it out of free"
                )
            if len(self.free[letter]) > LONGEST_SLIDER:
                raise ExplorerError(
                    f"axis {letter!r} would have {len(self.free[letter]):,} places on its slider; "
                    f"free at most {LONGEST_SLIDER} numbers there"
                )

    def _defaults(self) -> dict[str, Value | None]:
        """Return the letters beyond the axes that may be typed, with the view's defaults."""
        arguments = inspect.signature(self.view).parameters
        beyond = [letter for letter in self.free if letter not in self.axes]
        for letter in beyond:
            if letter not in arguments or arguments[letter].default is inspect.Parameter.empty:
                raise ExplorerError(
                    f"free names {letter!r}, which is neither an axis nor an argument of the view with a default; "
                    "make it one of them"
                )
        return {letter: arguments[letter].default for letter in beyond}

    def _check_start(self) -> None:
        for letter, value in self.start.items():
            if letter not in self.axes and letter not in self.free:
                raise ExplorerError(f"the start sets {letter!r}, which is no axis; the axes are {', '.join(self.axes)}")
            if letter in self.axes and value not in self.axes[letter]:
                raise ExplorerError(
                    f"the start {letter} = {value!r} is not on its axis; "
                    f"use one of {', '.join(map(words_of, self.axes[letter]))}"
                )

    def _find_states(self, recorded: bool) -> dict[State, View]:
        """Read the states on the axes from the record, and compute those that it lacks."""
        anew = os.environ.get(MODE) == "record"
        known = read_record(self.name, tuple(self.start), self.view) if recorded and not anew else {}
        every = {state: known[state] if state in known else self.see(state) for state in self._places()}
        if recorded and anew:
            write_record(self.name, tuple(self.start), self.view, every)
        return {state: view for state, view in every.items() if view}

    def _places(self) -> list[State]:
        """List every combination of values on the axes; the letters beyond them are as at the start."""
        beyond = [[value] for letter, value in self.start.items() if letter not in self.axes]
        return list(product(*self.axes.values(), *beyond))

    def see(self, state: State) -> View | None:
        """Compute what a state shows.

        Args:
            state: a value of every axis, then of every other letter that may be typed.

        Returns:
            The `View`, or None if there is no such state.

        Raises:
            ExplorerError: if a value is out of its bounds, or the view returns something else.
        """
        arguments = dict(zip(self.start, state, strict=True))
        for letter, value in arguments.items():
            allowed = self.free.get(letter, ())
            on_axis = value in self.axes.get(letter, (self.start[letter],))
            if not on_axis and not (isinstance(value, int) and value in allowed):
                wrong = "is empty" if value is None else f"= {words_of(value)} is out of bounds"
                raise ExplorerError(f"{label_of(letter)} {wrong}; use {bounds_in_words(allowed or self.axes[letter])}")
        view = self.view(**arguments)
        if not isinstance(view, View | None):
            raise ExplorerError(
                f"view({_call(arguments)}) returned {view!r}; "
                "it must return a View, or None where there is no such state"
            )
        return view

    def table(self, letters: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Write the header and the rows of the table of all values, with these letters."""
        names = list(dict.fromkeys(name for view in self.states.values() for name in view.values))
        rows = (
            [*map(words_of, state[: len(letters)]), *(words_of(view.values.get(name, "–")) for name in names)]
            for state, view in self.states.items()
        )
        return [*map(label_of, letters), *names], list(rows)

    def html(self, *, live: bool = False) -> str:
        """Write the card; a live one leaves script and style to its widget. If it computes, it offers what is free."""
        start = tuple(self.start.values())
        shown = list(self.states).index(start)
        computes = live or bool(self.browser_view)
        letters = list(self.start) if computes else list(self.axes)
        data = {
            "axes": [self._axis(letter, computes) for letter in letters],
            "states": [
                [state[: len(letters)], view and self.data(state, view, letters)]
                for state, view in ((state, self.states.get(state)) for state in self._places())
            ],
            "start": start[: len(letters)],
        }
        if self.browser_view:
            arguments = inspect.signature(self.view).parameters.values()
            data["others"] = {each.name: each.default for each in arguments if each.name not in self.start}
        view, table = self.states[start], self.table(letters)
        return card_html(self.name, self.title, view, table, shown, data, live=live, browser_view=self.browser_view)

    def _axis(self, letter: str, computes: bool) -> dict[str, object]:
        """Return a letter as the script reads it: its values on a slider or buttons, its bounds in a field."""
        axis: dict[str, object] = {
            "letter": letter,
            "short": label_of(letter),
            "label": label_of(self.labels[letter]),
        }
        typed = self.free.get(letter, ()) if computes else ()
        if typed:
            axis |= {"typed": [typed[0], typed[-1]], "bounds": bounds_in_words(typed)}
        if typed and not isinstance(typed, range):
            axis["among"] = list(typed)
        if letter in self.axes:
            values: Sequence[Value] = self.axes[letter]
            if typed:
                values = sorted({*values, *typed}, key=float)
            axis |= {"values": values, "words": [words_of(value) for value in values], "slider": is_slider(values)}
        return axis

    def data(self, state: State, view: View, letters: Sequence[str]) -> dict[str, object]:
        """Return a state as the script reads it; its spots lead to whole states."""
        data: dict[str, object] = {"picture": view.picture, "alt": view.alt, "reading": view.sentence}
        if view.spots:
            here = dict(zip(letters, state))
            data["spots"] = [[place, list((here | dict(values)).values())] for place, values in view.spots]
        return data

    def __repr__(self) -> str:
        header, rows = self.table(list(self.axes))
        widths = [max(map(len, column)) for column in zip(header, *rows)]
        lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in (header, *rows))
        return "\n".join([self.title, "", *lines])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[Bundle, Bundle]:
        bundle: Bundle = {"text/plain": repr(self), "text/html": self.html()}
        metadata: Bundle = {}
        if not os.environ.get(MODE) and _has_kernel() and find_spec("anywidget"):
            from convac_lib.visuals.live import LiveCard

            described = LiveCard(self)._repr_mimebundle_()
            if described:
                bundle[WIDGET], metadata = described[0][WIDGET], described[1]
        return bundle, metadata


def _letter(label: str) -> str:
    return label.split(",")[0]


def _call(state: Mapping[str, Value | None]) -> str:
    return ", ".join(f"{letter}={value!r}" for letter, value in state.items())


def _has_kernel() -> bool:
    """Whether this runs in a notebook's kernel; if IPython was never imported, it does not."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None
