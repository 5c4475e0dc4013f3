"""Who pushes: the key of a request, the source that it opens, and whether that source may push now."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Request, current_app

from blueprints.envelope import RefusedRequest
from extensions import read_only
from services import alert_sources

KEY_CHARS = 200
BEARER = "Bearer "
REMEMBERED = 1000
REMEMBERED_SECONDS = 5.0


@dataclass(frozen=True)
class Sender:
    """The source behind a valid key, as plain values: no transaction stays open while the body is read."""

    source_id: int
    tenant_id: int
    type: str
    options: dict[str, Any]
    key_hash: str = ""


def remembered(request: Request, type: str) -> Sender | None:
    """The sender of a key that was good within the last seconds.

    Only for pushes that look at the key once more when they are stored (blueprints/intake/journal.py): what is old
    here is how a body is read, never who may push.
    """
    found = _remembered().get(alert_sources.hash_of(_key(request)))
    if found is None or found[0] < time.monotonic() or found[1].type != type:
        return None
    return found[1]


def authenticate(request: Request, type: str, *, now: datetime) -> Sender:
    """Find the source by its key. Raises RefusedRequest: 401 unknown key, 403 disabled or frozen, 400 wrong address."""
    sender = _look_up(_key(request), type, now)
    senders = _remembered()
    if len(senders) >= REMEMBERED:
        senders.clear()
    senders[sender.key_hash] = (time.monotonic() + REMEMBERED_SECONDS, sender)
    return sender


def _remembered() -> dict[str, tuple[float, Sender]]:
    """By hash of the key: until when, and who. Of this process."""
    senders: dict[str, tuple[float, Sender]] = current_app.extensions.setdefault("intake_senders", {})
    return senders


def _look_up(key: str, type: str, now: datetime) -> Sender:
    with read_only():
        source = alert_sources.find_by_key(key, now=now) if key else None
    if source is None:
        raise RefusedRequest(401, "Unauthorized", "integration_key is missing or unknown")
    sender = Sender(source.id, source.tenant_id, source.type, source.options, alert_sources.hash_of(key))
    if not source.is_tenant_active:
        raise RefusedRequest(403, "AccessDenied", "this organisation is frozen")
    if not source.is_enabled:
        raise RefusedRequest(403, "AccessDenied", "this alert source is disabled")
    if sender.type != type:
        where = f"/event/push/alert/{sender.type}"
        raise RefusedRequest(400, "InvalidParameter", f"this key belongs to a {sender.type} source: push to {where}")
    return sender


def _key(request: Request) -> str:
    """The key from the address, or from a header, where proxies and logs do not keep it."""
    found = (
        request.args.get("integration_key") or request.headers.get("X-Integration-Key") or _bearer(request)
    ).strip()
    return found if len(found) <= KEY_CHARS else ""


def _bearer(request: Request) -> str:
    given = request.headers.get("Authorization", "")
    return given.removeprefix(BEARER) if given.startswith(BEARER) else ""
