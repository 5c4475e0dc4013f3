"""What tests of messages share: an incident that Lin is told about, a platform in memory, a worker on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from extensions import db, read_only
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import Card, Delivery, Incident, Integration, Job, JobState, Membership, Notification
from platforms.base import CardPress, IncidentCard
from services import card_presses, incidents, notifications
from services.clock import utcnow
from services.press_answers import PressResult
from tests.fakes import FakePlatform, press_of


def apply_press(integration_id: int, press: CardPress) -> PressResult:
    """Apply a verified press with a connection apart from the session, as a process remembers it."""
    db.session.commit()
    with read_only(), Session(db.engine) as apart:
        integration = apart.get_one(Integration, integration_id)
    result = card_presses.apply(integration, press, now=utcnow(), reply=lambda result: result)
    db.session.expire_all()
    return result


@dataclass
class Office:
    """Works the outbox off when told to, with a clock that tests move."""

    app: Flask
    platform: FakePlatform
    clock: time_machine.Traveller
    integration: Integration
    incident: Incident
    lin: Membership
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        self.ids = self.incident.id, self.incident.tenant_id, self.lin.id, self.integration.id
        self.runner = Runner(self.app, HANDLERS, timedelta(seconds=60))

    def work(self) -> int:
        """Do what is due now."""
        db.session.commit()
        done = self.runner.run_due()
        db.session.expire_all()
        return done

    def pass_time(self, **length: float) -> int:
        """Let time go by, then do what is due."""
        self.clock.shift(timedelta(**length))
        return self.work()

    def notify(self, *people: Membership, **values: Any) -> Notification:
        """Tell people (Lin) about the incident; the messages leave with the next work()."""
        user_ids = [person.user_id for person in people or (self.lin,)]
        known: dict[str, Any] = {"cause": "assign", "user_ids": user_ids, "now": utcnow()}
        notification = notifications.notify(self.incident, **(known | values))
        db.session.commit()
        return notification

    def tell(self, *people: Membership, **values: Any) -> Delivery:
        """Tell people and let the first one's message arrive."""
        notification = self.notify(*people, **values)
        self.work()
        return self.deliveries(notification)[0]

    def deliveries(self, notification: Notification) -> list[Delivery]:
        found = select(Delivery).where(Delivery.notification_id == notification.id).order_by(Delivery.id)
        return list(db.session.scalars(found))

    def card(self, delivery: Delivery) -> Card:
        return db.session.scalars(select(Card).where(Card.delivery_id == delivery.id)).one()

    def change(self, verb: Callable[..., Any], **values: Any) -> None:
        """Do something to the incident in the console, as Lin."""
        incident_id, tenant_id, member_id, _ = self.ids
        incident = incidents.lock(incident_id, tenant_id)
        verb(incident, by=db.session.get_one(Membership, member_id), via="console", now=utcnow(), **values)
        db.session.commit()

    def press(self, card: IncidentCard, text: str, *, by: str = "lin", **changes: Any) -> PressResult:
        """Press a button, as the callback's view applies it."""
        event = CardPress("genuine", "nonce", utcnow(), **press_of(card, text, by=by, **changes))
        return apply_press(self.ids[-1], event)

    def pending(self, kind: str) -> list[Job]:
        return list(db.session.scalars(select(Job).where(Job.kind == kind, Job.state == JobState.PENDING)))

    def now(self) -> datetime:
        return utcnow()
