"""Failures on demand: what is armed, and how each one bends an answer."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from flask import Response

MAX_SECONDS = 120.0
HUGE_ANSWER_BYTES = 20_000_000

# Faults by what they do. The last group is turned into numbers by each platform.
BEFORE = {"slow", "reset", "http_500", "http_502_html", "html_200"}
AFTER = {"late", "lost_answer", "bad_json", "huge_answer", "slow_loris"}
ERRORS = {"rate_limit", "busy", "expired_token", "invalid_token", "ip_refused", "errcode"}
CALLBACK = {"callback_lost"}
NAMES = sorted(BEFORE | AFTER | ERRORS | CALLBACK)

_numbers = count(1)


@dataclass
class Fault:
    """One armed failure.

    count    calls it still hits; -1 until it is cleared.
    path     only calls whose path contains this, "" for all.
    seconds  how long slow, late and slow_loris take. code is the number of an errcode fault.
    """

    platform: str
    fault: str
    count: int = 1
    path: str = ""
    seconds: float = 0.0
    code: int = 0
    hits: int = 0
    id: int = field(default_factory=lambda: next(_numbers))


class Faults:
    """The armed failures, first match first."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self._armed.append(fault)
        return fault

    def take(self, platform: str, path: str, kinds: Iterable[str]) -> Fault | None:
        """The failure for this call, one hit used up, or None."""
        with self._lock:
            for fault in self._armed:
                if fault.platform == platform and fault.fault in kinds and fault.path in path:
                    return self._hit(fault)
        return None

    def listing(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._armed]

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def _hit(self, fault: Fault) -> Fault:
        fault.hits += 1
        if fault.count > 0:
            fault.count -= 1
        if fault.count == 0:
            self._armed.remove(fault)
        return fault


class DroppedAnswer(Response):
    """A response that closes the connection instead of being sent."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        connection = environ.get("werkzeug.socket")
        if connection is not None:  # a reset instead of a polite end, as a broken network would
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError("fault: connection dropped")


def instead(fault: Fault | None) -> Response | None:
    """The answer of a failure that hits before the call is processed; None lets the call go on (after a pause)."""
    if fault is None or fault.fault not in BEFORE:
        return None
    if fault.fault == "slow":
        pause(fault.seconds)
        return None
    if fault.fault == "reset":
        return DroppedAnswer(status=500)
    if fault.fault == "http_500":
        return Response("Internal Server Error", status=500, mimetype="text/plain")
    status = 502 if fault.fault == "http_502_html" else 200
    page = (
        "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
    )
    return Response(page, status=status, mimetype="text/html")


def spoil(fault: Fault | None, response: Response) -> Response:
    """Bend the answer of a call that was processed as usual."""
    if fault is None or fault.fault not in AFTER:
        return response
    if fault.fault == "late":
        pause(fault.seconds)
        return response
    if fault.fault == "lost_answer":
        return DroppedAnswer(status=500)
    if fault.fault == "bad_json":
        return _with_body(response, response.get_data()[:-3])
    if fault.fault == "huge_answer":
        filler = b" " * HUGE_ANSWER_BYTES
        return _with_body(response, response.get_data() + filler)
    return Response(_trickle(response.get_data(), fault.seconds or 10.0), mimetype="application/json")


def pause(seconds: float) -> None:
    time.sleep(min(max(seconds, 0.0), MAX_SECONDS))


def _with_body(response: Response, body: bytes) -> Response:
    response.set_data(body)
    return response


def _trickle(body: bytes, seconds: float) -> Iterator[bytes]:
    """The body byte by byte, spread over so many seconds."""
    for position in range(len(body)):
        pause(seconds / max(len(body), 1))
        yield body[position : position + 1]
