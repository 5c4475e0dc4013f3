"""What operators' tools ask: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from datetime import timedelta

from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

import metrics
import schema
from blueprints.access import public
from extensions import db, wait_at_most
from models import Heartbeat
from services.clock import utcnow
from services.instance import current_settings

bp = Blueprint("ops", __name__)
WORKER_SILENT_AFTER = timedelta(seconds=30)
READY_SECONDS = 2.0
"""For the database: whoever probes asks again, and each would hold a thread."""

log = logging.getLogger(__name__)


@bp.get("/healthz")
@public
def alive() -> ResponseReturnValue:
    """The process answers; nothing else is asked."""
    return jsonify(status="ok")


@bp.get("/readyz")
@public
def ready() -> ResponseReturnValue:
    """200 if the database answers, its tables are of this version and a worker was seen; else 503, naming what not."""
    wait_at_most(READY_SECONDS)
    try:
        checks = {"database": True, "migrations": _is_migrated(), "worker": _has_worker()}
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("not ready: %s", type(error).__name__)
        checks = {"database": False, "migrations": False, "worker": False}
    is_ready = all(checks.values())
    said = {name: "ok" if passed else "failed" for name, passed in checks.items()}
    return jsonify(status="ok" if is_ready else "failed", checks=said), 200 if is_ready else 503


@bp.get("/metrics")
@public
def show_metrics() -> ResponseReturnValue:
    """Prometheus' text format, for holders of METRICS_TOKEN or, without one, for this machine alone."""
    if not _may_read_metrics():
        abort(404)
    return Response(metrics.render(), content_type=metrics.CONTENT_TYPE)


def _may_read_metrics() -> bool:
    token = current_settings().metrics_token
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False  # came through a proxy on this machine
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _is_migrated() -> bool:
    """The tables are of this version or of a newer one: migrations only add, so versions are changed one by one."""
    revision = schema.present(db.session.connection())
    return revision is not None and (revision == schema.newest() or revision not in schema.known())


def _has_worker() -> bool:
    newest = db.session.execute(select(func.max(Heartbeat.at))).scalar_one()
    return newest is not None and utcnow() - newest <= WORKER_SILENT_AFTER
