"""What a link on a card asks for: /incidents/7?do=close opens the incident with one button that does it.

Links are followed by previews and scanners as well, so a GET only ever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import url_for
from flask_babel import gettext as _

from models import Incident
from services import incident_cards
from services.clock import utcnow


@dataclass(frozen=True)
class Asked:
    """A question with its button. url, fields: of the form that the button sends."""

    question: str
    label: str
    url: str
    fields: dict[str, int] = field(default_factory=dict)


def read(wanted: str, incident: Incident) -> Asked | None:
    """What `do=` asks for; None for nothing known, or for what makes no sense with the incident as it is."""
    if not incident.is_open:
        return None
    num = incident.num
    if wanted == "acknowledge":
        return Asked(_("开始处理 #%(num)s？", num=num), _("开始处理"), url_for("h5.do", num=num, verb="acknowledge"))
    if wanted == "close":
        return Asked(_("直接关闭 #%(num)s？", num=num), _("直接关闭"), url_for("h5.close", num=num))
    if wanted == "snooze":
        minutes = {"minutes": incident_cards.SNOOZE_MINUTES}
        return Asked(_("屏蔽 #%(num)s 2 小时？", num=num), _("屏蔽 2 小时"), url_for("h5.snooze", num=num), minutes)
    if wanted == "wake" and incident.is_snoozed(utcnow()):
        return Asked(_("取消屏蔽 #%(num)s？", num=num), _("取消屏蔽"), url_for("h5.do", num=num, verb="wake"))
    return None
