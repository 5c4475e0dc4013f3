"""What programs ask by the short way (blueprints/short_way.py), and what they are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Request, g
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_content_length, get_input_stream

from arrival import LARGEST_BODY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(slots=True)
class Answer:
    """A small WSGI application: to make Flask's own answer and turn it into bytes takes four times as long.

    afterwards  what is done once it has left, whether or not it arrived; without the application's context
    """

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        about = ("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))
        start_response(STATUS_LINES[self.status], [*about, *self.headers])
        return _Leaving(() if environ["REQUEST_METHOD"] == "HEAD" else (self.body,), self.afterwards)


@dataclass(slots=True)
class _Leaving:
    """What is sent, and what is done once it has been."""

    pieces: Iterable[bytes]
    afterwards: list[Callable[[], None]]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        for call in self.afterwards:
            call()


def asked() -> Request:
    """The request of the view that was called by the short way."""
    request: Request = g.asked
    return request


def body_of(request: Request) -> bytes:
    """Its body. Raises RequestEntityTooLarge if it has more bytes than LARGEST_BODY, and ClientDisconnected.

    The server ends the body, and has it whole but for one that is announced as too long: that one is not waited for.
    Flask's own reading goes through a stream that limits it, which takes longer than all else about a request.
    """
    if (get_content_length(request.environ) or 0) > LARGEST_BODY:
        raise RequestEntityTooLarge
    try:
        body = get_input_stream(request.environ).read(LARGEST_BODY + 1)
    except OSError as error:
        raise ClientDisconnected from error
    if len(body) > LARGEST_BODY:
        raise RequestEntityTooLarge
    return body
