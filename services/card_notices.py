"""What single viewers were told on a group's card, where the platform has a place for that.

The sentence stays in that person's view through every change of what all others see, so whoever was told is
remembered until an update of the card has taken it away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from extensions import db, insert_into
from models import Card, CardNotice
from services.statements import Statement

ID_LENGTH = 128
"""No platform's id of a person is longer; what a press calls one may be."""


@dataclass(frozen=True)
class Held:
    """A notice as it was read: told once more meanwhile, it is another one. told: the person's id on the platform."""

    id: int
    told_at: datetime
    told: str


def leave(on: Connection, card_id: int, told: str, *, tenant_id: int, now: datetime) -> None:
    """Note that somebody reads a sentence of their own from now on. told: the person's id on the platform."""
    if len(told) <= ID_LENGTH:
        about = {"tenant_id": tenant_id, "card_id": card_id, "external_user_id": told, "told_at": now}
        _leave(on.dialect.name).run(on, about)


@cache
def _leave(dialect: str) -> Statement:
    names = ("tenant_id", "card_id", "external_user_id", "told_at")
    statement = insert_into(dialect, CardNotice.__table__).values({name: bindparam(name) for name in names})
    latest = {"told_at": statement.excluded.told_at}
    return Statement(statement.on_conflict_do_update(index_elements=["card_id", "external_user_id"], set_=latest))


def held(card: Card, *, at_most: int) -> list[Held]:
    """The notices of a group's card, the oldest first."""
    if card.group_chat_id is None or not at_most:
        return []
    wanted = select(CardNotice.id, CardNotice.told_at, CardNotice.external_user_id)
    wanted = wanted.where(CardNotice.tenant_id == card.tenant_id, CardNotice.card_id == card.id)
    return [Held(*row) for row in db.session.execute(wanted.order_by(CardNotice.told_at, CardNotice.id).limit(at_most))]


def forget(notices: Sequence[Held], *, tenant_id: int) -> None:
    """Stage that these are gone, but for those who were told something again meanwhile."""
    if notices:
        these = tuple_(CardNotice.id, CardNotice.told_at).in_([(notice.id, notice.told_at) for notice in notices])
        db.session.execute(delete(CardNotice).where(CardNotice.tenant_id == tenant_id, these))
