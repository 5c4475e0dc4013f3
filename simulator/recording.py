"""Both kinds of exchange for the wire log: what the product called, and what a platform called."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from flask import Response, request

from simulator.faults import DroppedAnswer
from simulator.outbound import Answer
from simulator.wire import MAX_BODY_CHARACTERS, WireLog


def incoming(wire: WireLog, platform: str, response: Response, *, at: float, started: float, note: str = "") -> None:
    """The present request and its answer. at: by the simulator's clock; started: by time.perf_counter()."""
    is_dropped = isinstance(response, DroppedAnswer)
    body = b"" if is_dropped or response.is_streamed else response.get_data()[: 4 * MAX_BODY_CHARACTERS]
    wire.add(
        at=at,
        platform=platform,
        direction="in",
        method=request.method,
        path=request.path,
        query=request.query_string.decode("utf-8", "replace"),
        request=request.get_data().decode("utf-8", "replace"),
        status=0 if is_dropped else response.status_code,
        response=body.decode("utf-8", "replace"),
        ms=round((time.perf_counter() - started) * 1000, 2),
        note=note,
    )


def outgoing(
    wire: WireLog,
    platform: str,
    url: str,
    body: bytes,
    answer: Answer,
    *,
    at: float,
    method: str = "POST",
    **texts: str,
) -> None:
    """A request of ours and what came back. texts: note, and the plaintext and plain_answer of what was encrypted."""
    parts = urlsplit(url)
    wire.add(
        at=at,
        platform=platform,
        direction="out",
        method=method,
        path=f"{parts.scheme}://{parts.netloc}{parts.path}",
        query=parts.query,
        request=body.decode("utf-8", "replace"),
        status=answer.status,
        response=answer.body.decode("utf-8", "replace"),
        ms=answer.ms,
        **texts,
    )
