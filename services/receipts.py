"""One-time things that were taken: an event that a platform told us of, kept with its answer for repeats."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from extensions import db
from models import Receipt

KEY_LENGTH = 200


def take(scope: str, key: str, *, tenant_id: int, now: datetime) -> tuple[Receipt, bool]:
    """Return the receipt of (scope, key) and whether it is new.

    Of two transactions that take the same at once, the second waits for the first and then gets its receipt.
    """
    receipt = Receipt(tenant_id=tenant_id, scope=scope, key=key[:KEY_LENGTH], at=now)
    try:
        with db.session.begin_nested():
            db.session.add(receipt)
    except IntegrityError:
        return _find(scope, key), False
    return receipt, True


def _find(scope: str, key: str) -> Receipt:
    found = select(Receipt).where(Receipt.scope == scope, Receipt.key == key[:KEY_LENGTH])
    return db.session.execute(found).scalar_one()
