"""Pages that belong to no platform: the start page, the wire log, the faults."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator import faults
from simulator.i18n import t
from simulator.wecom.context import PLATFORM, current_wecom
from simulator.wire import WireEntry, mask

bp = Blueprint("pages", __name__)

SHOWN_ENTRIES = 200


@bp.get("/")
def index() -> str:
    wecom = current_wecom()
    with wecom.store.lock:
        return render_template("index.html", corps=list(wecom.state.corps.values()), product_url=wecom.product_url)


@bp.get("/wework_admin/frame")
def admin_console() -> BaseResponse:
    """Where deep links into the real console lead: to the company's applications, if there is but one company."""
    wecom = current_wecom()
    with wecom.store.lock:
        corps = list(wecom.state.corps)
    if len(corps) == 1:
        return redirect(url_for("wecom_console.apps", corp_id=corps[0]))
    return redirect(url_for("wecom_console.corps"))


@bp.get("/wire")
def wire() -> str:
    """The newest exchanges that contain the filter's text, newest first; secrets are shortened."""
    wanted = request.args.get("q", "").strip()
    direction = request.args.get("direction", "")
    entries = [entry for entry in reversed(current_wecom().wire.since(0)) if _fits(entry, wanted.lower(), direction)]
    return render_template(
        "wire.html", entries=entries[:SHOWN_ENTRIES], total=len(entries), q=wanted, direction=direction, mask=mask
    )


@bp.post("/wire/clear")
def clear_wire() -> Response | BaseResponse:
    current_wecom().wire.clear()
    return redirect(url_for(".wire"), code=303)


@bp.get("/faults")
def faults_page() -> str:
    return render_template("faults.html", armed=current_wecom().faults.listing(), names=faults.NAMES)


@bp.post("/faults")
def arm() -> Response | BaseResponse:
    name = request.form.get("fault", "")
    if name in faults.NAMES:
        try:
            current_wecom().faults.arm(faults.Fault.read(request.form, PLATFORM))
            flash(t("故障已设置：%(name)s", name=name))
        except ValueError:
            flash(t("请填写数字"))
    return redirect(url_for(".faults_page"), code=303)


@bp.post("/faults/clear")
def clear_faults() -> Response | BaseResponse:
    current_wecom().faults.clear()
    flash(t("故障已全部清除"))
    return redirect(url_for(".faults_page"), code=303)


def clock_text(at: float) -> str:
    """A time of the simulator's clock for a page, in this machine's zone."""
    return datetime.fromtimestamp(at).astimezone().strftime("%m-%d %H:%M:%S") if at else ""


def hour_text(at: float) -> str:
    """The hour and minute alone, for narrow places."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M")


def _fits(entry: WireEntry, wanted: str, direction: str) -> bool:
    if direction and entry.direction != direction:
        return False
    texts = (entry.path, entry.query, entry.request, entry.response, entry.plaintext, entry.plain_answer, entry.note)
    return not wanted or any(wanted in text.lower() for text in texts)
