"""Group chats with the real platforms and their simulators: from the first event of a group to the card of the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db
from jobs.handlers import HANDLERS
from jobs.runner import Runner
from models import AccountLink, CardNotice, Delivery, DeliveryState, GroupChat, GroupState, Incident, Progress
from platforms import PLATFORMS
from platforms.base import CallbackReply, CallbackRequest, Recipient
from services import card_keys, dispatch, groups
from services.clock import utcnow
from tests.contract import dingtalk, feishu
from tests.contract.connection import Connection
from tests.contract.receiver import Receiver, running_receiver
from tests.contract.simulator import Simulator, running_simulator
from tests.factories import (
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
)
from tests.servers import wait_until

MAKERS: dict[str, Callable[[Simulator, Receiver], Connection]] = {
    "dingtalk": dingtalk.make_connection,
    "feishu": feishu.make_connection,
}
GONE: dict[str, Callable[[Any, Recipient], Any]] = {
    "dingtalk": lambda at, group: at.simulator.control(
        "dingtalk/uninstall", {"client_id": at.client_id, "cid": group.external_id}
    ),
    "feishu": lambda at, group: at.simulator.control(
        "feishu/remove_bot", {"chat_id": group.external_id, "app_id": at.app_id}
    ),
}


class Product(Receiver):
    """Hands what the simulator calls back to the application's own view."""

    app: Flask | None = None
    path = ""

    def handle(self, request: CallbackRequest) -> CallbackReply:
        reply = super().handle(request)
        if self.app is None:
            return reply
        headers: Any = request.headers
        answer = self.app.test_client().open(
            f"{self.path}/{request.purpose}",
            method=request.method,
            query_string=dict(request.query),
            headers=list(headers.items()),
            data=request.body,
        )
        return CallbackReply(answer.status_code, answer.data, answer.content_type)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as started:
        yield started


@pytest.fixture(params=sorted(MAKERS))
def connection(
    request: pytest.FixtureRequest, app: Flask, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """An application in the simulator whose callbacks reach the product; Lin and Wu are linked."""
    with running_receiver(Product()) as receiver:
        assert isinstance(receiver, Product)
        made = MAKERS[request.param](simulator, receiver)
        monkeypatch.setattr("services.integrations.platform_for", lambda integration: made.platform)
        integration = make_integration(platform=made.slug, name="值班机器人")
        for name in ("lin", "wu"):
            make_link(integration, make_member(name), external_user_id=made.id_of(name))
        receiver.path, receiver.app = f"/callback/{made.slug}/{integration.public_key}", app
        yield made


def work(app: Flask) -> None:
    """Let the worker do what is due."""
    db.session.commit()
    Runner(app, HANDLERS, timedelta(seconds=60)).run_due()
    db.session.expire_all()


def press(app: Flask, connection: Connection, sent: Delivery, action: str, *, by: str) -> None:
    key = card_keys.make(app.config["SETTINGS"].secret_key, action, sent.reference)
    message_id, person = sent.platform_message_id, connection.client_of(by)
    db.session.commit()
    pressed = {"platform": connection.slug, "message_id": message_id, "person": person, "key": key}
    assert connection.simulator.control("press", pressed)["http_status"] == 200
    db.session.expire_all()


def told(app: Flask, group_id: int) -> tuple[Incident, Delivery]:
    """A new incident of a policy whose only target is the group, after the worker has sent what it could."""
    channel = make_channel(f"空间 {group_id} {utcnow().timestamp()}")
    make_policy(channel, levels=[make_level(group_ids=[group_id])])
    incident = make_incident(channel)
    dispatch.begin(incident, kind="assign", now=utcnow())
    work(app)
    return incident, db.session.scalars(select(Delivery).where(Delivery.incident_id == incident.id)).one()


def card_in(connection: Connection, group: Recipient) -> str:
    """All that the newest card of the group shows."""
    return str(connection.group_messages(group)[-1])


def test_a_group_from_its_first_event_to_its_last(app: Flask, connection: Connection):
    group = connection.make_group("生产告警群")
    work(app)
    (chat,) = db.session.scalars(select(GroupChat))
    assert (chat.external_id, groups.shown_name(chat), chat.is_active) == (group.external_id, "生产告警群", True)
    assert chat.origin == PLATFORMS[connection.slug].capabilities.group_origin

    incident, sent = told(app, chat.id)
    assert sent.state is DeliveryState.SENT
    assert "开始处理" in card_in(connection, group)

    press(app, connection, sent, "acknowledge", by="wu")
    assert incident.progress is Progress.PROCESSING

    def shows_who() -> bool:
        work(app)
        return "吴凡 已于" in card_in(connection, group)

    wait_until(shows_who)

    db.session.commit()
    GONE[connection.slug](connection, group)
    db.session.expire_all()
    assert chat.state is GroupState.REMOVED
    _incident, unsent = told(app, chat.id)
    assert (unsent.state, unsent.failure_code) == (DeliveryState.FAILED, "chat_gone")


def test_somebody_without_a_link_is_told_so_and_nothing_changes(app: Flask, connection: Connection):
    group = connection.make_group("生产告警群")
    work(app)
    (chat,) = db.session.scalars(select(GroupChat))
    incident, sent = told(app, chat.id)
    for link in db.session.scalars(select(AccountLink).where(AccountLink.external_user_id == connection.id_of("wu"))):
        db.session.delete(link)
    press(app, connection, sent, "close", by="wu")

    assert incident.progress is Progress.TRIGGERED
    assert "开始处理" in card_in(connection, group)


def test_what_an_outsider_was_told_goes_when_the_card_changes(app: Flask, connection: Connection):
    group = connection.make_group("生产告警群")
    work(app)
    (chat,) = db.session.scalars(select(GroupChat))
    incident, sent = told(app, chat.id)
    for link in db.session.scalars(select(AccountLink).where(AccountLink.external_user_id == connection.id_of("wu"))):
        db.session.delete(link)
    press(app, connection, sent, "close", by="wu")
    stays = bool(PLATFORMS[connection.slug].capabilities.notices_per_update)
    assert ("未关联应用" in as_seen_by_wu(connection, group)) == stays
    assert "未关联应用" not in card_in(connection, group)

    press(app, connection, sent, "acknowledge", by="lin")
    assert incident.progress is Progress.PROCESSING

    def shows_who() -> bool:
        work(app)
        return "林晓 已于" in as_seen_by_wu(connection, group)

    wait_until(shows_who)
    assert "未关联应用" not in as_seen_by_wu(connection, group)
    assert db.session.scalars(select(CardNotice)).all() == []


def as_seen_by_wu(connection: Connection, group: Recipient) -> str:
    """The newest card of the group in the outsider's own view."""
    person = connection.client_of("wu")
    which = f"chat={quote(group.external_id, safe='')}&person={quote(person, safe='')}"
    return str(connection.simulator.control(f"messages?platform={connection.slug}&{which}")[-1])
