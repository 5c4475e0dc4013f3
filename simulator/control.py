"""The control interface: JSON for tests and scripts. Loopback only, and never on a webview's host."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, request

from simulator import faults
from simulator.faults import Fault
from simulator.wecom import reports
from simulator.wecom.context import PLATFORM as WECOM
from simulator.wecom.context import WeCom
from simulator.wecom.presses import CannotPress
from simulator.wecom.setup import SetupError
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
    """`?platform=&person=` or `&chat=`: messages as the person sees them now."""
    wecom = _wecom()
    with wecom.store.lock:
        if request.args.get("platform", WECOM) != WECOM or request.args.get("chat"):
            return jsonify([])
        return jsonify(reports.listed(wecom, request.args.get("person", "")))


@bp.post("/press")
def press() -> Response:
    """`{"platform", "message_id", "person", "key", "selected"?}` → `{"http_status", "answer", …}` of a real call."""
    return jsonify(reports.press(_wecom(), request.get_json(force=True)))


@bp.get("/wire")
def wire() -> Response:
    """Exchanges after the index `since`, oldest first."""
    since = request.args.get("since", 0, type=int)
    return jsonify([to_json(entry) for entry in _wecom().wire.since(since)])


@bp.get("/faults")
def list_faults() -> Response:
    return jsonify(_wecom().faults.listing())


@bp.post("/faults")
def arm_fault() -> tuple[Response, int]:
    """`{"platform", "fault", "count"?, "path"?, "seconds"?, "code"?, "corp_id"?, "agent_id"?, "users"?}`.

    count -1 lasts until cleared; the page /faults says what each fault does.
    """
    body: dict[str, Any] = request.get_json(force=True)
    if body.get("fault") not in faults.NAMES:
        return jsonify({"error": f"unknown fault; known are {', '.join(faults.NAMES)}"}), 400
    _wecom().faults.arm(Fault.read(body, WECOM))
    return jsonify(_wecom().faults.listing()), 201


@bp.delete("/faults")
def clear_faults() -> Response:
    _wecom().faults.clear()
    return jsonify([])


@bp.post("/clock")
def clock() -> Response:
    """`{"offset_seconds"}` from real time, or `{"advance_seconds"}` from the present offset."""
    body, store = request.get_json(force=True), _wecom().store
    with store.lock:
        offset = float(body.get("offset_seconds", store.clock_offset))
        store.clock_offset = offset + float(body.get("advance_seconds", 0))
        store.touch()
        return jsonify({"offset_seconds": store.clock_offset, "now": store.now()})


@bp.post("/reset")
def reset() -> Response:
    """Forget messages, wire log, faults and counters; `{"all": true}` also corps, limits and the clock's offset."""
    body, wecom = request.get_json(force=True, silent=True) or {}, _wecom()
    with wecom.store.lock:
        reports.reset(wecom, everything=bool(body.get("all")))
        wecom.wire.clear()
        wecom.faults.clear()
        if body.get("all"):
            wecom.store.clock_offset = 0.0
    return jsonify({"ok": True})


@bp.get("/state")
def state() -> Response:
    """A summary: clock, faults, and of each platform its corps, apps, people and limits, without secrets of apps."""
    wecom = _wecom()
    with wecom.store.lock:
        return jsonify(
            {
                "now": wecom.store.now(),
                "offset_seconds": wecom.store.clock_offset,
                "faults": wecom.faults.listing(),
                "wecom": reports.summary(wecom),
            }
        )


def refused(error: Exception) -> tuple[Response, int]:
    status = {reports.Unknown: 404, CannotPress: 409, SetupError: 400}.get(type(error), 400)
    return jsonify({"error": str(error)}), status


def _wecom() -> WeCom:
    wecom: WeCom = current_app.extensions["simulator_wecom"]
    return wecom


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
