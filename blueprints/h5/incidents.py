"""The list and the detail of incidents on a phone, and everything one can do there in two taps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from blueprints import live
from blueprints.access import current_member
from blueprints.h5 import asked, bp
from blueprints.h5.visit import visit
from blueprints.incident_actions import (
    OPEN_SCOPES,
    PLAIN_VERBS,
    address_of,
    closed_matches,
    go_to,
    said,
    search_of,
    standing,
    take,
)
from blueprints.incident_forms import (
    SEVERITIES,
    CloseForm,
    CommentForm,
    ReasonForm,
    SeverityForm,
    SnoozeForm,
    escalate_form,
    people_form,
)
from blueprints.war_room_parts import room_shown
from services import channels, held_cards, incident_queries, incidents, notifications, timeline
from services.clock import utcnow
from services.incidents import Outcome

CHIPS = (("mine", _l("我的待处理")), ("open", _l("全部未关闭")), ("closed", _l("已关闭")))
VIA = "h5"


@bp.get("/incidents")
def incident_list() -> ResponseReturnValue:
    """Incidents by chip, severity, channel and text; newest change first, 20 at a time, by key."""
    viewer = current_member()
    wanted = {name: request.args.get(name, "") for name in ("filter", "severity", "channel", "q", "before")}
    chosen = wanted["filter"] if wanted["filter"] in dict(CHIPS) else "mine"
    if (address := address_of(wanted["q"], "h5.incident")) is not None:
        return go_to(address)
    page = incident_queries.page(viewer, search_of(wanted, chosen), cursor=wanted["before"] or None)
    closed = "" if page.items or chosen not in OPEN_SCOPES else closed_matches(wanted)
    counts = incident_queries.scope_counts(viewer)
    etag = live.tag(chosen, wanted, counts, closed, [(item.id, item.version) for item in page.items])
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template(
        "h5/_incident_list.html" if live.is_fragment() else "h5/incidents.html",
        page=page,
        older_url=list_url(wanted, page.next_cursor),
        newer_url=list_url(wanted, page.prev_cursor),
        counts_by_chip=counts,
        closed=closed,
        closed_url=list_url(wanted | {"filter": "closed"}, ""),
        chips=CHIPS,
        chosen=chosen,
        wanted=wanted,
        channels=channels.all_for(viewer),
        severities=[(severity.value, severity.label) for severity in SEVERITIES],
        etag=etag,
        now=utcnow(),
    )


def list_url(wanted: dict[str, str], cursor: str | None) -> str:
    """The same list from another place on; empty when there is nothing that way."""
    if cursor is None:
        return ""
    query: dict[str, Any] = wanted | {"before": cursor}
    return url_for("h5.incident_list", **query)


@bp.get("/incidents/<int:num>")
def incident(num: int) -> ResponseReturnValue:
    found = incidents.get(num, viewer=current_member())
    may = standing(found)
    entries = timeline.entries(found)
    told = notifications.of_incident(found)
    held = held_cards.of_incident(found)
    states = [(delivery.id, delivery.state) for notification in told for delivery in notification.deliveries]
    room = room_shown(found, with_form=False)
    etag = live.tag(found.version, len(entries), states, held.counts, room["room_state"])
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template(
        "h5/_incident.html" if live.is_fragment() else "h5/incident.html",
        incident=found,
        entries=entries,
        deliveries={notification.id: notification.deliveries for notification in told},
        alerts=incident_queries.alerts_of(found),
        held=held,
        etag=etag,
        browser_hint=browser_hint() if is_on_mac() else "",
        asked=asked.read(request.args.get("do", ""), found) if may["can_handle"] else None,
        **may,
        **room,
    )


def act(num: int, verb: Callable[..., Outcome], **arguments: Any) -> ResponseReturnValue:
    """Do one thing to one incident, say what came of it, show the incident again."""
    found, outcome = take(num, verb, via=VIA, **arguments)
    flash(said(found, outcome), "ok" if outcome.changed else "info")
    return redirect(url_for("h5.incident", num=num), code=303)


@bp.post("/incidents/<int:num>/<any(acknowledge, unacknowledge, wake, refresh):verb>")
def do(num: int, verb: str) -> ResponseReturnValue:
    return act(num, PLAIN_VERBS[verb])


@bp.post("/incidents/<int:num>/close")
def close(num: int) -> ResponseReturnValue:
    form = CloseForm()
    if not form.validate():
        return more_page(num, close_form=form), 422
    return act(num, incidents.close, root_cause=form.root_cause.data or "", resolution=form.resolution.data or "")


@bp.route("/incidents/<int:num>/snooze", methods=["GET", "POST"])
def snooze(num: int) -> ResponseReturnValue:
    """The choices of how long; each shows the time it would end at."""
    form = SnoozeForm()
    if form.validate_on_submit():
        return act(num, incidents.snooze, minutes=form.minutes.data)
    found = incidents.get(num, viewer=current_member())
    status = 422 if request.method == "POST" else 200
    return render_template("h5/snooze.html", incident=found, form=form, presets=presets(), now=utcnow()), status


def presets() -> list[int]:
    return list(current_member().tenant.snooze_presets)


@bp.get("/incidents/<int:num>/more")
def more(num: int) -> ResponseReturnValue:
    return more_page(num)


def more_page(num: int, **refused: Any) -> str:
    """Everything beyond the main buttons; `refused` holds forms that come back with errors."""
    found = incidents.get(num, viewer=current_member())
    forms: dict[str, Any] = {
        "comment_form": CommentForm(formdata=None),
        "close_form": CloseForm(formdata=None),
        "reason_form": ReasonForm(formdata=None),
        "severity_form": SeverityForm(formdata=None, severity=found.severity.value),
        "reassign_form": people_form(found, new_only=False),
        "add_form": people_form(found, new_only=True),
        "escalate_form": escalate_form(found),
    }
    shown = standing(found) | room_shown(found) | forms | refused
    return render_template("h5/more.html", incident=found, browser_hint=browser_hint(), **shown)


def is_on_mac() -> bool:
    """Whether the page is open in the platform's client on a Mac, the only one that keeps links to itself."""
    return visit().in_client and "macintosh" in request.user_agent.string.casefold()


def browser_hint() -> str:
    """How to have the client open links in the system's browser, where that is a secret; "" where it is none."""
    hint = visit().platform.capabilities.browser_hint
    return _(hint) if hint else ""


@bp.post("/incidents/<int:num>/comment")
def comment(num: int) -> ResponseReturnValue:
    form = CommentForm()
    if not form.validate():
        return more_page(num, comment_form=form), 422
    return act(num, incidents.comment, text=form.text.data)


@bp.post("/incidents/<int:num>/reopen")
def reopen(num: int) -> ResponseReturnValue:
    form = ReasonForm()
    if not form.validate():
        return more_page(num, reason_form=form), 422
    return act(num, incidents.reopen, reason=form.reason.data)


@bp.post("/incidents/<int:num>/severity")
def severity(num: int) -> ResponseReturnValue:
    form = SeverityForm()
    if not form.validate():
        return more_page(num, severity_form=form), 422
    return act(num, incidents.edit, changes={"severity": form.severity.data})


@bp.post("/incidents/<int:num>/<any(reassign, add):verb>")
def assign(num: int, verb: str) -> ResponseReturnValue:
    found = incidents.get(num, viewer=current_member())
    form = people_form(found, new_only=verb == "add", submitted=True)
    if not form.validate():
        name = "add_form" if verb == "add" else "reassign_form"
        return more_page(num, **{name: form}), 422
    return act(num, incidents.add_responders if verb == "add" else incidents.reassign, user_ids=form.people.data)


@bp.post("/incidents/<int:num>/escalate")
def escalate(num: int) -> ResponseReturnValue:
    found = incidents.get(num, viewer=current_member())
    form = escalate_form(found, submitted=True)
    if not form.validate():
        return more_page(num, escalate_form=form), 422
    return act(num, incidents.escalate, level=form.chosen_level())
