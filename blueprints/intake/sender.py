"""Who pushes: the key of a request, the source that it opens, and whether that source may push now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Request

from blueprints.envelope import RefusedRequest
from extensions import read_only
from models import TenantStatus
from services import alert_sources

KEY_CHARS = 200
BEARER = "Bearer "


@dataclass(frozen=True)
class Sender:
    """The source behind a valid key, as plain values: no transaction stays open while the body is read."""

    source_id: int
    tenant_id: int
    type: str
    options: dict[str, Any]


def authenticate(request: Request, type: str, *, now: datetime) -> Sender:
    """Find the source by its key. Raises RefusedRequest: 401 unknown key, 403 disabled or frozen, 400 wrong address."""
    key = _key(request)
    with read_only():
        source = alert_sources.find_by_key(key, now=now) if key else None
        if source is None:
            raise RefusedRequest(401, "Unauthorized", "integration_key is missing or unknown")
        is_frozen = source.tenant.status is not TenantStatus.ACTIVE
        sender = Sender(source.id, source.tenant_id, source.type, dict(source.options))
        is_enabled = source.is_enabled
    if is_frozen:
        raise RefusedRequest(403, "AccessDenied", "this organisation is frozen")
    if not is_enabled:
        raise RefusedRequest(403, "AccessDenied", "this alert source is disabled")
    if sender.type != type:
        where = f"/event/push/alert/{sender.type}"
        raise RefusedRequest(400, "InvalidParameter", f"this key belongs to a {sender.type} source: push to {where}")
    return sender


def _key(request: Request) -> str:
    """The key from the address, or from a header, where proxies and logs do not keep it."""
    bearer = request.headers.get("Authorization", "")
    found = (
        request.args.get("integration_key")
        or request.headers.get("X-Integration-Key")
        or (bearer.removeprefix(BEARER) if bearer.startswith(BEARER) else "")
    ).strip()
    return found if len(found) <= KEY_CHARS else ""
