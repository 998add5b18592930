"""Web servers on this machine that answer as told, mostly wrongly."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np

from convac_lib.data.cifar10 import OFFICIAL


class Server(ThreadingHTTPServer):
    """A web server on this machine that answers requests with the given answers in turn, the last one for good."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers, self.asked = answers, 0
        self.url = f"http://127.0.0.1:{self.server_port}/{OFFICIAL.name}"

    def __enter__(self):
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Say nothing: clients here hang up on purpose."""


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        answer(self)

    def log_message(self, *words):
        """Say nothing."""


def send(body, length=None, status=200, stall=0.0, **headers):
    """Answer with this body, after its length or another; then wait for `stall` seconds, and cut the connection."""

    def answer(handler):
        handler.send_response(status)
        for name, value in ({"Content-Length": len(body) if length is None else length} | headers).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)
        time.sleep(stall)

    return answer


def slowly(answer):
    """The same answer half a second later."""

    def late(handler):
        time.sleep(0.5)
        answer(handler)

    return late


def silent(seconds):
    """An answer that never comes."""
    return lambda handler: time.sleep(seconds)


def garbage(handler):
    """An answer that is not of the protocol."""
    handler.wfile.write(b"\x00" * 100)


def hung_up(handler):
    """No answer: the line is cut at once."""
    handler.connection.close()


def broken_servers(body, step):
    """Answers that are wrong, and the reason that is told."""
    lost, other = "the connection was lost", "what came is not that file"
    size, rng = len(body), np.random.default_rng(0)
    for length in range(0, size, step):
        yield send(body[:length], size), lost  # closes in the middle
        yield send(body[:length]), other  # sends less, and says so
        yield send(body, length), other  # says less than it sends
        changed = bytearray(body)
        changed[int(rng.integers(length, min(length + step, size)))] ^= 1 << int(rng.integers(8))
        yield send(bytes(changed)), other
    for status in (400, 401, 403, 404, 410, 429, 500, 502, 503, 504):
        yield send(b"no", status=status), f"the server answers {status}"
    yield send(body, size + 1), lost
    yield send(body + b"\0"), other
    yield send(b"<html>Please log in</html>", Content_Type="text/html"), other
    yield send(b"not gzip", Content_Encoding="gzip"), lost
    yield send(body, length="many"), ""
    yield send(b"", status=302, Location="/round/and/round"), ""
    yield garbage, lost
    yield hung_up, lost


def stalled_servers(body):
    """Answers that stop coming, and the reason that is told."""
    size, late = len(body), "nothing came for "
    yield silent(1.0), late
    for length in (0, 1, size // 2, size - 1):
        yield send(body[:length], size, stall=1.0), late  # stalls in the middle
