"""The list of deliveries with its filters; sending one again, or all failed ones of a page."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires, safe_next
from blueprints.days import day_span
from blueprints.live import is_fragment
from blueprints.paging import page_url
from blueprints.row_numbers import row_id
from errors import AppError
from extensions import db
from models import Delivery, DeliveryState
from services import deliveries, delivery_queries, failures, responders, setup
from services.clock import utcnow
from services.wording import error_sentence, say_error

FILTERS = ("state", "reason", "person", "integration", "q", "since", "until")
MOST_AT_ONCE = 100

bp = Blueprint("deliveries", __name__, url_prefix="/deliveries")


@dataclass(frozen=True)
class Result:
    """What became of one of many."""

    delivery_id: int
    changed: bool
    text: str
    recipient: str = ""


@bp.get("")
@requires("delivery.view")
def index() -> ResponseReturnValue:
    viewer = current_member()
    wanted = {name: request.args.get(name, "") for name in FILTERS}
    before, after = row_id(request.args.get("before", "")), row_id(request.args.get("after", ""))
    page = delivery_queries.page(viewer, _search_of(wanted), before=before, after=after)
    return render_template(
        "deliveries/_list.html" if is_fragment() else "deliveries/index.html",
        page=page,
        wanted=wanted,
        is_filtered=any(wanted.values()),
        older_url=page_url(str(page.before) if page.before else None, "before"),
        newer_url=page_url(str(page.after) if page.after else None, "after"),
        resendable=[sent.id for sent in page.items if _is_resendable(sent)],
        **_choices(),
    )


@bp.post("/<int:delivery_id>/resend")
@requires("delivery.resend")
def resend(delivery_id: int) -> ResponseReturnValue:
    member = current_member()
    try:
        deliveries.resend(deliveries.get(delivery_id, viewer=member), by=member, now=utcnow())
    except deliveries.NotResendable as error:
        db.session.rollback()
        flash(error_sentence(error), "info")
    else:
        db.session.commit()
        flash(_("已重新发送，结果会显示在这里"), "ok")
    return redirect(safe_next(request.form.get("next")) or url_for(".index"), code=303)


@bp.post("/<int:delivery_id>/drop")
@requires("delivery.resend")
def drop(delivery_id: int) -> ResponseReturnValue:
    """Give up a message that waits for a person's word."""
    member = current_member()
    try:
        deliveries.drop(deliveries.get(delivery_id, viewer=member), by=member)
    except deliveries.NotDroppable as error:
        db.session.rollback()
        flash(error_sentence(error), "info")
    else:
        db.session.commit()
        flash(_("已放弃，该消息不会发送"), "ok")
    return redirect(safe_next(request.form.get("next")) or url_for(".index"), code=303)


@bp.post("/resend")
@requires("delivery.resend")
def resend_all() -> ResponseReturnValue:
    """Send up to 100 messages again; each gets its own answer."""
    ids = sorted({number for text in request.form.getlist("id") if (number := row_id(text)) is not None})
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        flash(_("没有可以重新发送的消息，每次最多 100 条"), "info")
        return redirect(url_for(".index"), code=303)
    results = [_resend_one(delivery_id) for delivery_id in ids]
    db.session.commit()
    return render_template("deliveries/resent.html", results=results)


def _resend_one(delivery_id: int) -> Result:
    member = current_member()
    try:
        found = deliveries.get(delivery_id, viewer=member)
        deliveries.resend(found, by=member, now=utcnow())
    except AppError as error:
        return Result(delivery_id, False, say_error(error)[0])
    return Result(delivery_id, True, _("已重新发送"), found.recipient_name)


def _is_resendable(sent: Delivery) -> bool:
    is_open = sent.incident is not None and sent.incident.is_open
    return sent.state is DeliveryState.FAILED and is_open and (sent.user_id or sent.group_chat_id) is not None


def _search_of(wanted: dict[str, str]) -> delivery_queries.Search:
    since, until = day_span(wanted["since"], wanted["until"])
    return delivery_queries.Search(
        state=next((state for state in DeliveryState if state.value == wanted["state"]), None),
        failure_code=wanted["reason"],
        user_id=row_id(wanted["person"]),
        integration_id=row_id(wanted["integration"]),
        text=wanted["q"],
        since=since,
        until=until,
    )


def _choices() -> dict[str, list[tuple[str, str]]]:
    """What the filters offer. Reasons whose label holds places are named without them."""
    viewer = current_member()
    everything = ("", _("全部"))
    reasons = [(code, _short(failure.label)) for code, failure in failures.FAILURES.items()]
    skips = [(code, _(label)) for code, label in failures.SKIPS.items()]
    return {
        "states": [everything, *((state.value, _(state.label)) for state in DeliveryState)],
        "reasons": [everything, *reasons, *skips],
        "people": [
            everything,
            *((str(member.user_id), member.user.name) for member in responders.candidates(viewer.tenant_id)),
        ],
        "integrations": [everything, *((str(one.id), _(one.name)) for one in setup.all_for(viewer))],
    }


def _short(label: str) -> str:
    places = dict.fromkeys(("ip", "scope", "platform_code", "platform_message"), "…")
    return _(label, **places) if "%(" in label else _(label)
