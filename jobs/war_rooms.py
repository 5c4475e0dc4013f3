"""Bringing a war room up to date, one call at a time; and looking whether a connection could make rooms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import g

from crashpoints import crash_here
from extensions import db
from jobs import answering
from jobs import outbox as rows
from jobs.outbox import Claim, Done, Later, Outcome
from models import Integration, IntegrationStatus, RoomState, WarRoom
from platforms.errors import PlatformError
from services import circuits, integrations, outbox, responders, retries, war_room_steps, war_room_switch
from services.clock import utcnow
from services.outbox import OUTAGE
from services.war_room_steps import End, Make, Say, Step
from texts import N_

GIVE_UP_AFTER = timedelta(hours=1)
"""A room, a person in it or a text that does not come within this time is of no use any more."""
END_GIVE_UP_AFTER = timedelta(hours=24)


class IntegrationStopped(PlatformError):
    code = "war_room.integration_stopped"
    message = N_("集成已停用")
    hint = N_("请在集成中心启用该集成。")
    failure = "integration_disabled"


class OurFault(PlatformError):
    code = "war_room.our_fault"
    message = N_("系统无法创建或结束作战室")
    hint = N_("请把此故障的编号交给运维人员查看日志。")
    failure = "internal"


def run(mine: Claim) -> Outcome:
    """Handle a "war_room" row. payload: {"step", "since", "tries", "saying"} of the step that has not ended yet."""
    now = utcnow()
    room = war_room_steps.hold(mine.subject_id, mine.tenant_id)
    if room is None or room.is_over:
        return Done()
    integration = room.integration
    if integration is None or integration.status is not IntegrationStatus.ACTIVE:
        return _without_connection(room, now)
    if not mine.is_probe and (closed_until := circuits.closed_until(integration, now)):
        return Later(closed_until, f"{OUTAGE}the platform is not called now", mine.payload)
    try:
        step = war_room_steps.next_step(room, integration, now=now)
    except PlatformError as error:
        war_room_steps.failed(room, None, error, now=now)
        return Done()
    if step is None:
        return _end_unless_news(mine, room, integration, now)
    return _take(mine, step, integration, now)


def _end_unless_news(mine: Claim, room: WarRoom, integration: Integration, now: datetime) -> Outcome:
    """Who changes the incident at this moment waits for the row, and finds it ended and begins it again."""
    outbox.hold(mine.id)
    db.session.refresh(room.incident)
    if war_room_steps.next_step(room, integration, now=now) is not None:
        return Later(now)
    return Done()


def _without_connection(room: WarRoom, now: datetime) -> Outcome:
    """Nothing can be done through a connection that was stopped; when it is used again the next news goes out."""
    if room.state is RoomState.CREATING:
        war_room_steps.failed(room, None, IntegrationStopped(), now=now)
    elif room.integration is None:
        war_room_steps.ended(room, war_room_steps.GONE, now=now)
    elif room.state is RoomState.DISMISSING:
        war_room_steps.not_ended(room, IntegrationStopped(), now=now)
    return Done()


def _take(mine: Claim, step: Step, integration: Integration, now: datetime) -> Outcome:
    """Note what is about to be asked, let go of the database, ask, and write down what came of it."""
    attempt = _attempt(mine, step, now)
    limits = war_room_switch.limits_of(integration)
    may_have_been_said = isinstance(step, Say) and mine.payload.get("saying") == step.reference
    if may_have_been_said and limits is not None and not limits.knows_texts:
        return _record(mine, step, None, now)
    try:
        platform = integrations.platform_for(integration)
    except PlatformError as error:  # the entered address of a private deployment may not be called
        return _again(mine, step, attempt, error)
    rows.note(mine, attempt)
    db.session.commit()
    crash_here("worker.before_send")
    g.called_platform = True
    try:
        result = step.call(platform)
    except PlatformError as error:
        crash_here("worker.after_send")
        return _again(mine, step, attempt, error)
    crash_here("worker.after_send")
    answering.answered(integration, utcnow())
    return _record(mine, step, result, utcnow())


def _attempt(mine: Claim, step: Step, now: datetime) -> dict[str, Any]:
    kind = type(step).__name__ + (step.reference if isinstance(step, Say) else "")
    same = mine.payload.get("step") == kind
    kept = {name: mine.payload[name] for name in ("since", "tries") if same and name in mine.payload}
    saying = {"saying": step.reference} if isinstance(step, Say) else {}
    return {"step": kind, "since": now.isoformat(), "tries": 0} | kept | saying


def _record(mine: Claim, step: Step, result: Any, now: datetime) -> Outcome:
    room = war_room_steps.hold(mine.subject_id, mine.tenant_id)
    if room is None or room.integration is None:
        return Done()
    war_room_steps.done(room, room.integration, step, result, now=now)
    return Later(now, "", {})


def _again(mine: Claim, step: Step, attempt: dict[str, Any], error: PlatformError) -> Outcome:
    """Try once more what may succeed later; else write down that it did not."""
    now = utcnow()
    room = db.session.get(WarRoom, mine.subject_id)
    bounds = answering.failed(room.integration, error, now) if room and room.integration else circuits.Bounds()
    room = war_room_steps.hold(mine.subject_id, mine.tenant_id)
    if room is None:
        return Done()
    tries = attempt["tries"] + (0 if error.unsent else 1)
    since = datetime.fromisoformat(attempt["since"])
    patience = END_GIVE_UP_AFTER if isinstance(step, End) else GIVE_UP_AFTER
    if isinstance(step, Make) and step.is_first and not error.uncertain:
        room.is_unanswered, room.first_tried_at = False, None
    if not error.retryable or now - since > patience:
        war_room_steps.failed(room, step, error, now=now)
        return Later(now, "", {})
    due_at = max(now + retries.with_jitter(retries.delay(tries)), bounds.not_before or now)
    kept = attempt | {"tries": tries}
    if isinstance(step, Say) and not error.uncertain:
        kept.pop("saying", None)
    return Later(due_at, f"{OUTAGE if circuits.is_outage(error) else ''}{error.code}", kept)


def gave_up(mine: Claim, error: str) -> None:
    """Show on the room that it could not be made, or ended, because of a fault of ours."""
    room = war_room_steps.hold(mine.subject_id, mine.tenant_id)
    if room is not None and room.state is RoomState.CREATING:
        war_room_steps.failed(room, None, OurFault(error[:200]), now=utcnow())
    elif room is not None and room.state is RoomState.DISMISSING:
        war_room_steps.not_ended(room, OurFault(error[:200]), now=utcnow())


# --- looking at the requirements ----------------------------------------------------------------------------------


def try_requirements(mine: Claim) -> Outcome:
    """Handle a "check_rooms" row. payload: {"by": user id of who wants rooms}."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is None or integration.tenant_id != mine.tenant_id:
        return Done()
    refused: PlatformError | None = None
    try:
        platform = integrations.platform_for(integration)
        db.session.commit()
        g.called_platform = True
        platform.rooms.check()
    except PlatformError as error:
        refused = error
    integration = db.session.get_one(Integration, mine.subject_id, populate_existing=True)
    found = responders.known(mine.tenant_id, [mine.payload.get("by", 0)])
    war_room_switch.checked(integration, refused, by=found[0] if found else None, now=utcnow())
    return Done()


def gave_up_trying(mine: Claim, error: str) -> None:
    """Show on the connection that its requirements could not be looked at because of a fault of ours."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is not None and integration.tenant_id == mine.tenant_id:
        war_room_switch.checked(integration, OurFault(error[:200]), by=None, now=utcnow())
