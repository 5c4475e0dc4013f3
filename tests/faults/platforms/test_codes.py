"""Every error code that a platform documents, to its adapter alone: with its own HTTP status, and inside HTTP 200."""

from __future__ import annotations

import json
from typing import Any

import pytest

from platforms import PLATFORMS
from platforms.base import Platform, Recipient
from platforms.errors import PlatformError
from platforms.http import Answer, Transport
from tests.contract.conftest import make_card
from tests.faults.platforms.application import Application, Values
from tests.faults.platforms.kinds import KINDS
from tests.tokens import MemoryTokens

ANYBODY = {"dingtalk": "Lin0001", "feishu": "ou_lin", "wecom": "lin"}
CREDENTIALS = {
    "dingtalk": ({"corp_id": "ding1", "client_id": "c", "card_template_id": "t.schema"}, {"client_secret": "s"}),
    "feishu": ({"app_id": "cli_1"}, {"app_secret": "s"}),
    "wecom": ({"corp_id": "ww1", "agent_id": "1"}, {"secret": "s"}),
}


BEFORE_SENDING: dict[str, Values] = {
    "/gettoken": {"errcode": 0, "access_token": "t", "expires_in": 7200},
    "/oauth2/accessToken": {"accessToken": "t", "expireIn": 7200},
    "/callbacks/register": {"success": True},
    "/tenant_access_token/internal": {"code": 0, "tenant_access_token": "t", "expire": 7200},
}
SUCCESS: dict[str, Values] = {
    "dingtalk": {"result": {"deliverResults": [{"success": True, "carrierId": "c1"}]}, "processQueryKey": "q1"},
    "feishu": {"code": 0, "msg": "success", "data": {"message_id": "om_1"}},
    "wecom": {"errcode": 0, "errmsg": "ok", "msgid": "m1"},
}


class OneAnswer(Transport):
    """Answers what has to be asked before a message is sent, and the message with this."""

    status, content = 200, Values()

    def _exchange(self, method: str, url: str, *_: Any, **__: Any) -> Answer:
        for path, content in BEFORE_SENDING.items():
            if url.endswith(path):
                return Answer(200, {}, json.dumps(content).encode())
        return Answer(self.status, {}, json.dumps(self.content).encode())


def said(kind: type[Application], fault: Values) -> Values:
    """A refusal as the platform writes it, beside everything that a success would hold."""
    name = "errcode" if "errcode" in SUCCESS[kind.slug] else "code"
    return SUCCESS[kind.slug] | {name: fault.get("name") or fault["code"], "message": "no", "msg": "no", "errmsg": "no"}


def connected(kind: type[Application], transport: Transport) -> Platform:
    settings, secrets = CREDENTIALS[kind.slug]
    hosts = dict.fromkeys(PLATFORMS[kind.slug].hosts, "http://platform.example")
    ours = {"addresses": {"card_callback_url": "https://oncall.example.com/card"}, "press_reply": "passive"}
    platform = PLATFORMS[kind.slug]
    return platform.build(settings | ours, secrets, tokens=MemoryTokens(), hosts=hosts, transport=transport)


@pytest.mark.parametrize("slug", sorted(KINDS))
def test_the_same_answers_without_a_code_are_successes(slug: str):
    transport, to = OneAnswer(), Recipient(ANYBODY[slug])
    transport.content = SUCCESS[slug]
    platform = connected(KINDS[slug], transport)
    assert platform.send_card(to, make_card()).message_id and platform.send_text(to, "x").message_id


@pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
@pytest.mark.parametrize("slug", sorted(KINDS))
def test_no_answer_with_an_error_code_is_a_success_whatever_its_http_status(slug: str, status: int):
    kind, transport = KINDS[slug], OneAnswer()
    transport.status = status
    to, card = Recipient(ANYBODY[slug]), make_card()
    platform = connected(kind, transport)
    for fault in kind.codes:
        transport.content = said(kind, fault)
        with pytest.raises(PlatformError):
            platform.send_card(to, card)
            pytest.fail(f"{fault} in HTTP {status} was taken for a success")
        with pytest.raises(PlatformError):
            platform.send_text(to, "x")
            pytest.fail(f"{fault} in HTTP {status} was taken for a success")
