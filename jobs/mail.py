"""Sending e-mail. Whoever waits for a code asks for another one, so what fails for long is given up."""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta

from extensions import db
from jobs import outbox
from jobs.outbox import Claim, Dead, Done, Later, Outcome
from services import mail
from services.clock import utcnow
from services.outbox import STALE_AFTER

TRIES, PAUSE = 3, timedelta(seconds=20)
log = logging.getLogger(__name__)


def run(mine: Claim) -> Outcome:
    """Handle a "send_mail" row. payload: {"sealed": …, "tries": …}; the text is forgotten with the last try."""
    if utcnow() - mine.due_at > STALE_AFTER:
        outbox.note(mine, {})
        return Dead("mail: too late, nobody waits for it any more")
    db.session.commit()
    try:
        mail.send_staged(mine.tenant_id, mine.payload["sealed"])
    except (OSError, smtplib.SMTPException) as error:
        tries = mine.payload.get("tries", 0) + 1
        log.warning("A message could not be handed to the mail server: %s", type(error).__name__)
        if tries >= TRIES:
            outbox.note(mine, {})
            return Dead(f"mail: {type(error).__name__}")
        return Later(utcnow() + PAUSE * tries, type(error).__name__, mine.payload | {"tries": tries})
    outbox.note(mine, {})
    return Done()
