"""Feishu's scheme as lark-oapi understands it: each side opens what the other sends, both talk to the simulator."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from platforms.base import CardPress, GroupEvent, PressAnswer, UrlCheck
from platforms.errors import CallbackRefused
from platforms.feishu import callbacks, cards
from platforms.feishu.crypto import EventCipher
from tests.contract.conftest import make_card
from tests.contract.feishu import make_connection
from tests.oracles.conftest import OracleRefused
from tests.unit.platforms.feishu.test_callbacks import (
    KEY,
    PLAIN,
    SEALED,
    TOKEN,
    event,
    historic,
    press,
    sealed,
    vector,
)

KEYS = {"encrypt_key": KEY, "verification_token": TOKEN}


def posted(request: Any) -> dict[str, Any]:
    """A post as the oracle takes it."""
    headers = {name: value for name, value in request.headers.items() if name.startswith("X-Lark")}
    return {"headers": headers, "body": request.body.decode()}


@pytest.fixture
def connection(simulator, receiver):
    return make_connection(simulator, receiver)


def keys_of(connection: Any) -> dict[str, str]:
    settings = connection.platform.settings
    return {"encrypt_key": settings.encrypt_key, "verification_token": settings.verification_token}


@pytest.mark.parametrize("length", range(0, 49, 4))
def test_lark_opens_what_we_seal_at_every_padding(lark, length):
    sealed_text = EventCipher(KEY).encrypt(b"x" * length)
    assert lark.ask("decrypt", encrypt_key=KEY, encrypt=sealed_text) == "x" * length


@pytest.mark.parametrize("name", ["url_check", "bot_added", "card_press"])
def test_both_read_the_vectors_alike(lark, name):
    answered = lark.ask("dispatch", **KEYS, **posted(vector(name)))
    read = callbacks.read(SEALED, vector(name))
    assert answered["status"] == 200
    if isinstance(read, UrlCheck):
        assert answered["body"] == json.loads(callbacks.answer(SEALED, read, None).body)
    if isinstance(read, GroupEvent):
        assert answered["heard"] == [{"chat_id": read.group.external_id, "name": read.group.name}]


@pytest.mark.parametrize("change", [{"nonce": "x"}, {"signature": "0" * 64}, {"timestamp": "1700000001"}])
def test_both_refuse_what_is_forged(lark, change):
    forged = vector("bot_added", **change)
    assert lark.ask("dispatch", **KEYS, **posted(forged))["status"] == 500
    with pytest.raises(CallbackRefused):
        callbacks.read(SEALED, forged)


def test_lark_takes_the_events_that_our_tests_make(lark):
    added = sealed(event("im.chat.member.bot.added_v1", {"chat_id": "oc_1", "name": "值班群"}))
    assert lark.ask("dispatch", **KEYS, **posted(added))["heard"] == [{"chat_id": "oc_1", "name": "值班群"}]
    pressed = lark.ask("dispatch", **KEYS, **posted(sealed(press())))
    assert pressed["heard"] == [{"key": "acknowledge.mac", "open_id": "ou_lin"}]


def test_lark_takes_the_historic_press_and_our_answer_to_it(lark):
    request = historic({"value": {"key": "k", "reference": "r"}, "tag": "button"})
    read = callbacks.read(PLAIN, request)
    assert isinstance(read, CardPress)
    ours = json.loads(callbacks.answer(PLAIN, read, PressAnswer(make_card(), "好")).body)
    answered = lark.ask("dispatch_historic", **KEYS, **posted(request), answer=ours)
    assert (answered["status"], answered["heard"]) == (200, [{"key": "k", "open_id": "ou_lin"}])
    assert answered["body"] == ours


def test_larks_type_of_an_answer_holds_ours(lark):
    read = callbacks.read(SEALED, sealed(press()))
    ours = json.loads(callbacks.answer(SEALED, read, PressAnswer(make_card(), "已开始处理")).body)
    answered = lark.ask("dispatch", **KEYS, **posted(sealed(press())), answer=ours)
    assert answered["body"] == ours


def test_lark_reads_what_the_simulator_posts(lark, simulator, connection):
    group = connection.make_group("值班群")
    sent = connection.platform.send_card(connection.member("lin"), make_card())
    connection.press(sent, "acknowledge")
    added, pressed = connection.receiver.requests[-2:]
    for request, heard in (
        (added, {"chat_id": group.external_id, "name": "值班群"}),
        (pressed, {"key": "acknowledge", "open_id": connection.id_of("lin")}),
    ):
        answered = lark.ask("dispatch", **keys_of(connection), **posted(request))
        assert (answered["status"], answered["heard"]) == (200, [heard])


def test_the_simulator_serves_larks_client(lark, simulator, connection):
    settings = connection.platform.settings
    api = {"app_id": settings.app_id, "app_secret": settings.app_secret, "domain": simulator.url}
    drawn = cards.as_json(make_card())
    to = {"receiver": connection.id_of("lin"), "kind": "interactive", "content": cards.as_content(drawn)}
    sent = lark.ask("client", **api, method="send", arguments=to)
    assert sent["code"] == 0
    after = cards.as_content(cards.as_json(replace(make_card(), title="[恢复] 已关闭")))
    changed = {"message_id": sent["data"]["message_id"], "content": after}
    assert lark.ask("client", **api, method="update", arguments=changed)["code"] == 0
    assert connection.title_of(connection.messages("lin")[-1]) == "[恢复] 已关闭"
    group = connection.make_group("值班群")
    listed = lark.ask("client", **api, method="list_chats", arguments={"page_size": 20})
    assert [item["chat_id"] for item in listed["data"]["items"]] == [group.external_id]


def test_larks_client_is_refused_like_ours(lark, simulator, connection):
    settings = connection.platform.settings
    api = {"app_id": settings.app_id, "app_secret": "wrong" * 6, "domain": simulator.url}
    with pytest.raises(OracleRefused, match=r"10014|secret"):
        lark.ask("client", **api, method="list_chats", arguments={"page_size": 20})
