"""One-time things that were taken: an event that a platform told us of, kept with its answer for repeats."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from extensions import db, insert_once
from models import Receipt

KEY_LENGTH = 200


def take(scope: str, key: str, *, tenant_id: int, now: datetime) -> tuple[Receipt, bool]:
    """Return the receipt of (scope, key) and whether it is new.

    Of two transactions that take the same at once, the second waits for the first and then gets its receipt.
    """
    values = {"tenant_id": tenant_id, "scope": scope, "key": key[:KEY_LENGTH], "at": now}
    receipt = insert_once(Receipt, values, key=("scope", "key"))
    return (receipt, True) if receipt is not None else (_find(scope, key), False)


def _find(scope: str, key: str) -> Receipt:
    found = select(Receipt).where(Receipt.scope == scope, Receipt.key == key[:KEY_LENGTH])
    return db.session.execute(found).scalar_one()
