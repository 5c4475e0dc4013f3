"""Organisations whose people are reached through the simulator, and a worker that works when it is told to."""

from __future__ import annotations

import itertools
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from config import Settings
from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import (
    AccountLink,
    AlertSource,
    Delivery,
    DeliveryState,
    Incident,
    Integration,
    Role,
    Severity,
    Tenant,
)
from services import alert_sources, integrations
from services.clock import utcnow
from services.pacing import Pace, Rate
from tests.contract.simulator import Simulator
from tests.factories import (
    make_channel,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_tenant,
)
from tests.faults.feeder import BUTTONS
from tests.faults.history import Answer, History, Press, Push, Snapshot, violations
from tests.faults.platforms.application import Application, Values
from tests.faults.snapshot import Ledger
from tests.moments import next_moment

LEASE = timedelta(seconds=60)
BETWEEN_PUSHES = timedelta(milliseconds=20)
"""As a monitoring system sends them: below the limit of pushes a second."""
BETWEEN_PRESSES = timedelta(milliseconds=200)
IS_SOAK = bool(os.environ.get("SOAK_MINUTES"))


def seconds_for(cards: int) -> int:
    """How long every platform has taken so many cards of one application after: some take 16 a second."""
    return 1 + cards // 10


def many(few: int, in_a_soak: int = 200) -> int:
    """How many: a few with every `make test`."""
    return in_a_soak if IS_SOAK else few


@dataclass
class Organisation:
    """One organisation with its own application; each of `people` is on call for alerts labelled with their name."""

    tenant_id: int
    integration_id: int
    application: Application
    people: list[str]
    push_path: str

    def __post_init__(self) -> None:
        self.turns = itertools.cycle(self.people)

    @property
    def app(self) -> Values:
        """Which application a fault is to hit."""
        return self.application.fault_scope


class SimulatedPace(Pace):
    """Counts by the tests' clock, which stands while a worker works."""

    def wait(self, limits: Mapping[Any, Rate], at: float, *, is_urgent: bool = False) -> float:
        return super().wait(limits, utcnow().timestamp(), is_urgent=is_urgent)


@dataclass
class World:
    """What the tests of this folder do, on one platform. Simulated times; `history` is what was pushed and pressed."""

    kind: type[Application]
    flask: Flask
    settings: Settings
    clock: time_machine.Traveller
    simulator: Simulator
    base_url: str
    history: History = field(default_factory=History)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: Lock = field(default_factory=Lock)
    applications: list[Application] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runner = Runner(self.flask, HANDLERS, LEASE)
        self.flask.extensions["pace"] = SimulatedPace()
        self.ledger = Ledger.begin(self)  # type: ignore[arg-type]

    def control(self, method: str, path: str, **options: Any) -> Any:
        """As tests.servers.Product has it, for the ledger."""
        if path == "/messages":
            return self.arrived()
        return self.simulator.control(path.lstrip("/"), options.get("json"), method=method)

    # --- who is there -------------------------------------------------------------------------------------------------

    def organisation(self, people: int = 8, **channel: Any) -> Organisation:
        """Found one, with its application in the simulator."""
        number = next(self.numbers)
        tenant = make_tenant(f"组织 {number}", id=number)
        names = [f"o{number}p{index}" for index in range(1, people + 1)]
        application = self.kind.found(self.simulator, names)
        integration = self._integration(application, tenant)
        space = make_channel(f"空间 {number}", tenant=tenant, **channel)
        for name in names:
            self._hire(name, application.ids[name], tenant, integration, space)
        source = self._source(space)
        db.session.commit()
        push_path = f"/event/push/alert/standard?integration_key={alert_sources.current_key(source)}"
        application.connect(self.base_url)
        self.applications.append(application)
        return Organisation(tenant.id, integration.id, application, names, push_path)

    def _integration(self, application: Application, tenant: Tenant) -> Integration:
        made = {"settings": application.settings, "platform_key": application.platform_key}
        integration = make_integration(tenant=tenant, platform=application.slug, **made)
        for name, value in application.secrets.items():
            integrations.set_secret(integration, name, value)
        application.public_key = integration.public_key
        return integration

    def _hire(self, name: str, external_id: str, tenant: Tenant, integration: Integration, space: Any) -> None:
        member = make_member(name, Role.RESPONDER, tenant=tenant)
        make_link(integration, member, external_user_id=external_id)
        channels = [self.kind.capabilities().channel_kind]
        everything = {severity.value: channels for severity in Severity if severity is not Severity.OK}
        level = make_level(member, personal={"mode": "unified", "unified": everything}, escalate_after_minutes=0)
        mine = [[{"key": "labels.duty", "op": "IN", "vals": [name]}]]
        make_policy(space, levels=[level], filters=mine, priority=1)

    def _source(self, space: Any) -> AlertSource:
        admin = make_member(f"admin{space.tenant_id}", Role.ADMIN, tenant=db.session.get_one(Tenant, space.tenant_id))
        source = alert_sources.create(space.id, "standard", "监控", by=admin, now=utcnow())
        db.session.commit()
        return source

    # --- what happens -------------------------------------------------------------------------------------------------

    def push(self, organisation: Organisation, count: int = 1, **values: Any) -> list[Push]:
        """Push new alerts, each for the next person on call; noted in the history with its answer."""
        made = []
        for _ in range(count):
            push = Push(f"alert-{next(self.numbers)}", "standard", next(organisation.turns))
            push.answers.append(self._push_once(organisation, push, values))
            self.history.pushes.append(push)
            made.append(push)
            self.clock.shift(BETWEEN_PUSHES)
        return made

    def push_again(self, organisation: Organisation, push: Push, **values: Any) -> None:
        """Push more about the same alert: an event that changes it, or its end."""
        push.answers.append(self._push_once(organisation, push, values))
        assert push.answers[-1].is_success, push.answers[-1]

    def _push_once(self, organisation: Organisation, push: Push, values: dict[str, Any]) -> Answer:
        body = {
            "title_rule": push.alert_key,
            "event_status": "Critical",
            "alert_key": push.alert_key,
            "labels": {"duty": push.person},
        }
        db.session.commit()
        answer = Context().run(self.flask.test_client().post, organisation.push_path, json=body | values)
        return Answer(answer.status_code, 0.0, answer.text)

    def fault(self, fault: str | Values, **values: Any) -> None:
        """Arm a fault, by its name or with its values, until it is cleared, unless a count is given."""
        given = {"fault": fault} if isinstance(fault, str) else fault
        self.simulator.control("faults", {"count": -1, "platform": self.kind.slug} | given | values)

    def heal(self) -> None:
        self.simulator.control("faults", method="DELETE")

    def work(self, threads: int = 1) -> None:
        """Do what is due now, with so many workers at once."""
        db.session.commit()
        if threads == 1:
            self.runner.run_due()
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda _: self.runner.run_due(), range(threads)))
        db.session.expire_all()

    def pass_time(self, threads: int = 1, **length: float) -> None:
        """Let time go by, doing whatever falls due in it at its time."""
        until = utcnow() + timedelta(**length)
        self.work(threads)
        while (moment := next_moment()) is not None and moment <= until:
            self.clock.move_to(moment)
            self.work(threads)
        self.clock.move_to(until)

    def run_until(self, is_reached: Callable[[], bool], within: timedelta, what: str = "") -> timedelta:
        """Let time go by until it is so; returns how long that took. Fails after `within`."""
        began = utcnow()
        self.work()
        while not is_reached():
            moment = next_moment()
            if moment is None or moment > began + within:
                pytest.fail(f"not within {within}: {what} (next at {moment}, now {utcnow()})")
            self.clock.move_to(moment)
            self.work()
        return utcnow() - began

    def settle(self, within: timedelta = timedelta(minutes=30)) -> timedelta:
        """Let time go by until every delivery has ended."""
        return self.run_until(lambda: not self.unfinished(), within, "every delivery ended")

    # --- what came of it ----------------------------------------------------------------------------------------------

    def deliveries(self, organisation: Organisation | None = None) -> list[Delivery]:
        db.session.rollback()
        wanted = select(Delivery).order_by(Delivery.id).execution_options(populate_existing=True)
        if organisation:
            wanted = wanted.where(Delivery.tenant_id == organisation.tenant_id)
        return list(db.session.scalars(wanted))

    def unfinished(self, organisation: Organisation | None = None) -> list[Delivery]:
        return [delivery for delivery in self.deliveries(organisation) if not delivery.state.is_final]

    def states(self, organisation: Organisation | None = None) -> set[DeliveryState]:
        return {delivery.state for delivery in self.deliveries(organisation)}

    def incident(self, push: Push) -> Incident:
        db.session.rollback()
        return db.session.scalars(select(Incident).where(Incident.title == push.alert_key)).one()

    def arrived(self, organisation: Organisation | None = None) -> list[Values]:
        """Cards as the platform shows them, one row a receiver, with our reference as `task_id`."""
        listed = self.simulator.control(f"messages?platform={self.kind.slug}")
        cards = [message for message in listed if message["kind"] == self.kind.card_kind]
        wanted = [organisation.application] if organisation else self.applications
        return [
            message | {"task_id": application.reference_of(message)}
            for message in cards
            for application in wanted
            if application.is_mine(message)
        ]

    def calls(self, path: str, organisation: Organisation | None = None) -> list[Values]:
        """Calls of the product to such an address, oldest first."""
        made = [call for call in self.simulator.control("wire") if call["direction"] == "in"]
        found = [call for call in made if call["path"].endswith(path) or (path[-1] == "/" and path in call["path"])]
        if organisation is None:
            return found
        return [c for c in found if organisation.application.is_named_in(c["request"] + c["query"])]

    def over_limit(self) -> int:
        """How many messages were over a member's limit, and so shown to nobody."""
        return int(self.simulator.control("state")[self.kind.slug]["over_limit"])

    def read(self) -> Snapshot:
        db.session.commit()
        return self.ledger.read()

    def check(self, *, once: bool = True) -> Snapshot:
        """Fail with every broken promise."""
        seen = self.read()
        broken = violations(self.history, seen, once=once)
        assert not broken, f"{len(broken)} broken promises:\n" + "\n".join(broken[:30])
        return seen

    # --- people -------------------------------------------------------------------------------------------------------

    def card(self, push: Push, person: str = "") -> dict[str, Any]:
        """The newest card of this alert as its person, or somebody else, sees it now."""
        who, title = person or push.person, re.compile(rf"{push.alert_key}(?![0-9])")
        return [m for m in self.arrived() if m["to"] == who and title.search(str(m["card"]))][-1]

    def press(self, push: Push, action: str, *, card: dict[str, Any] | None = None, person: str = "") -> Press:
        """Press a button on the card as it is now, or as it was when `card` was looked at."""
        card = card or self.card(push, person)
        key = next(button["key"] for button in card["buttons"] if BUTTONS[action] in button["text"])
        (application,) = (one for one in self.applications if one.is_mine(card))
        self.clock.shift(BETWEEN_PRESSES)
        body = {"platform": self.kind.slug, "message_id": card["id"], "person": application.client_of(card), "key": key}
        db.session.commit()
        result = self.simulator.control("press", body)
        press = Press(push.alert_key, card["to"], action, [Answer(result["http_status"], 0.0, result["answer"])])
        self.history.presses.append(press)
        return press

    def event(
        self,
        organisation: Organisation,
        push: Push,
        card: dict[str, Any],
        action: str,
        *,
        person: str = "",
        code: str = "",
        **odd: Any,
    ) -> Answer:
        """Let the platform tell of a press, whatever its own client would allow; from any thread.

        card: as it was when it was looked at; code: the same for all deliveries of one press; odd: see Application.
        """
        who = person or push.person
        key = next(button["key"] for button in card["buttons"] if BUTTONS[action] in button["text"])
        with self.lock:
            self.history.presses.append(press := Press(push.alert_key, who, action))
        press.answers.append(organisation.application.event(who, card, key, code or secrets.token_hex(8), odd))
        return press.answers[-1]

    def links(self, organisation: Organisation) -> list[AccountLink]:
        wanted = select(AccountLink).where(AccountLink.integration_id == organisation.integration_id)
        return list(db.session.scalars(wanted.order_by(AccountLink.id)))
