"""What a chat platform gets when it calls us."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import StaleDataError

from blueprints.callbacks import notices
from extensions import db
from logs import Throttle
from models import (
    CheckState,
    Incident,
    Integration,
    IntegrationStatus,
    Membership,
    Progress,
    Receipt,
    TimelineEntry,
)
from platforms import PLATFORMS
from platforms.crypto import CallbackCipher
from services import card_keys, card_presses, checks, groups, integrations, outbox
from services.clock import utcnow
from services.notifications import notify
from tests.factories import (
    default_tenant,
    drawn_card,
    make_channel,
    make_incident,
    make_integration,
    make_link,
    make_member,
)
from tests.fakes import SIGNATURE, FakePlatform, GroupPlatform, press_of

CORP_ID, AES_KEY = "ww1234567890abcdef", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


class Caller:
    """The platform, as it calls one integration's address."""

    def __init__(self, client: Any, integration: Integration) -> None:
        self.client = client
        self.path = f"/callback/{integration.platform}/{integration.public_key}"

    def query(self, seconds_ago: float = 0, **changes: Any) -> dict[str, Any]:
        return {"signature": SIGNATURE, "at": time.time() - seconds_ago, "nonce": "n"} | changes

    def verify(self, **changes: Any) -> Any:
        return self.client.get(self.path, query_string=self.query(**changes, echo="7386429105823746152"))

    def post(self, event: dict[str, Any], **changes: Any) -> Any:
        return self.client.post(self.path, query_string=self.query(**changes), data=json.dumps(event))


@pytest.fixture
def integration(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Integration:
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    for name in ("_forged", "_untimely", "_not_stored"):
        monkeypatch.setattr(notices, name, Throttle(notices.LINE_EVERY_SECONDS))
    found: Integration = make_integration()
    return found


@pytest.fixture
def chat(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Integration:
    """A connection to a platform with groups, which calls two addresses."""
    platform = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    found: Integration = make_integration(platform="chat")
    return found


@pytest.fixture
def caller(client: Any, integration: Integration) -> Caller:
    return Caller(client, integration)


@pytest.fixture
def incident(integration: Integration) -> Incident:
    lin = make_member("lin")
    make_link(integration, lin)
    found: Incident = make_incident(make_channel(), responders=(lin,))
    return found


@pytest.fixture
def press(integration: Integration, incident: Incident) -> dict[str, Any]:
    """Lin's press on 开始处理 of a card that was sent."""
    notification = notify(incident, cause="assign", user_ids=[incident.responders[0].user_id], now=utcnow())
    db.session.commit()
    (delivery,) = notification.deliveries
    card = drawn_card(incident, delivery, integration)
    db.session.commit()
    return press_of(card, "开始处理")


def check_of(integration: Integration) -> Any:
    return checks.get(integration, "callback")


def test_the_address_is_verified_with_the_plain_text_alone(caller: Caller, integration: Integration):
    integration.status = IntegrationStatus.DRAFT
    answer = caller.verify()
    assert (answer.status_code, answer.data) == (200, b"7386429105823746152")
    assert check_of(integration).state is CheckState.PASSED


def test_a_press_is_applied_and_answered_with_the_card(caller: Caller, press: dict[str, Any], incident: Incident):
    answer = caller.post(press)
    assert answer.status_code == 200
    assert answer.get_json()["footer"].endswith("开始处理")
    assert incident.progress is Progress.PROCESSING


def test_the_worker_is_woken_once_the_answer_has_left(app: Flask, caller: Caller, press: dict[str, Any]):
    """A stranger is told by a message of his own, which the worker sends."""
    wakes: list[bool] = []
    outbox.on_commit_wake(app, lambda: wakes.append(True))
    by_stranger = json.dumps(press | {"external_user_id": "zhou"})
    answer = caller.client.post(caller.path, query_string=caller.query(), data=by_stranger, buffered=False)
    assert (answer.status_code, wakes) == (200, [])
    answer.close()
    assert wakes == [True]


def test_the_platforms_repeats_get_the_same_bytes(caller: Caller, press: dict[str, Any]):
    first = caller.post(press)
    again = caller.post(press, seconds_ago=10)
    assert again.data == first.data
    acks = select(func.count()).select_from(TimelineEntry).where(TimelineEntry.type == "ack")
    assert db.session.scalar(acks) == 1


def test_a_wrong_signature_is_refused_without_a_word(caller: Caller, press: dict[str, Any], incident: Incident):
    answer = caller.post(press, signature="forged")
    assert (answer.status_code, answer.data) == (403, b"")
    assert incident.progress is Progress.TRIGGERED


def test_a_wizard_that_waits_learns_why_nothing_arrives(caller: Caller, integration: Integration):
    caller.verify(signature="forged")
    assert check_of(integration).state is CheckState.FAILED
    caller.verify()
    assert check_of(integration).state is CheckState.PASSED
    caller.verify(signature="forged")
    assert check_of(integration).state is CheckState.PASSED


@pytest.mark.parametrize(
    ("refused", "said"),
    [({"signature": "forged"}, "收到了回调请求，但校验失败"), ({"seconds_ago": 600}, "相差 -600 秒，回调已被拒绝")],
)
def test_the_wizard_says_why_a_callback_was_refused(
    caller: Caller, client: Any, integration: Integration, admin: Membership, refused: dict[str, Any], said: str
):
    caller.verify(**refused)
    client.sign_in(admin)
    for page in ("", "/checks", "/setup/callback_url"):
        shown = client.get(f"/integrations/im/{integration.id}{page}")
        assert shown.status_code == 200
        assert said in shown.text or page.startswith("/setup")


@pytest.mark.parametrize("seconds_ago", [600, 301, -301, -600])
def test_a_replay_or_a_wrong_clock_is_refused_and_the_log_says_by_how_much(
    caller: Caller, press: dict[str, Any], incident: Incident, seconds_ago: int, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        answer = caller.post(press, seconds_ago=seconds_ago)
    assert answer.status_code == 403
    assert incident.progress is Progress.TRIGGERED
    assert "clock differs by" in caplog.text


def test_forgeries_fill_no_log(caller: Caller, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        for _ in range(30):
            caller.verify(signature="forged")
    assert len([line for line in caplog.messages if "refused" in line]) < 10


def test_forgeries_are_counted_in_one_line_and_not_logged_one_by_one(caller: Caller, caplog: pytest.LogCaptureFixture):
    caller.verify()
    with caplog.at_level(logging.INFO):
        caplog.clear()
        for _ in range(30):
            assert caller.verify(signature="forged").status_code == 403
    assert len(caplog.records) == 1


def test_a_changed_secret_counts_from_the_next_callback_on(client: Any):
    integration = make_integration(settings={"corp_id": CORP_ID})
    ciphers = []
    for token in ("first", "second"):
        for name, value in (("token", token), ("encoding_aes_key", AES_KEY)):
            integrations.set_secret(integration, name, value)
        db.session.commit()
        ciphers.append(CallbackCipher(token, AES_KEY, CORP_ID))
        assert [_verify(client, integration, cipher) for cipher in ciphers] == [403] * (len(ciphers) - 1) + [200]


def _verify(client: Any, integration: Integration, cipher: CallbackCipher) -> int:
    now, sealed = str(int(time.time())), cipher.encrypt(b"7386429105823746152")
    query = {"timestamp": now, "nonce": "n", "echostr": sealed, "msg_signature": cipher.sign(now, "n", sealed)}
    status: int = client.get(f"/callback/wecom/{integration.public_key}", query_string=query).status_code
    return status


def test_a_process_gets_ready_before_its_first_callback(app: Flask, caller: Caller, press: dict[str, Any]):
    db.session.commit()
    app.extensions["rehearse"]()
    assert app.extensions["connected"]
    assert caller.post(press).status_code == 200


def test_an_unknown_address_does_not_exist(client: Any, integration: Integration):
    for path in ("/callback/wecom/unknown", f"/callback/nowhere/{integration.public_key}"):
        assert client.get(path).status_code == 404


def test_an_event_that_we_do_not_act_on_is_answered(caller: Caller):
    answer = caller.post({"kind": "enter_agent"})
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_body_of_more_than_a_mebibyte_is_not_read(caller: Caller):
    answer = caller.client.post(caller.path, query_string=caller.query(), data=b"x" * (1024 * 1024 + 1))
    assert answer.status_code == 413


def test_when_a_callback_came_last_is_noted(caller: Caller, press: dict[str, Any], integration: Integration):
    caller.post(press)
    assert integration.last_callback_at is not None


def test_a_locked_database_is_answered_in_time_and_nothing_is_half_done(
    app: Flask, caller: Caller, press: dict[str, Any], incident: Incident
):
    db.session.commit()
    other = sqlite3.connect(app.config["SETTINGS"].home / "dutybell.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers, seconds = [], []
    try:
        for ask in (partial(caller.post, press), caller.verify):
            began = time.monotonic()
            answers.append(ask())
            seconds.append(time.monotonic() - began)
    finally:
        other.execute("ROLLBACK")
        other.close()
    pressed, verified = answers
    assert pressed.status_code == 503
    assert (verified.status_code, verified.data) == (200, b"7386429105823746152")
    assert max(seconds) < 4  # WeCom waits five seconds for each
    assert incident.progress is Progress.TRIGGERED
    assert caller.post(press).status_code == 200
    assert incident.progress is Progress.PROCESSING


@pytest.mark.parametrize(("locale", "said"), [("zh_CN", "系统繁忙，请再点一次"), ("en", "The system is busy")])
def test_a_press_that_cannot_be_stored_is_told_so_where_the_answer_has_a_place_for_it(
    client: Any, chat: Integration, monkeypatch: pytest.MonkeyPatch, locale: str, said: str
):
    def locked(*_args: Any, **_values: Any) -> None:
        raise OperationalError("BEGIN", {}, Exception("database is locked"))

    default_tenant().locale = locale
    db.session.commit()
    caller = Caller(client, chat)
    caller.path += "/card"
    event = {"event_key": "p-1", "external_user_id": "lin", "reference": "r", "button_key": "k", "update_code": None}
    with monkeypatch.context() as patched:
        patched.setattr(card_presses, "apply", locked)
        answer = caller.post(event)
        group_event = {"change": "added", "event_key": "e-1", "group": {"external_id": "cid-1"}}
        patched.setattr(groups, "take_event", locked)
        unheard = caller.post(group_event | {"happened_at": utcnow().isoformat()})
    assert answer.status_code == 200
    assert answer.text.startswith(said)
    assert (unheard.status_code, unheard.data) == (503, b"")
    assert db.session.scalar(select(func.count()).select_from(Receipt)) == 0


def test_a_press_that_meets_others_again_and_again_is_told_so(
    client: Any, chat: Integration, monkeypatch: pytest.MonkeyPatch
):
    def met(*_args: Any, **_values: Any) -> None:
        raise StaleDataError

    monkeypatch.setattr(card_presses, "apply", met)
    caller = Caller(client, chat)
    caller.path += "/card"
    event = {"event_key": "p-1", "external_user_id": "lin", "reference": "r", "button_key": "k", "update_code": None}
    assert caller.post(event).text == "系统繁忙，请再点一次"


def test_a_key_of_another_card_is_refused_and_the_press_is_answered(
    app: Flask, caller: Caller, press: dict[str, Any], incident: Incident
):
    foreign = card_keys.make(app.config["SETTINGS"].secret_key, "close", "another-card")
    answer = caller.post(press | {"button_key": foreign})
    assert (answer.status_code, answer.data) == (200, b"")
    assert incident.progress is Progress.TRIGGERED


def test_a_group_event_is_stored_once(client: Any, chat: Integration):
    caller = Caller(client, chat)
    caller.path += "/event"
    event = {"change": "added", "event_key": "e-1", "group": {"external_id": "cid-1", "name": "生产告警群"}}
    for _ in range(2):
        answer = caller.post(event | {"happened_at": utcnow().isoformat()})
        assert (answer.status_code, answer.data) == (200, b"")
    assert [one.name for one in groups.of_integration(chat)] == ["生产告警群"]
    assert checks.get(chat, "callback_event").state is CheckState.PASSED


def test_a_forged_group_event_is_refused(client: Any, chat: Integration):
    caller = Caller(client, chat)
    caller.path += "/event"
    event = {"change": "added", "event_key": "e-1", "group": {"external_id": "cid-1"}, "happened_at": "2026-03-02"}
    assert caller.post(event, signature="forged").status_code == 403
    assert groups.of_integration(chat) == []
