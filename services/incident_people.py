"""Naming who must respond: escalating, reassigning, adding people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from errors import InvalidInput
from models import Incident, Membership, Progress
from services import dispatch, responders, timeline
from services.incident_changes import Outcome, already_closed, hold, show
from texts import N_, Text


def escalate(
    incident: Incident, *, by: Membership | None, via: str, now: datetime, level: int | None = None
) -> Outcome:
    """Move to the next level of the policy, or to a chosen one (0-based). Only where a policy assigned it.

    Raises InvalidInput if there is no such level.
    """
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    if not dispatch.level_count(incident):
        return Outcome(False, Text(N_("该故障未按策略分派，不能升级")))
    if incident.is_snoozed(now):
        return Outcome(False, Text(N_("屏蔽中的故障不能升级，请先取消屏蔽")))
    target = incident.assignment["level"] + 1 if level is None else level
    if level is None and target >= dispatch.level_count(incident):
        return Outcome(False, Text(N_("已是最后一个环节")))
    if not 0 <= target < dispatch.level_count(incident):
        raise InvalidInput("level", N_("策略中没有该环节"))
    dispatch.stop(incident)
    dispatch.escalate(incident, target, by=by, via=via, now=now)
    return Outcome(True, Text(N_("已升级到环节 %(level)s"), level=target + 1))


def reassign(incident: Incident, *, by: Membership, via: str, now: datetime, user_ids: Sequence[int]) -> Outcome:
    """Hand an open incident to other people, told by their own preferences; the policy ends with it.

    It waits again, unless one of them had acknowledged before. Raises InvalidInput.
    """
    people = responders.people(incident.tenant_id, user_ids)
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    dispatch.assign_directly(incident, people, kind="reassign", by=by, via=via, now=now)
    is_taken_on = bool(responders.acknowledged(incident))
    incident.progress = Progress.PROCESSING if is_taken_on else Progress.TRIGGERED
    show(incident, now)
    return Outcome(True, Text(N_("已重新分派给 %(people)s"), people=_names(people)))


def add_responders(incident: Incident, *, by: Membership, via: str, now: datetime, user_ids: Sequence[int]) -> Outcome:
    """Assign further people to an open incident and tell them by their own preferences. Raises InvalidInput."""
    people = responders.people(incident.tenant_id, user_ids)
    hold(incident)
    if not incident.is_open:
        return already_closed(incident)
    added = responders.assign(incident, [member.user for member in people], source="added", now=now)
    if not added:
        return Outcome(False, Text(N_("所选人员已是处理人员")))
    names = [responder.user.name for responder in added]
    timeline.record(incident, "add_responder", by=by, via=via, at=now, people=names)
    dispatch.tell(incident, [responder.user_id for responder in added], cause="add_responder", now=now)
    show(incident, now)
    return Outcome(True, Text(N_("已添加处理人员 %(people)s"), people=names))


def _names(people: Sequence[Membership]) -> list[str]:
    return [member.user.name for member in people]
