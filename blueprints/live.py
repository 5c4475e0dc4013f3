"""Live parts of a page: a fragment asks for itself again and is answered 304 while nothing has changed.

The fragment carries the tag of what it shows (templates/components/live.html) and sends it along; htmx swaps nothing
on a 304. Polling, not an open stream: eight streams would block a small server.
"""

from __future__ import annotations

import hashlib

from flask import Response, make_response, request


def is_fragment() -> bool:
    """Whether htmx asks for a part of a page."""
    return "HX-Request" in request.headers


def tag(*parts: object) -> str:
    """A short tag of everything that a fragment shows. Leave out what changes by itself, such as relative times."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:20]


def unchanged(etag: str) -> bool:
    """Whether the reader already has this state."""
    return etag in request.if_none_match


def not_modified(etag: str) -> Response:
    response = make_response("", 304)
    response.set_etag(etag)
    return response
