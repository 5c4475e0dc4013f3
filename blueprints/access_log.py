"""One structured line and one measurement for each request."""

from __future__ import annotations

import logging
import time
from functools import partial

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
    app.before_request(start)
    app.after_request(finish)


def start() -> None:
    g.started = time.perf_counter()


def finish(response: Response) -> Response:
    seconds, endpoint = measure(request, response)
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


def finish_call(asked: Request, response: Response) -> Response:
    """The same for a program that signs its requests, after it was answered: for its platform counts milliseconds.

    Without its parameters, and nothing about those refused: there may be thousands of forgeries a second, and what
    there is to say about them is said by whoever refused them.
    """
    seconds, endpoint = measure(asked, response)
    if response.status_code not in REFUSED:
        values = {
            "request_id": response.headers["X-Request-Id"],
            "method": asked.method,
            "path": asked.path,
            "status": response.status_code,
            "milliseconds": round(seconds * 1000, 1),
            "address": asked.remote_addr,
            "endpoint": endpoint,
        }
        response.call_on_close(partial(logs.write_quickly, quick_log, "request", values))
    return response


def measure(asked: Request, response: Response) -> tuple[float, str]:
    """How long a request took, and what was asked."""
    known = g._get_current_object()
    now = time.perf_counter()
    seconds = now - known.get("started", now)
    endpoint = asked.endpoint or "none"
    metrics.observe_request(endpoint, asked.method, response.status_code, seconds)
    response.headers["X-Request-Id"] = known.get("request_id", "")
    return seconds, endpoint
