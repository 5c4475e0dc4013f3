"""A web server that hands what the simulator calls back to a platform, and keeps what it made of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from platforms.base import Callback, CallbackReply, CallbackRequest, IncidentCard, Platform, PressAnswer
from platforms.errors import CallbackRefused

PATH = "/callback"


class Receiver:
    """What the product's callback view does, without a database. answer_card: the presser's new card, if any."""

    def __init__(self) -> None:
        self.url = ""
        self.platform: Platform | None = None
        self.requests: list[CallbackRequest] = []
        self.callbacks: list[Callback] = []
        self.refusals: list[CallbackRefused] = []
        self.answer_card: Callable[[Callback], IncidentCard | None] = lambda callback: None
        self.answer_text = ""
        self.is_refusal = False

    def handle(self, request: CallbackRequest) -> CallbackReply:
        assert self.platform
        self.requests.append(request)
        try:
            callback = self.platform.read_callback(request)
        except CallbackRefused as error:
            self.refusals.append(error)
            return CallbackReply(error.status, b"")
        self.callbacks.append(callback)
        return self.platform.answer(
            callback, PressAnswer(self.answer_card(callback), self.answer_text, self.is_refusal)
        )


@contextmanager
def running_receiver(receiver: Receiver | None = None) -> Iterator[Receiver]:
    receiver = receiver or Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            called = urlsplit(self.path)
            query = dict(parse_qsl(called.query, keep_blank_values=True))
            purpose = called.path.removeprefix(PATH).strip("/")
            now = datetime.now(UTC)
            reply = receiver.handle(CallbackRequest(self.command, query, self.headers, body, now, purpose))
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}{PATH}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
