"""One structured line and one measurement for each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from flask import Flask, Request, Response, g, request, session

import logs
import metrics
from blueprints.access import TENANT_KEY

QUIET = frozenset({"static", "ops.alive", "ops.ready", "ops.show_metrics"})

REFUSED = frozenset({403, 404})

log = structlog.get_logger("access")
quick_log = logging.getLogger("access")


def register(app: Flask) -> None:
    app.before_request(lambda: start(g))
    app.after_request(finish)


def start(known: Any) -> None:
    """known: flask.g"""
    known.started = time.perf_counter()


def finish(response: Response) -> Response:
    now = time.perf_counter()
    seconds, endpoint = now - g.get("started", now), request.endpoint or "none"
    metrics.observe_request(endpoint, request.method, response.status_code, seconds)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if endpoint not in QUIET or response.status_code >= 500:
        log.info(
            "request",
            method=request.method,
            path=request.full_path.rstrip("?"),
            status=response.status_code,
            milliseconds=round(seconds * 1000, 1),
            address=request.remote_addr,
            endpoint=endpoint,
            user=session.get("_user_id", "").partition(".")[0] or None,
            tenant=session.get(TENANT_KEY),
        )
    return response


def of_call(asked: Request, status: int, known: Any) -> Callable[[], None]:
    """The same for a program that signs its requests, to be called after its answer: a platform counts milliseconds.

    Without its parameters, and nothing about those refused: there may be thousands of forgeries a second, and what
    there is to say about them is said by whoever refused them.
    """
    return partial(_finish_call, asked, status, known.request_id, time.perf_counter() - known.started)


def _finish_call(asked: Request, status: int, request_id: str, seconds: float) -> None:
    endpoint = asked.endpoint or "none"
    metrics.observe_request(endpoint, asked.method, status, seconds)
    if status not in REFUSED:
        values = {
            "request_id": request_id,
            "method": asked.method,
            "path": asked.path,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "address": asked.remote_addr,
            "endpoint": endpoint,
        }
        logs.write_quickly(quick_log, "request", values)
