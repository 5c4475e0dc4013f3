"""A WSGI application that says how long its request was, for tests of the server that is before it.

/wait     is answered once /callback/go was
/large    has an answer longer than what the system keeps for a peer that does not read
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

import whole_requests
from blueprints.programs import body_of

if seconds := os.environ.get("PATIENCE"):
    whole_requests.IDLE_SECONDS = whole_requests.WHOLE_SECONDS = float(seconds)
    whole_requests.LOOK_EVERY_SECONDS = 0.05
for limit in {"ALL_WAITING", "ANSWER_SECONDS", "HELD_SECONDS", "LOOK_EVERY_SECONDS"} & os.environ.keys():
    setattr(whole_requests, limit, float(os.environ[limit]))
LARGE = b"x" * 32 * 1024 * 1024

gone = threading.Event()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    try:
        length = len(body_of(Request(environ)))
    except RequestEntityTooLarge:
        start_response("413 Content Too Large", [("Content-Length", "4")])
        return [b"echo"]
    if environ["PATH_INFO"] == "/callback/go":
        gone.set()
    if environ["PATH_INFO"] == "/wait":
        gone.wait()
    if environ["PATH_INFO"].endswith("/large"):
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return [LARGE]
    said = f"{environ['REQUEST_METHOD']} {length}".encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
