"""Everything that can happen to an incident, in one place to look it up.

Each verb locks the row, is safe to repeat, and answers an Outcome; one that somebody else overtook is not an
error but says who did what and when. The caller commits. Rights are checked where a person comes in
(blueprints, card presses); `get` hides what the viewer may not see.
"""

from __future__ import annotations

from services.incident_access import get, lock
from services.incident_changes import Outcome
from services.incident_notes import comment, edit, refresh
from services.incident_opening import follow_alerts, open_by_hand, open_from_alert
from services.incident_people import add_responders, escalate, reassign
from services.incident_progress import acknowledge, close, recover_all, reopen, time_out, unacknowledge
from services.incident_snooze import expire_snooze, snooze, wake

__all__ = [
    "Outcome",
    "acknowledge",
    "add_responders",
    "close",
    "comment",
    "edit",
    "escalate",
    "expire_snooze",
    "follow_alerts",
    "get",
    "lock",
    "open_by_hand",
    "open_from_alert",
    "reassign",
    "recover_all",
    "refresh",
    "reopen",
    "snooze",
    "time_out",
    "unacknowledge",
    "wake",
]
