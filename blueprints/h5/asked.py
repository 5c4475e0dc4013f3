"""What a link on a card asks for: /incidents/7?do=close opens the incident with one button that does it.

The words are those of a card's buttons: acknowledge, close, snooze or snooze:240 (minutes), wake.


Links are followed by previews and scanners as well, so a GET only ever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import url_for
from flask_babel import gettext as _

from blueprints.row_numbers import row_id
from models import Incident
from services import incident_cards
from services.clock import utcnow
from texts import N_

PLAIN = {"acknowledge": N_("开始处理"), "wake": N_("取消屏蔽")}
CLOSE = N_("直接关闭")
SNOOZES = {incident_cards.SNOOZE_MINUTES: N_("屏蔽 2 小时"), **dict(incident_cards.LONGER_SNOOZES)}


@dataclass(frozen=True)
class Asked:
    """A question with its button. url, fields: of the form that the button sends."""

    question: str
    label: str
    url: str
    fields: dict[str, int] = field(default_factory=dict)


def read(wanted: str, incident: Incident) -> Asked | None:
    """What `do=` asks for; None for nothing known, or for what makes no sense with the incident as it is."""
    verb, _separator, length = wanted.partition(":")
    minutes = row_id(length) if length else incident_cards.SNOOZE_MINUTES
    if not incident.is_open or (verb == "wake" and not incident.is_snoozed(utcnow())):
        return None
    if verb in PLAIN:
        return _asked(PLAIN[verb], incident, url_for("h5.do", num=incident.num, verb=verb))
    if verb == "close":
        return _asked(CLOSE, incident, url_for("h5.close", num=incident.num))
    if verb == "snooze" and minutes in SNOOZES:
        return _asked(SNOOZES[minutes], incident, url_for("h5.snooze", num=incident.num), minutes=minutes)
    return None


def _asked(label: str, incident: Incident, url: str, **fields: int) -> Asked:
    action = _(label)
    return Asked(_("%(action)s #%(num)s？", action=action, num=incident.num), action, url, fields)
