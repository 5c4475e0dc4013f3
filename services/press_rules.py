"""Who pressed a button on a card, whether they may, and what the press means."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from models import Integration, LinkState, MembershipState
from platforms import PLATFORMS
from services import incident_cards, incident_decisions, integrations, rights
from services.incident_decisions import Decision
from services.incident_values import IncidentValues
from services.press_scenes import Presser, Scene
from services.visibility import sees_incident
from texts import N_, Text
from whole_numbers import whole

SNOOZES = {incident_cards.SNOOZE_MINUTES, *(minutes for minutes, _text in incident_cards.LONGER_SNOOZES)}

INVALID = Text(N_("该卡片已失效"))
NO_RIGHT = Text(N_("您没有处理该故障的权限"))


class Refused(Exception):
    """The press does nothing; `text` is told to whoever pressed."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.message)
        self.text = text


def presser(on: Connection, integration: Integration, scene: Scene) -> Presser:
    """The member behind the platform's account. Raises Refused with what stands in the way."""
    member = scene.presser
    if member is None and scene.is_linked:
        raise Refused(NO_RIGHT)  # linked, but no longer a member
    if member is None or member.link_state is LinkState.BROKEN:
        platform = Text(PLATFORMS[integration.platform].label)
        raise Refused(
            Text(
                N_("未关联应用：请在 %(workbench)s 打开「%(app)s」完成一次登录后再操作"),
                workbench=Text(N_("%(platform)s工作台"), platform=platform),
                app=_application(on, integration),
            )
        )
    if rights.is_in_force(member) and member.link_state is LinkState.ACTIVE:
        return member
    raise Refused(Text(N_("您的成员状态为 %(state)s，暂不能操作"), state=Text(_state_label(member))))


def _application(on: Connection, integration: Integration) -> str | Text:
    """What to look for in the workbench: as the platform calls it, or else an administrator."""
    if name := integrations.application_name(on, integration):
        return name
    label = PLATFORMS[integration.platform].label
    is_named = integration.name.removeprefix(label).strip("0123456789 ")
    return integration.name if is_named else Text(N_("本应用"))


def _state_label(member: Presser) -> str:
    if member.user.is_disabled:
        return N_("已停用")
    if member.state is MembershipState.ACTIVE:  # the link waits, or the organisation is frozen
        return N_("审核中") if rights.is_in_force(member) else N_("组织已冻结")
    return member.state.label


def check_rights(member: Presser, incident: IncidentValues, action: str) -> None:
    """Whoever sees an incident may refresh its card; acting on it needs the right. Raises Refused."""
    if not sees_incident(incident, member):
        raise Refused(_no_right(member))
    if action != "refresh" and not rights.can(member, "incident.handle"):
        raise Refused(_no_right(member))


def _no_right(member: Presser) -> Text:
    """Whoever is linked with the wrong account sees so, and how to be somebody else."""
    acting = N_("您没有处理该故障的权限（当前以 %(name)s 操作，可打开应用切换账户）")
    return Text(acting, name=member.user.name)


def decide(action: str, incident: IncidentValues, member: Presser, via: str, now: datetime) -> Decision:
    """What a button means. Raises Refused for one that we never drew."""
    verb, _, argument = action.partition(":")
    if verb == "snooze" and (minutes := whole(argument, max(SNOOZES))) in SNOOZES:
        return incident_decisions.snooze(incident, member.user, minutes, now)
    if verb == "acknowledge":
        return incident_decisions.acknowledge(incident, member.user, now)
    if verb == "close":
        return incident_decisions.close(incident, member.user, via, now)
    if verb == "wake":
        return incident_decisions.wake(incident, now)
    if verb == "refresh":
        return incident_decisions.refresh()
    raise Refused(INVALID)
