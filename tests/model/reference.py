"""What an incident may do, as the specification has it: plain values, no database, no clock of its own.

An answer is one of four words: DONE, ADDED (done, and somebody was first), ALREADY (nothing to do), OVERTAKEN (closed).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

DONE, ADDED, ALREADY, OVERTAKEN = "done", "added", "already", "overtaken"
TRIGGERED, PROCESSING, CLOSED = "Triggered", "Processing", "Closed"
TIMES_OUT_AFTER = timedelta(days=10)


@dataclass
class Case:
    """One incident and the alert that made it. acknowledged: who took it on, and when."""

    alert_key: str
    began_at: datetime
    progress: str = TRIGGERED
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    snoozed_until: datetime | None = None
    snoozed_by: str = ""
    alert_fires: bool = True
    was_reopened: bool = False
    record: list[str] = field(default_factory=lambda: ["new"])

    @property
    def is_open(self) -> bool:
        return self.progress != CLOSED

    def is_snoozed(self, now: datetime) -> bool:
        return self.is_open and self.snoozed_until is not None and now < self.snoozed_until

    # --- what people do -----------------------------------------------------------------------------------------------

    def acknowledge(self, who: str, now: datetime) -> str:
        if not self.is_open:
            return OVERTAKEN
        if who in self.acknowledged:
            return ALREADY
        was_first = not self.acknowledged
        self.acknowledged[who] = now
        self.progress = PROCESSING
        self.record.append("ack")
        return DONE if was_first else ADDED

    def unacknowledge(self, who: str) -> str:
        if not self.is_open:
            return OVERTAKEN
        if who not in self.acknowledged:
            return ALREADY
        del self.acknowledged[who]
        self.record.append("unack")
        if not self.acknowledged:
            self.progress = TRIGGERED
        return DONE

    def close(self) -> str:
        if not self.is_open:
            return OVERTAKEN
        self._end()
        return DONE

    def snooze(self, who: str, minutes: int, now: datetime) -> str:
        if not self.is_open:
            return OVERTAKEN
        until = now + timedelta(minutes=minutes)
        if (self.snoozed_until, self.snoozed_by) == (until, who):
            return ALREADY
        self.snoozed_until, self.snoozed_by = until, who
        self.record.append("snooze")
        return DONE

    def wake(self, now: datetime) -> str:
        if not self.is_open:
            return OVERTAKEN
        if not self.is_snoozed(now):
            return ALREADY
        self.snoozed_until = None
        self.record.append("wake")
        return DONE

    def reopen(self) -> str:
        if self.is_open:
            return ALREADY
        self.progress, self.was_reopened = TRIGGERED, True
        self.acknowledged.clear()
        self.record.append("reopen")
        return DONE

    def refresh(self) -> str:
        self.record.append("card_refresh")
        return DONE

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Its alert ended: so does the incident, in a channel that closes on recovery."""
        self.alert_fires = False
        if self.is_open and not self.was_reopened:
            self._end()

    def run_timers(self, now: datetime) -> None:
        """The snooze runs out: taken back to the beginning, unless somebody took it on since. Ten days: closed."""
        until = self.snoozed_until
        if self.is_open and until is not None and until <= now:
            self.snoozed_until = None
            self.record.append("wake")
            if not any(at >= until for at in self.acknowledged.values()):
                self.progress = TRIGGERED
                self.acknowledged.clear()
        if self.is_open and not self.was_reopened and self.began_at + TIMES_OUT_AFTER <= now:
            self._end()

    def _end(self) -> None:
        self.progress, self.snoozed_until, self.alert_fires = CLOSED, None, False
        self.record.append("close")
