"""Answers to presses that left late: the card may have been shown something newer by then, which the answer undoes.

A platform draws what reaches it last. So whoever answered looks back once the answer has left: if the card was
updated meanwhile, or is just being, nobody knows what it shows, and it is updated once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from extensions import db
from models import Card, CardState, Job
from services import cards, leases, outbox

IN_TIME = timedelta(milliseconds=50)
"""No update overtakes an answer that leaves so soon: it takes a worker two transactions and a call."""


@dataclass(frozen=True)
class Answered:
    """An answer that carries the presser's card.

    fingerprint  of what it shows
    is_repeat    the same as was answered before, however long ago
    """

    card_id: int
    tenant_id: int
    fingerprint: str
    is_repeat: bool = False

    def may_be_old(self, decided_at: datetime, now: datetime) -> bool:
        """decided_at: about when the press was committed, before which nobody updates its card."""
        return self.is_repeat or not timedelta() <= now - decided_at < IN_TIME


def put_right(answered: Answered, *, now: datetime) -> bool:
    """Stage that a card which was updated while its answer was on the way shows the newest state. False: it was not."""
    wanted = select(Card).where(Card.id == answered.card_id, Card.tenant_id == answered.tenant_id).with_for_update()
    card = db.session.scalar(wanted.execution_options(populate_existing=True))
    if card is None or card.state is CardState.FROZEN:
        return False
    update = (Job.kind == cards.UPDATE, Job.subject_id == card.id, outbox.IS_PENDING)
    is_being_updated = db.session.scalar(select(exists().where(*update, leases.is_running(now))))
    if card.shown_fingerprint == answered.fingerprint and not is_being_updated:
        return False
    card.shown_fingerprint = ""
    if not db.session.scalar(select(exists().where(*update, leases.has_ended(now)))):
        cards.schedule(card, now=now)
    return True
