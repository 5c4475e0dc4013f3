"""Looking back at an answer to a press once it has left: if that took a while, its card is put right."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from extensions import begin_write, db, wait_at_most
from services import late_answers
from services.clock import utcnow
from services.late_answers import Answered

if TYPE_CHECKING:
    from werkzeug.local import LocalProxy

WAIT_SECONDS = 30.0
"""For the database: it holds a thread that presses may need."""

log = logging.getLogger(__name__)


def looking_back(answered: Answered, *, decided_at: datetime) -> Callable[[], None]:
    """To be called once an answer has left whose press was decided then; costs nothing where it leaves at once.

    A disk that is slow to take the press counts as well: then nothing is found, in a transaction without a write.
    """
    app = cast("LocalProxy[Flask]", current_app)._get_current_object()
    return partial(_look_back, app, answered, decided_at)


def _look_back(app: Flask, answered: Answered, decided_at: datetime) -> None:
    now = utcnow()
    if not answered.may_be_old(decided_at, now):
        return
    with app.app_context():
        wait_at_most(WAIT_SECONDS)
        begin_write()
        try:
            if late_answers.put_right(answered, now=now):
                log.info("An answer to a press left after its card was updated; it is updated again.")
            db.session.commit()
        except (DBAPIError, PoolTimeout) as error:
            log.warning("A card that may show an older state could not be looked at: %s", type(error).__name__)
