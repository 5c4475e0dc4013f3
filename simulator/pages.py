"""Pages that belong to no platform: the start page, the wire log, the faults."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator import faults
from simulator.base import Platform, current_laboratory
from simulator.i18n import t
from simulator.wire import WireEntry, mask

bp = Blueprint("pages", __name__)

SHOWN_ENTRIES = 200


@bp.get("/")
def index() -> str:
    laboratory = current_laboratory()
    with laboratory.store.lock:
        shown = [(platform, platform.organisations()) for platform in laboratory.platforms.values()]
        return render_template("index.html", shown=shown, product_url=laboratory.product_url)


@bp.get("/wire")
def wire() -> str:
    """The newest exchanges that contain the filter's text, newest first; secrets are shortened."""
    wanted = request.args.get("q", "").strip()
    direction, slug = request.args.get("direction", ""), request.args.get("platform", "")
    laboratory = current_laboratory()
    newest = [entry for entry in reversed(laboratory.wire.since(0)) if slug in ("", entry.platform)]
    entries = [entry for entry in newest if _fits(entry, wanted.lower(), direction)]
    return render_template(
        "wire.html",
        entries=entries[:SHOWN_ENTRIES],
        total=len(entries),
        q=wanted,
        direction=direction,
        slug=slug,
        platforms=laboratory.platforms,
        mask=mask,
    )


@bp.post("/wire/clear")
def clear_wire() -> Response | BaseResponse:
    current_laboratory().wire.clear()
    return redirect(url_for(".wire"), code=303)


@bp.get("/faults")
def faults_page() -> str:
    laboratory = current_laboratory()
    armed = laboratory.faults.listing()
    return render_template("faults.html", armed=armed, names=faults.NAMES, platforms=laboratory.platforms)


@bp.post("/faults")
def arm() -> Response | BaseResponse:
    name = request.form.get("fault", "")
    if name in faults.NAMES:
        try:
            current_laboratory().faults.arm(faults.Fault.read(request.form))
            flash(t("故障已设置：%(name)s", name=name))
        except ValueError:
            flash(t("请填写数字"))
    return redirect(url_for(".faults_page"), code=303)


@bp.post("/faults/clear")
def clear_faults() -> Response | BaseResponse:
    current_laboratory().faults.clear()
    flash(t("故障已全部清除"))
    return redirect(url_for(".faults_page"), code=303)


def visited_platform() -> Platform | None:
    """The platform whose console or client this page is part of."""
    platforms = current_laboratory().platforms.values()
    return next((each for each in platforms if request.path.startswith(f"/{each.slug}/")), None)


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
