"""Organisations whose people are reached through the simulator, and a worker that works when it is told to."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Iterator
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
from tests.faults.snapshot import Ledger
from tests.moments import next_moment
from tests.servers import wait_until

TOKEN = "platformFaultsToken"
KEY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
AGENT_ID = 1000002
EVERYTHING = {severity.value: ["wecom_app"] for severity in Severity if severity is not Severity.OK}
LEASE = timedelta(seconds=60)
BETWEEN_PUSHES = timedelta(milliseconds=20)
"""As a monitoring system sends them: below the limit of pushes a second."""
IS_SOAK = bool(os.environ.get("SOAK_MINUTES"))
SEND, UPDATE, TOKEN_CALL = "message/send", "message/update_template_card", "gettoken"


def many(few: int, in_a_soak: int = 200) -> int:
    """How many: a few with every `make test`."""
    return in_a_soak if IS_SOAK else few


@dataclass
class Organisation:
    """One organisation with its own application; each of `people` is on call for alerts labelled with their name."""

    name: str
    tenant_id: int
    integration_id: int
    corp_id: str
    people: list[str]
    push_path: str
    callback_path: str

    def __post_init__(self) -> None:
        self.turns = itertools.cycle(self.people)

    def is_named_in(self, text: str) -> bool:
        return self.corp_id in text or any(f'"{person}"' in text for person in self.people)

    @property
    def app(self) -> dict[str, Any]:
        """Which application a fault is to hit."""
        return {"corp_id": self.corp_id, "agent_id": AGENT_ID}


@dataclass
class World:
    """What the tests of this folder do. Simulated times; `history` is what was pushed and pressed."""

    flask: Flask
    settings: Settings
    clock: time_machine.Traveller
    simulator: Simulator
    base_url: str
    history: History = field(default_factory=History)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.runner = Runner(self.flask, HANDLERS, LEASE)
        self.ledger = Ledger.begin(self)  # type: ignore[arg-type]

    def control(self, method: str, path: str, **options: Any) -> Any:
        """As tests.servers.Product has it, for the ledger."""
        return self.simulator.control(path.lstrip("/"), options.get("json"), method=method)

    # --- who is there -------------------------------------------------------------------------------------------------

    def organisation(self, people: int = 8, **channel: Any) -> Organisation:
        """Found one, with its application in the simulator."""
        number = next(self.numbers)
        tenant = make_tenant(f"组织 {number}", id=number)
        names = [f"o{number}p{index}" for index in range(1, people + 1)]
        corp_id, secret = self._application(names)
        made = {"corp_id": corp_id, "agent_id": str(AGENT_ID), "is_private": False}
        integration = make_integration(tenant=tenant, settings=made, platform_key=f"wecom:{corp_id}")
        for name, value in {"secret": secret, "token": TOKEN, "encoding_aes_key": KEY}.items():
            integrations.set_secret(integration, name, value)
        space = make_channel(f"空间 {number}", tenant=tenant, **channel)
        for name in names:
            self._hire(name, tenant, integration, space)
        source = self._source(space)
        db.session.commit()
        founded = Organisation(
            f"组织 {number}",
            tenant.id,
            integration.id,
            corp_id,
            names,
            push_path=f"/event/push/alert/standard?integration_key={alert_sources.current_key(source)}",
            callback_path=f"/callback/wecom/{integration.public_key}",
        )
        self._connect(founded)
        return founded

    def _application(self, names: list[str]) -> tuple[str, str]:
        corp_id = f"ww{secrets.token_hex(8)}"
        people = [{"userid": name, "name": name, "departments": [1]} for name in names]
        self.simulator.control("wecom/corps", {"corp_id": corp_id, "people": people})
        app = {"corp_id": corp_id, "agent_id": AGENT_ID, "trusted_ips": ["127.0.0.1"], "visible": "all"}
        made = self.simulator.control("wecom/apps", app | {"trusted_domain": "localhost:8000"})
        return corp_id, made["secret"]

    def _hire(self, name: str, tenant: Tenant, integration: Integration, space: Any) -> None:
        member = make_member(name, Role.RESPONDER, tenant=tenant)
        make_link(integration, member)
        level = make_level(member, personal={"mode": "unified", "unified": EVERYTHING}, escalate_after_minutes=0)
        mine = [[{"key": "labels.duty", "op": "IN", "vals": [name]}]]
        make_policy(space, levels=[level], filters=mine, priority=1)

    def _source(self, space: Any) -> AlertSource:
        admin = make_member(f"admin{space.tenant_id}", Role.ADMIN, tenant=db.session.get_one(Tenant, space.tenant_id))
        source = alert_sources.create(space.id, "standard", "监控", by=admin, now=utcnow())
        db.session.commit()
        return source

    def _connect(self, organisation: Organisation) -> None:
        """Save the callback address in the platform's console, which calls it and waits for a second at most."""
        address = {"url": self.base_url + organisation.callback_path, "token": TOKEN, "encoding_aes_key": KEY}
        wait_until(lambda: self.simulator.control("wecom/callback", organisation.app | address)["ok"], "address saved")

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

    def fault(self, name: str, **values: Any) -> None:
        """Arm a fault until it is cleared, unless a count is given."""
        self.simulator.fault(name, **({"count": -1} | values))

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

    def arrived(self, organisation: Organisation | None = None) -> list[dict[str, Any]]:
        """Cards as the platform shows them, one row a receiver."""
        listed = [message for message in self.simulator.control("messages") if message["kind"] == "template_card"]
        return [m for m in listed if organisation is None or m["corp_id"] == organisation.corp_id]

    def calls(self, path: str, organisation: Organisation | None = None) -> list[dict[str, Any]]:
        """Calls of the product to this address, oldest first."""
        made = self.simulator.calls(path)
        return [
            call for call in made if organisation is None or organisation.is_named_in(call["request"] + call["query"])
        ]

    def unseen(self) -> tuple[int, int]:
        """How many requests the duplicate check swallowed, how many messages were over a member's limit."""
        counted = self.simulator.control("state")["wecom"]
        return counted["repeats"], counted["over_limit"]

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
        who = person or push.person
        return [m for m in self.arrived() if m["to"] == who and push.alert_key in m["card"]["main_title"]["title"]][-1]

    def press(self, push: Push, action: str, *, card: dict[str, Any] | None = None, person: str = "") -> Press:
        """Press a button on the card as it is now, or as it was when `card` was looked at."""
        card = card or self.card(push, person)
        key = next(button["key"] for button in card["buttons"] if BUTTONS[action] in button["text"])
        body = {"platform": "wecom", "message_id": card["id"], "person": f"{card['corp_id']}/{card['to']}", "key": key}
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

        card: as it was when it was looked at; code: the right to update that comes with it; odd: see /wecom/event.
        """
        who = person or push.person
        key = next(button["key"] for button in card["buttons"] if BUTTONS[action] in button["text"])
        xml = press_xml(organisation, who, card["card"]["task_id"], key, code or secrets.token_hex(8))
        with self.lock:
            self.history.presses.append(press := Press(push.alert_key, who, action))
        made = self.simulator.control("wecom/event", {**organisation.app, "xml_plaintext": xml, **odd})
        press.answers.append(Answer(made["http_status"], 0.0, made["answer"]))
        return press.answers[-1]

    def links(self, organisation: Organisation) -> list[AccountLink]:
        wanted = select(AccountLink).where(AccountLink.integration_id == organisation.integration_id)
        return list(db.session.scalars(wanted.order_by(AccountLink.id)))


def press_xml(organisation: Organisation, person: str, task_id: str, key: str, code: str) -> str:
    """A press as WeCom tells of it. https://developer.work.weixin.qq.com/document/path/90240"""
    values = {
        "ToUserName": organisation.corp_id,
        "FromUserName": person,
        "CreateTime": int(utcnow().timestamp()),
        "MsgType": "event",
        "Event": "template_card_event",
        "EventKey": key,
        "TaskId": task_id,
        "CardType": "button_interaction",
        "ResponseCode": code,
        "AgentID": AGENT_ID,
    }
    return "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items()) + "</xml>"
