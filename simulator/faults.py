"""Failures on demand: what is armed, and how each one bends an answer."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from flask import Response

MAX_SECONDS = 120.0
HUGE_ANSWER_BYTES = 10_000_000
SECONDS_A_BYTE = 0.5
LOOK_SECONDS = 0.05

# What stands in for an answer: status, media type, body.
PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
ANSWERS = {
    "http_500": (500, "text/plain", "Internal Server Error"),
    "http_500_html": (500, "text/html", PAGE.format("500 Internal Server Error")),
    "http_502_html": (502, "text/html", PAGE.format("502 Bad Gateway")),
    "http_503_html": (503, "text/html", PAGE.format("503 Service Temporarily Unavailable")),
    "http_429": (429, "text/plain", "Too Many Requests"),
    "html_200": (200, "text/html", PAGE.format("502 Bad Gateway")),
    "empty_200": (200, "application/json", ""),
}

# Faults by what they do. Those of the group ERRORS are turned into numbers by each platform.
BEFORE = {"slow", "hang", "reset"} | set(ANSWERS)
AFTER = {"late", "lost_answer", "bad_json", "wrong_type", "wrong_content_type", "huge_answer", "slow_loris"}
ERRORS = {"rate_limit", "concurrency", "busy", "expired_token", "invalid_token", "ip_refused", "spent_code", "errcode"}
PARTIAL = {"invalid_users", "unlicensed_users"}
CALLBACK = {"callback_lost"}
NAMES = sorted(BEFORE | AFTER | ERRORS | PARTIAL | CALLBACK)

_numbers = count(1)


@dataclass
class Fault:
    """One armed failure.

    count    calls it still hits; -1 until it is cleared.
    path     only calls whose path contains this, "" for all.
    platform  only calls of this one, "" for all.
    corp_id, agent_id, app_id  only calls of this company or application (by number or by name); "" and 0 for all.
    seconds  how long slow, late and slow_loris take, or the Retry-After of http_429. code: the number of errcode,
             name: the same where a platform's codes are words, and the reason of invalid_users where it names one;
             status: of HTTP, 0 for the code's own.
    users    whom invalid_users and unlicensed_users leave out, joined by "|"; "" for every receiver.
    """

    platform: str
    fault: str
    count: int = 1
    path: str = ""
    seconds: float = 0.0
    code: int = 0
    corp_id: str = ""
    agent_id: int = 0
    users: str = ""
    app_id: str = ""
    name: str = ""
    status: int = 0
    hits: int = 0
    id: int = field(default_factory=lambda: next(_numbers))

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Fault:
        """From JSON or a form; an empty value stands for the default. Raises ValueError for one that is no number."""
        return cls(
            platform=str(body.get("platform") or ""),
            fault=str(body.get("fault") or ""),
            count=int(body.get("count") or 1),
            path=str(body.get("path") or "").strip(),
            seconds=float(body.get("seconds") or 0),
            code=int(body.get("code") or 0),
            corp_id=str(body.get("corp_id") or "").strip(),
            agent_id=int(body.get("agent_id") or 0),
            users=str(body.get("users") or "").strip(),
            app_id=str(body.get("app_id") or "").strip(),
            name=str(body.get("name") or "").strip(),
            status=int(body.get("status") or 0),
        )

    def concerns(self, call: Caller) -> bool:
        """Whether it hits calls like this one."""
        is_theirs = self.corp_id in ("", call.corp_id) and self.platform in ("", call.platform)
        is_its_app = self.agent_id in (0, call.agent_id) and self.app_id in ("", call.app_id)
        return is_theirs and is_its_app and self.path in call.path


@dataclass(frozen=True)
class Caller:
    """Who calls what; corp_id and app_id "" and agent_id 0 where that cannot be told or the platform has no such."""

    platform: str
    path: str
    corp_id: str = ""
    agent_id: int = 0
    app_id: str = ""


class Faults:
    """The armed failures, first match first."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self._armed.append(fault)
        return fault

    def take(self, call: Caller, kinds: Iterable[str]) -> Fault | None:
        """The failure for this call, one hit used up, or None."""
        with self._lock:
            for fault in self._armed:
                if fault.fault in kinds and fault.concerns(call):
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
    """A response that closes the connection instead of being sent; after so many seconds, or when the caller left."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(status=500)
        self.seconds = seconds

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        connection = environ.get("werkzeug.socket")
        if connection is not None:  # a reset instead of a polite end, as a broken network would
            _wait_for_hangup(connection, min(self.seconds, MAX_SECONDS))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError("fault: connection dropped")


def instead(fault: Fault | None) -> Response | None:
    """The answer of a failure that hits before the call is processed; None lets the call go on (after a pause)."""
    if fault is None or fault.fault not in BEFORE:
        return None
    if fault.fault == "slow":
        pause(fault.seconds)
        return None
    if fault.fault in ("reset", "hang"):
        return DroppedAnswer(0.0 if fault.fault == "reset" else fault.seconds or MAX_SECONDS)
    status, media_type, body = ANSWERS[fault.fault]
    response = Response(body, status=status, mimetype=media_type)
    if status == 429:
        response.headers["Retry-After"] = str(int(fault.seconds))
    return response


def spoil(fault: Fault | None, response: Response) -> Response:
    """Bend the answer of a call that was processed as usual."""
    if fault is None or fault.fault not in AFTER:
        return response
    if fault.fault == "late":
        pause(fault.seconds)
        return response
    if fault.fault == "lost_answer":
        return DroppedAnswer()
    if fault.fault == "wrong_content_type":
        response.mimetype = "text/html"
        return response
    if fault.fault == "slow_loris":
        body = response.get_data()
        pause_seconds = fault.seconds / max(len(body), 1) if fault.seconds else SECONDS_A_BYTE
        return Response(_trickle(body, pause_seconds), mimetype="application/json")
    response.set_data(_bent(fault.fault, response.get_data()))
    return response


def _bent(fault: str, body: bytes) -> bytes:
    """bad_json: cut. wrong_type: JSON, but a list with the object's numbers as text. huge_answer: ten megabytes."""
    if fault == "bad_json":
        return body[:-3]
    if fault == "wrong_type":
        return json.dumps([{name: str(value) for name, value in json.loads(body).items()}]).encode()
    return body + b" " * HUGE_ANSWER_BYTES


def pause(seconds: float) -> None:
    time.sleep(min(max(seconds, 0.0), MAX_SECONDS))


def _wait_for_hangup(connection: socket.socket, seconds: float) -> None:
    """Say nothing for so long, or until the other side has gone: no thread outlives its caller."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        is_readable, _, _ = select.select([connection], [], [], LOOK_SECONDS)
        if is_readable and not connection.recv(1, socket.MSG_PEEK):
            return


def _trickle(body: bytes, seconds: float) -> Iterator[bytes]:
    """The body byte by byte, with a pause before each."""
    for position in range(len(body)):
        pause(seconds)
        yield body[position : position + 1]
