"""JS-SDK tickets and the address ranges of the platform."""

from __future__ import annotations

import hashlib
from typing import Any

from simulator.counters import HOUR
from simulator.wecom.context import Call
from simulator.wecom.errors import ApiError, bad_parameter

TICKET_SECONDS = 7200


def corp_ticket(call: Call) -> dict[str, Any]:
    """https://developer.work.weixin.qq.com/document/path/90506"""
    _count(call)
    return _ticket(call, f"corp:{call.corp.corp_id}")


def app_ticket(call: Call) -> dict[str, Any]:
    if call.query.get("type") != "agent_config":
        raise bad_parameter("type must be agent_config")
    _count(call)
    return _ticket(call, f"app:{call.corp.corp_id}:{call.app.agent_id}")


def api_domain_ip(call: Call) -> dict[str, Any]:
    """https://developer.work.weixin.qq.com/document/path/92520"""
    return {"ip_list": ["127.0.0.1", "::1"]}


def callback_ip(call: Call) -> dict[str, Any]:
    """https://developer.work.weixin.qq.com/document/path/92521"""
    return {"ip_list": ["127.0.0.1", "::1"]}


def _count(call: Call) -> None:
    limits, counters = call.wecom.state.limits, call.wecom.counters
    corp = counters.add(("ticket", call.corp.corp_id), call.now, HOUR)
    app = counters.add(("ticket", call.corp.corp_id, call.app.agent_id), call.now, HOUR)
    if corp > limits.ticket_per_corp_per_hour or app > limits.ticket_per_app_per_hour:
        raise ApiError(45009)


def _ticket(call: Call, subject: str) -> dict[str, Any]:
    """The same ticket within its two hours."""
    window = int(call.now // TICKET_SECONDS)
    ticket = hashlib.sha256(f"{subject}:{window}:{call.app.secret}".encode()).hexdigest()
    return {"ticket": ticket, "expires_in": int((window + 1) * TICKET_SECONDS - call.now)}
