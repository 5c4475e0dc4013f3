"""Waiting a little for what became of messages, so that the answer can tell; nothing is sent from here.

The worker sends. A few requests of a process wait at a time, and only for seconds; the others answer that it is on
its way, and the deliveries' page tells the rest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import BoundedSemaphore

from extensions import db, read_only
from models import Delivery, DeliveryState
from services import text_messages
from services.text_messages import Receiver

SECONDS = 5.0
EVERY_SECONDS = 0.05
MOST_WAITING = 4

_places = BoundedSemaphore(MOST_WAITING)
pause = time.sleep


def outcomes(receivers: Sequence[Receiver], *, tenant_id: int) -> dict[int, Delivery]:
    """The deliveries once each has ended or waits for another try, or as they are when time is up."""
    until = time.monotonic() + SECONDS if _places.acquire(blocking=False) else None
    try:
        while True:
            found = _look(receivers, tenant_id)
            if until is None or time.monotonic() >= until or not any(map(_is_moving, found.values())):
                return found
            pause(EVERY_SECONDS)
    finally:
        if until is not None:
            _places.release()


def _look(receivers: Sequence[Receiver], tenant_id: int) -> dict[int, Delivery]:
    with read_only():
        found = text_messages.outcomes(receivers, tenant_id=tenant_id)
        db.session.expunge_all()
    return found


def _is_moving(delivery: Delivery) -> bool:
    return delivery.state in {DeliveryState.QUEUED, DeliveryState.SENDING}
