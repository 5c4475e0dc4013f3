"""A WSGI application that says how long its request was, for tests of the server that is before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import whole_requests

if seconds := os.environ.get("PATIENCE"):
    whole_requests.IDLE_SECONDS = whole_requests.WHOLE_SECONDS = float(seconds)
    whole_requests.LOOK_EVERY_SECONDS = 0.05
if most := os.environ.get("ALL_WAITING"):
    whole_requests.ALL_WAITING = int(most)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if int(environ.get("CONTENT_LENGTH") or 0) > whole_requests.LARGEST_REQUEST:
        start_response("413 Content Too Large", [("Content-Length", "0")])
        return [b""]
    said = f"{environ['REQUEST_METHOD']} {len(environ['wsgi.input'].read())}".encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
