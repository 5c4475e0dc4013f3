"""A threaded HTTP/1.1 server with keep-alive: a thread a connection, an answer in one write, port 0 allowed.

Werkzeug's own server closes every connection; clients that send hundreds of messages a second want to keep theirs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024 * 1024
IDLE_SECONDS = 75
BODILESS = {204, 304}


class KeepAliveHandler(WSGIRequestHandler):
    """Read the whole request, run the application, write the whole answer; then wait for the next request."""

    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body = self._body(environ)
        if body is None:
            return
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        answer: dict[str, Any] = {}

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None, /
        ) -> Callable[[bytes], object]:
            answer.update(status=status, headers=headers)
            return self.wfile.write

        try:
            chunks = self.server.app(environ, start_response)
            self._answer(answer["status"], answer["headers"], chunks)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            log.exception("request failed: %s", self.path)
            self.close_connection = True

    def setup(self) -> None:
        super().setup()
        self.server.open_connections.add(self.connection)  # type: ignore[attr-defined]

    def finish(self) -> None:
        self.server.open_connections.discard(self.connection)  # type: ignore[attr-defined]
        super().finish()

    def _body(self, environ: dict[str, Any]) -> bytes | None:
        """The request's body, or None after an answer 400 or 413."""
        if environ.get("wsgi.input_terminated"):
            return bytes(environ["wsgi.input"].read())
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self.send_error(413 if length.isdigit() else 400)
            return None
        return self.rfile.read(int(length))

    def _answer(self, status: str, headers: list[tuple[str, str]], chunks: Iterable[bytes]) -> None:
        names = {name.lower() for name, _ in headers}
        code = int(status.split(maxsplit=1)[0])
        is_sized = "content-length" in names or code in BODILESS or self.command == "HEAD"
        lines = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not is_sized:
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        try:
            if is_sized:
                self.wfile.write(head + (b"" if self.command == "HEAD" else b"".join(chunks)))
                return
            self.wfile.write(head)
            for chunk in chunks:
                self.wfile.write(chunk)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def log_error(self, format: str, *args: Any) -> None:
        """A kept-open connection that nobody used again is no news; anything else is."""
        if not any(isinstance(argument, TimeoutError) for argument in args):
            super().log_error(format, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Silent: the wire log is the place to look."""


class RunningServer:
    """A server in a thread of its own, for tests and programs that embed the simulator."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._server = server
        self.port: int = server.server_port
        self.url = f"http://localhost:{self.port}"
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and hang up on everybody who kept a connection."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.open_connections):  # type: ignore[attr-defined]
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)


def bind(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """Take the address; port 0 lets the system choose. The caller runs `serve_forever`."""
    server = make_server(host, port, app, threaded=True, request_handler=KeepAliveHandler)
    server.open_connections = set()  # type: ignore[attr-defined]
    return server


def start(app: Flask, host: str = "127.0.0.1", port: int = 0) -> RunningServer:
    """Serve in the background and return at once; the socket already listens."""
    return RunningServer(bind(app, host, port))
