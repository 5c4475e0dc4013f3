"""The control interface: JSON for tests and scripts. Loopback only, and never on a webview's host."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from simulator import faults
from simulator.base import ControlError, Unknown, current_laboratory
from simulator.faults import Fault
from simulator.wire import to_json

bp = Blueprint("control", __name__, url_prefix="/control")


def guard() -> None:
    """Refuse anything but a program on this machine; a page of another origin cannot reach in through a browser."""
    if not request.path.startswith("/control"):
        return
    origin = request.headers.get("Origin")
    if not _is_loopback(request.remote_addr or "") or (origin and origin != request.host_url.rstrip("/")):
        abort(403)


@bp.get("/messages")
def messages() -> Response:
    """`?platform=&person=` or `&chat=`: messages as the person sees them now, or as the chat shows them.

    Without a platform the first one is meant; one that is not simulated has no messages.
    """
    laboratory, query = current_laboratory(), request.args
    platform = laboratory.platforms.get(query.get("platform", laboratory.first))
    with laboratory.store.lock:
        person, chat = query.get("person", ""), query.get("chat", "")
        return jsonify(platform.messages(person=person, chat=chat) if platform else [])


@bp.post("/press")
def press() -> Response:
    """`{"platform", "message_id", "person", "key", …}` → `{"http_status", "answer", …}` of a real call."""
    laboratory, body = current_laboratory(), request.get_json(force=True)
    platform = laboratory.platforms.get(body.get("platform") or laboratory.first)
    if platform is None:
        raise Unknown(f"no such platform: {body['platform']}")
    return jsonify(platform.press(body))


@bp.get("/wire")
def wire() -> Response:
    """Exchanges after the index `since`, oldest first."""
    since = request.args.get("since", 0, type=int)
    return jsonify([to_json(entry) for entry in current_laboratory().wire.since(since)])


@bp.get("/faults")
def list_faults() -> Response:
    return jsonify(current_laboratory().faults.listing())


@bp.post("/faults")
def arm_fault() -> tuple[Response, int]:
    """`{"platform"?, "fault", "count"?, "path"?, "seconds"?, "code"?, "corp_id"?, "agent_id"?, "app_id"?, "users"?,
    "name"?, "status"?}`. Without a platform every one is hit; count -1 lasts until cleared; the page /faults says what
    each fault does.
    """
    body: dict[str, Any] = request.get_json(force=True)
    if body.get("fault") not in faults.NAMES:
        return jsonify({"error": f"unknown fault; known are {', '.join(faults.NAMES)}"}), 400
    current_laboratory().faults.arm(Fault.read(body))
    return jsonify(current_laboratory().faults.listing()), 201


@bp.delete("/faults")
def clear_faults() -> Response:
    current_laboratory().faults.clear()
    return jsonify([])


@bp.post("/clock")
def clock() -> Response:
    """`{"offset_seconds"}` from real time, or `{"advance_seconds"}` from the present offset; what is due is done."""
    body, laboratory = request.get_json(force=True), current_laboratory()
    store = laboratory.store
    with store.lock:
        offset = float(body.get("offset_seconds", store.clock_offset))
        store.clock_offset = offset + float(body.get("advance_seconds", 0))
        store.touch()
    for platform in laboratory.platforms.values():
        platform.tick()
    return jsonify({"offset_seconds": store.clock_offset, "now": store.now()})


@bp.post("/reset")
def reset() -> Response:
    """Forget messages, wire log, faults and counters; `{"all": true}` also organisations, limits, the clock's offset.

    `{"platform"}` leaves the other platforms' messages and organisations alone.
    """
    body, laboratory = request.get_json(force=True, silent=True) or {}, current_laboratory()
    with laboratory.store.lock:
        for platform in laboratory.platforms.values():
            if body.get("platform") in (None, platform.slug):
                platform.reset(everything=bool(body.get("all")))
        laboratory.wire.clear()
        laboratory.faults.clear()
        if body.get("all"):
            laboratory.store.clock_offset = 0.0
    return jsonify({"ok": True})


@bp.get("/state")
def state() -> Response:
    """A summary: clock, faults, and of each platform what exists there, without secrets of apps."""
    laboratory = current_laboratory()
    with laboratory.store.lock:
        clock = {"now": laboratory.store.now(), "offset_seconds": laboratory.store.clock_offset}
        found = {platform.slug: platform.summary() for platform in laboratory.platforms.values()}
        return jsonify(clock | {"faults": laboratory.faults.listing()} | found)


def refused(error: Exception) -> tuple[Response, int]:
    return jsonify({"error": str(error)}), error.status if isinstance(error, ControlError) else 400


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
