"""DingTalk's scheme as dingtalk-sdk understands it: each side opens what the other seals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.base import CallbackRequest, GroupEvent, UrlCheck
from platforms.crypto import CallbackCipher
from platforms.dingtalk import callbacks
from platforms.dingtalk.settings import DingTalkSettings
from tests.contract.dingtalk import KEY, TOKEN, make_connection
from tests.oracles.conftest import OracleRefused

CORP, CLIENT = "dingcorptest0001", "dingoncalltest000001"
SETTINGS = DingTalkSettings(corp_id=CORP, client_id=CLIENT, aes_key=KEY, token=TOKEN)
STAMP, NONCE = "1767225600456", "Zx9Yw8Vu"
KEYS = {"token": TOKEN, "aes_key": KEY, "receive_id": CLIENT}


def posted(sealed: dict[str, str]) -> CallbackRequest:
    """The POST that would carry what dingtalk-sdk sealed."""
    query = {"msg_signature": sealed["msg_signature"], "timestamp": sealed["timeStamp"], "nonce": sealed["nonce"]}
    body = json.dumps({"encrypt": sealed["encrypt"]}).encode()
    return CallbackRequest("POST", query, {}, body, datetime.now(UTC), "event")


def sealed(oracle: Any, content: Any, **changes: str) -> dict[str, str]:
    message = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    made: dict[str, str] = oracle.ask("encrypt", **(KEYS | changes), message=message, nonce=NONCE, timestamp=STAMP)
    return made


@pytest.mark.parametrize("receive_id", [CLIENT, CORP])
def test_we_accept_an_event_that_it_seals(dingtalk_sdk, receive_id):
    content = {"EventType": "chat_update_title", "openConversationId": "cid1==", "title": "生产告警群", "eventId": "e"}
    event = callbacks.read(SETTINGS, posted(sealed(dingtalk_sdk, content, receive_id=receive_id)))
    assert isinstance(event, GroupEvent)
    assert event.group.name == "生产告警群"


@pytest.mark.parametrize("length", range(0, 70, 3))
def test_each_opens_what_the_other_seals_at_every_padding(dingtalk_sdk, length):
    keys, text = CallbackCipher(TOKEN, KEY, CLIENT), "x" * length
    assert keys.decrypt(sealed(dingtalk_sdk, text)["encrypt"]).decode() == text
    ours = keys.encrypt(text.encode())
    signed = {"signature": keys.sign(STAMP, NONCE, ours), "timestamp": STAMP, "nonce": NONCE, "encrypt": ours}
    assert dingtalk_sdk.ask("decrypt", **KEYS, **signed) == text


@pytest.mark.parametrize("receive_id", [CLIENT, CORP])
def test_it_opens_our_answer_to_the_address_check(dingtalk_sdk, receive_id):
    check = callbacks.read(SETTINGS, posted(sealed(dingtalk_sdk, {"EventType": "check_url"}, receive_id=receive_id)))
    assert isinstance(check, UrlCheck)
    answer = json.loads(callbacks.answer(SETTINGS, check, None).body)
    signed = {"signature": answer["msg_signature"], "timestamp": answer["timeStamp"], "nonce": answer["nonce"]}
    keys = KEYS | {"receive_id": receive_id}
    assert dingtalk_sdk.ask("decrypt", **keys, **signed, encrypt=answer["encrypt"]) == "success"


def test_it_refuses_what_we_would_refuse(dingtalk_sdk):
    made = sealed(dingtalk_sdk, {"EventType": "check_url"})
    signed = {"timestamp": STAMP, "nonce": NONCE, "encrypt": made["encrypt"]}
    with pytest.raises(OracleRefused, match="InvalidSignature"):
        dingtalk_sdk.ask("decrypt", **KEYS, **signed, signature="0" * 40)


def test_its_client_gets_on_with_the_simulator(dingtalk_sdk, simulator, receiver):
    connection = make_connection(simulator, receiver)
    about = {
        "api_base": simulator.url,
        "corp_id": connection.corp_id,
        "client_id": connection.client_id,
        "client_secret": connection.platform.settings.client_secret,
    }
    code = connection.sign_in_code("lin")
    user = dingtalk_sdk.ask("client", **about, method="post", arguments=["/topapi/v2/user/getuserinfo", {"code": code}])
    assert user["result"]["userid"] == "Lin0001"
    with pytest.raises(OracleRefused, match="40078"):
        dingtalk_sdk.ask("client", **about, method="post", arguments=["/topapi/v2/user/getuserinfo", {"code": code}])
