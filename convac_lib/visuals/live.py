"""The explorer's card as a widget: the kernel answers for the states that the card's own table lacks.

While a message handler runs, the kernel cannot hear "cancel", so the handler only starts a thread. The work stops where
it reports its progress. Every question has a number, and its answer has the same, so that the card can drop answers
that come too late.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

import anywidget
import traitlets

from convac_lib.errors import ConvacError
from convac_lib.theory.parallel import watched
from convac_lib.visuals.card import resource, script_of
from convac_lib.visuals.view import State, View, label_of, words_of

PAUSE = 0.1  # seconds between two reports of progress


class Computing(Protocol):
    """The part of an explorer that its card uses."""

    @property
    def browser_view(self) -> str:
        """The view by which a browser computes too; empty if none."""

    @property
    def start(self) -> Mapping[str, object]:
        """The first state, a value by every argument of the view."""

    def html(self, *, live: bool) -> str:
        """Write the card."""

    def see(self, state: State) -> View | None:
        """Compute what a state shows."""

    def data(self, state: State, view: View, letters: list[str]) -> dict[str, object]:
        """Return a state as the script reads it."""


class Stopped(Exception):
    """The reader has moved on."""


class LiveCard(anywidget.AnyWidget):
    """An explorer's card, with a kernel behind it.

    The card asks {"do": "see", "id": …, "values": […]} or {"do": "cancel"}. The answers to a question are "begun", then
    "progress" now and then, and at the end one of "state", "none" (there is no such state), "error" and "stopped".

    Args:
        explorer: the explorer to show.

    Chapter: *The overlap theorem*.
    """

    _css = resource("explorer.css")
    card = traitlets.Unicode().tag(sync=True)

    def __init__(self, explorer: Computing) -> None:
        self._esm = script_of(explorer.browser_view)
        super().__init__(card=explorer.html(live=True))
        self._explorer, self._stop, self._turn = explorer, threading.Event(), threading.Lock()
        self.on_msg(self._hear)

    def _hear(self, _: object, message: Mapping[str, Any], buffers: object) -> None:
        """Stop the work for the question before, since the reader has moved on, and start that for a new one."""
        self._stop.set()
        if message["do"] == "see":
            self._stop = threading.Event()
            self.send({"is": "begun", "id": message["id"]})
            arguments = (message["id"], tuple(message["values"]), self._stop)
            threading.Thread(target=self._answer, args=arguments, daemon=True).start()

    def _answer(self, number: object, state: State, stop: threading.Event) -> None:
        with self._turn:  # one at a time, so that moves in quick succession do not compete
            self.send({"id": number, **self._compute(number, state, stop)})

    def _compute(self, number: object, state: State, stop: threading.Event) -> dict[str, object]:
        begun = last = time.perf_counter()

        def watch(step: tuple[str, int, int] | None) -> None:
            nonlocal last
            if stop.is_set():
                raise Stopped
            if step and time.perf_counter() - last > PAUSE:
                last = time.perf_counter()
                self.send({"is": "progress", "id": number, "done": step[1] / step[2]})

        try:
            watch(None)
            with watched(watch):
                view = self._explorer.see(state)
        except Stopped:
            return {"is": "stopped"}
        except ConvacError as error:
            return {"is": "error", "reason": f"{error}."}
        except MemoryError:
            return {"is": "error", "reason": "This state needs more memory than there is; choose smaller numbers."}
        except Exception as error:  # noqa: BLE001 — nobody sees a thread's traceback, and the card would stay busy
            return {"is": "error", "reason": f"The view failed with {type(error).__name__}: {error}."}
        if view is None:
            return {"is": "none"}
        return {
            "is": "state",
            "state": self._explorer.data(state, view, list(self._explorer.start)),
            "source": view.source,
            "seconds": time.perf_counter() - begun,
            "cells": {**{label_of(letter): words_of(value) for letter, value in zip(self._explorer.start, state)},
                      **{name: words_of(value) for name, value in view.values.items()}},
        }  # fmt: skip
