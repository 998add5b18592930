"""An explorer in a kernel, as its card talks to it: known bounds, one answer a question, and work that stops."""

import json
import os
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from convac_lib.visuals.views.rank import rank_view

ROOT = Path(__file__).resolve().parents[2]
WIDGET = "application/vnd.jupyter.widget-view+json"
PATIENCE = 60  # seconds for what a machine under load may take; a guard against hangs

CELL = """
import time
from convac_lib.visuals.explorer import Explorer
from convac_lib.theory.parallel import stage
from convac_lib.visuals.views.rank import rank_view

def view(B, M, wait=0):
    if not wait:
        return rank_view(B, M)
    if B == 4:
        raise ZeroDivisionError("no B = 4")
    if B == 5:
        return None
    with stage("waiting", 10**6, "step", shown=False) as advance:
        for _ in range(10**6):
            time.sleep(0.001)
            advance(1)

free = {"B": range(1, 6), "wait": [0, 1]}
Explorer("live", {"B": [1, 2], "M": [2, 3]}, view, title="Live", free=free)
"""


class Kernel:
    """A kernel whose cell has shown one card; it is asked as the card's script asks."""

    def __init__(self, client):
        self.client, self.last = client, 0
        client.execute(CELL)
        self.bundle = None
        while self.bundle is None:
            message = client.get_iopub_msg(timeout=PATIENCE)
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            if message["msg_type"] == "comm_open" and "card" in content["data"]["state"]:
                self.comm = content["comm_id"]
            if message["msg_type"] == "execute_result":
                self.bundle = content["data"]

    def send(self, **content):
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": self.comm, "data": data})
        self.client.shell_channel.send(message)

    def ask(self, *values):
        self.last += 1
        self.send(do="see", id=self.last, values=values)
        return self.last

    def hear(self):
        """The next message to the card."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "comm_msg" and message["content"]["data"].get("method") == "custom":
                return message["content"]["data"]["content"]

    def answer(self, *values):
        """All that the card hears until its question has an answer."""
        number, heard = self.ask(*values), []
        while not heard or heard[-1]["is"] in ("begun", "progress"):
            heard.append(self.hear())
        assert {message["id"] for message in heard} == {number}
        return heard


@pytest.fixture(scope="module")
def kernel():
    manager = pytest.importorskip("jupyter_client.manager")
    # tests/helpers/hosted.py names a folder of a hosted notebook's versions, which then come first
    path = [os.environ.get("CONVAC_KERNEL_PACKAGES"), str(ROOT), os.environ.get("PYTHONPATH")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
    kernel, client = manager.start_new_kernel(env=environment, cwd=str(ROOT))
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_the_widget_comes_beside_the_page_and_the_table(kernel):
    assert sorted(kernel.bundle) == [WIDGET, "text/html", "text/plain"]
    lines = kernel.bundle["text/plain"].splitlines()
    assert [line.split()[:3] for line in lines[3:]] == [
        ["1", "2", "2"],
        ["1", "3", "3"],
        ["2", "2", "64"],
        ["2", "3", "729"],
    ]


@pytest.mark.parametrize(("B", "M"), [(1, 2), (5, 2), (4, 3)])
def test_a_new_state_is_what_the_library_computes(kernel, B, M):
    begun, *progress, answer = kernel.answer(B, M, 0)
    view = rank_view(B, M)
    assert begun["is"] == "begun" and answer["is"] == "state"
    assert answer["state"] == {"picture": view.picture, "alt": view.alt, "reading": view.sentence}
    assert answer["source"] == view.source == "results/atlas.csv" and answer["seconds"] > 0
    assert answer["cells"] == {"B": str(B), "M": str(M), "wait": "0"} | {
        name: f"{value:,}" if isinstance(value, int) else value for name, value in view.values.items()
    }
    assert all(0 < message["done"] <= 1 for message in progress)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ((6, 2, 0), "B = 6 is out of bounds; use an integer from 1 to 5."),
        ((1.5, 2, 0), "B = 1.5 is out of bounds; use an integer from 1 to 5."),
        ((1, 4, 0), "M = 4 is out of bounds; use 2 or 3."),
        (("__import__('os')", 2, 0), "B = __import__('os') is out of bounds; use an integer from 1 to 5."),
        ((4, 2, 1), "The view failed with ZeroDivisionError: no B = 4."),
    ],
)
def test_every_error_is_one_sentence(kernel, state, sentence):
    assert [(message["is"], message.get("reason")) for message in kernel.answer(*state)] == [
        ("begun", None),
        ("error", sentence),
    ]


def test_a_state_that_does_not_exist_is_said_so(kernel):
    assert [message["is"] for message in kernel.answer(5, 2, 1)] == ["begun", "none"]


def test_work_is_reported_and_stops_when_cancelled(kernel):
    number = kernel.ask(1, 2, 1)  # a quarter of an hour, if nothing stops it
    assert [kernel.hear()["is"] for _ in range(3)] == ["begun", "progress", "progress"]
    kernel.send(do="cancel")
    while (message := kernel.hear())["is"] == "progress":
        assert message["id"] == number and 0 < message["done"] < 0.5
    assert message == {"id": number, "is": "stopped"}


def test_a_new_question_stops_the_one_before(kernel):
    waiting = [kernel.ask(B, 2, 1) for B in (1, 2, 1)]
    rank = kernel.ask(2, 2, 0)
    ends, begun = {}, []
    while len(ends) < 4:
        message = kernel.hear()
        if message["is"] == "begun":
            begun.append(message["id"])
        elif message["is"] != "progress":
            ends[message["id"]] = message["is"]
    assert ends == dict.fromkeys(waiting, "stopped") | {rank: "state"}
    assert begun == [*waiting, rank]


def test_the_kernel_stays_free_for_cells_while_a_card_computes(kernel):
    kernel.ask(1, 2, 1)
    assert kernel.hear()["is"] == "begun"
    reply = kernel.client.execute_interactive("1 + 1", timeout=PATIENCE, output_hook=lambda message: None)
    assert reply["content"]["status"] == "ok"
    kernel.send(do="cancel")
    while kernel.hear()["is"] != "stopped":
        pass


@pytest.mark.parametrize("mode", ["page", "record"])
def test_while_the_book_is_built_there_is_no_widget(mode):
    nbclient = pytest.importorskip("nbclient")
    source = "from convac_lib.visuals.explorer import Explorer, View\n"
    source += (
        "Explorer('one', {'B': [1, 2]}, lambda B: View('<svg/>', 'x', f'B = {B}', {'B²': B * B}), title='Squares')"
    )
    notebook = new_notebook(cells=[new_code_cell(source)])
    client = nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute(env=os.environ | {"CONVAC_EXPLORERS": mode})
    (output,) = notebook.cells[0].outputs
    assert sorted(output.data) == ["text/html", "text/plain"]
    assert output.data["text/plain"] == "Squares\n\nB  B²\n1   1\n2   4"
    assert "widgets" not in notebook.metadata and len(json.dumps(notebook)) < 60_000
