"""What the simulator makes of a product that dies while it answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from simulator import outbound

HALF = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf"


class Dying:
    """Answers each connection with these bytes; then it hangs up, or says nothing more until the end."""

    def __init__(self) -> None:
        self.answer, self.hangs_up = HALF, True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/callback"
        self.is_over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self.is_over.is_set():
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(self.answer)
                if not self.hangs_up:
                    self.is_over.wait()


@pytest.fixture
def dying() -> Iterator[Dying]:
    server = Dying()
    yield server
    server.is_over.set()
    server.listener.close()


@pytest.mark.parametrize("answer", [HALF, b"", HALF.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")])
def test_an_answer_that_is_cut_off_is_none(dying: Dying, answer: bytes):
    """The platform repeats such a callback; nobody is told that it was answered with 200."""
    dying.answer = answer
    got = outbound.send("POST", dying.url, body=b"x", seconds=5)
    assert (got.status, got.body) == (0, b"") and got.error


def test_an_answer_that_stops_in_the_middle_has_timed_out(dying: Dying):
    dying.hangs_up = False
    got = outbound.send("POST", dying.url, body=b"x", seconds=0.2)
    assert (got.status, got.error) == (0, "timeout")
