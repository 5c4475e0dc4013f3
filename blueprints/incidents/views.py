"""Looking at incidents: the list with its filters, and one with everything that is known about it."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.incident_actions import OPEN_SCOPES, address_of, closed_matches, go_to, search_of, standing
from blueprints.incident_forms import (
    CloseForm,
    CommentForm,
    ReasonForm,
    SnoozeForm,
    escalate_form,
    people_form,
    severity_choices,
)
from blueprints.incidents import bp
from blueprints.paging import page_url
from blueprints.templating import capped
from blueprints.war_room_parts import room_shown
from models import Delivery, DeliveryState, Incident, Notification, Progress
from services import cards, channels, held_cards, incident_queries, incidents, notifications, responders, timeline
from services.clock import utcnow

SCOPES = (
    ("mine", _l("我的待处理")),
    ("open", _l("全部未关闭")),
    ("closed", _l("已关闭")),
    ("all", _l("全部")),
)
FILTERS = ("severity", "progress", "channel", "responder", "q", "since", "until")
URGENCY = {
    DeliveryState.FAILED: 0,
    DeliveryState.RETRYING: 1,
    DeliveryState.SENDING: 1,
    DeliveryState.QUEUED: 1,
    DeliveryState.SKIPPED: 2,
    DeliveryState.CANCELLED: 2,
}
REDRAWN_SECONDS = 60
"""Open incidents are drawn again so often although nothing changed: times "from now on" are shown."""


@bp.get("")
@requires("incident.view")
def index() -> ResponseReturnValue:
    """Newest change first, 20 at a time, by key; every filter is in the address."""
    viewer = current_member()
    wanted = {name: request.args.get(name, "") for name in FILTERS}
    chosen = request.args.get("scope", "")
    chosen = chosen if chosen in dict(SCOPES) else "open"
    if (address := address_of(wanted["q"], "incidents.detail")) is not None:
        return go_to(address)
    page = incident_queries.page(viewer, search_of(wanted, chosen), cursor=request.args.get("before"))
    closed = "" if page.items or chosen not in OPEN_SCOPES else closed_matches(wanted)
    counts = incident_queries.scope_counts(viewer)
    etag = live.tag(chosen, wanted, counts, closed, page.next_cursor, [(item.id, item.version) for item in page.items])
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template(
        "incidents/_list.html" if live.is_fragment() else "incidents/index.html",
        page=page,
        chips=_chips(chosen, wanted, counts),
        chosen=chosen,
        wanted=wanted,
        is_filtered=any(wanted.values()),
        closed=closed,
        closed_url=url_for(".index", **_kept(wanted | {"scope": "closed"})),
        older_url=page_url(page.next_cursor),
        newer_url=page_url(page.prev_cursor),
        etag=etag,
        now=utcnow(),
        **_choices(),
    )


@bp.get("/<int:num>")
@requires("incident.view")
def detail(num: int) -> ResponseReturnValue:
    found = incidents.get(num, viewer=current_member())
    context = shown(found)
    if live.unchanged(context["etag"]):
        return live.not_modified(context["etag"])
    template = "incidents/_detail.html" if live.is_fragment() else "incidents/detail.html"
    return render_template(template, **context)


def shown(incident: Incident, **refused: Any) -> dict[str, Any]:
    """What the page of an incident needs; `refused` holds forms that come back with errors."""
    entries = timeline.entries(incident)
    told = notifications.of_incident(incident)
    held = held_cards.of_incident(incident)
    now = utcnow()
    minute = int(now.timestamp()) // REDRAWN_SECONDS if incident.is_open else 0
    states = [(sent.id, sent.state, len(sent.attempts)) for notification in told for sent in notification.deliveries]
    forms: dict[str, Any] = {
        "comment_form": CommentForm(formdata=None),
        "close_form": CloseForm(formdata=None),
        "reason_form": ReasonForm(formdata=None),
        "snooze_form": SnoozeForm(formdata=None),
        "reassign_form": people_form(incident, new_only=False),
        "add_form": people_form(incident, new_only=True),
        "escalate_form": escalate_form(incident),
    }
    room = room_shown(incident)
    return standing(incident) | room | forms | refused | {
        "incident": incident,
        "entries": entries,
        "deliveries": {notification.id: notification.deliveries for notification in told},
        "latest": newest_deliveries(told),
        "causes": {notification.id: notification for notification in told},
        "alerts": incident_queries.alerts_of(incident),
        "held": held,
        "update_notes": [_(note) for note in cards.update_notes(incident)],
        "presets": list(current_member().tenant.snooze_presets),
        "etag": live.tag(incident.version, len(entries), states, held.counts, minute, room["room_state"]),
        "refused": set(refused),
    }  # fmt: skip


def newest_deliveries(told: list[Notification]) -> list[Delivery]:
    """The last message to each person through each channel kind and to each group: what failed, what waits, the rest.

    Within each of these in the order of the first ones.
    """
    newest: dict[tuple[int | None, int | None, str], Delivery] = {}
    for notification in told:
        for delivery in notification.deliveries:
            key = (delivery.user_id, delivery.group_chat_id, delivery.channel_kind)
            if key not in newest or newest[key].id < delivery.id:
                newest[key] = delivery
    return sorted(newest.values(), key=lambda sent: URGENCY.get(sent.state, len(URGENCY)))


def _chips(chosen: str, wanted: dict[str, str], counts: dict[str, int]) -> list[dict[str, Any]]:
    kept = _kept(wanted)
    return [
        {
            "label": label,
            "url": url_for(".index", scope=scope, **kept),
            "active": scope == chosen,
            "count": capped(counts[scope]) if scope in counts else None,
        }
        for scope, label in SCOPES
    ]


def _kept(wanted: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value}


def _choices() -> dict[str, list[tuple[str, str]]]:
    """What the filters offer."""
    viewer = current_member()
    everything = ("", _("全部"))
    people = responders.candidates(viewer.tenant_id)
    return {
        "severities": [everything, *severity_choices()],
        "steps": [everything, *((step.value, _(step.label)) for step in Progress)],
        "channels": [everything, *((str(channel.id), channel.name) for channel in channels.all_for(viewer))],
        "people": [everything, *((str(member.user_id), member.user.name) for member in people)],
    }
