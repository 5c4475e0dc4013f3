"""What an answer of either API family means: HTTP 200 alone never is a success."""

from __future__ import annotations

import json
from collections import deque
from datetime import timedelta
from typing import Any

import pytest

from platforms.dingtalk import errors as e
from platforms.dingtalk.client import Client
from platforms.dingtalk.settings import DingTalkSettings
from platforms.errors import AnswerNotUnderstood, PlatformBusy, PlatformError, RateLimited
from platforms.http import Answer, Transport
from services.circuits import is_outage
from tests.tokens import MemoryTokens

SETTINGS = DingTalkSettings(corp_id="dingcorp00001", client_id="dingclient001", client_secret="s" * 64)
HOSTS = {"api": "https://api.example", "oapi": "https://oapi.example", "login": "", "console": ""}
LIN = "Lin0001"
CARD = {"outTrackId": "r", "openSpaceId": "dtv1.card//IM_ROBOT.Lin0001"}
GROUP_CARD = {"outTrackId": "r", "openSpaceId": "dtv1.card//IM_GROUP.cid=="}


class Answers(Transport):
    """Gives the answers that a test lines up, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[Answer] = deque()
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []

    def exchange(self, method: str, url: str, content: Any = None, params: Any = None, **more: Any) -> Answer:
        self.asked.append((method, url, content, dict(more.get("headers") or params or {})))
        if url.endswith("/oauth2/accessToken"):
            number = sum(asked[1] == url for asked in self.asked)
            return answer({"accessToken": f"token{number}", "expireIn": 7200})
        return self.waiting.popleft()


def answer(content: Any, status: int = 200, **headers: str) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.fixture
def transport() -> Answers:
    return Answers()


@pytest.fixture
def client(transport: Answers) -> Client:
    return Client(SETTINGS, HOSTS, MemoryTokens(), transport)


def fails(client: Client, transport: Answers, *answers: Answer) -> PlatformError:
    """What sending a text ends with after these answers."""
    transport.waiting.extend(answers)
    with pytest.raises(PlatformError) as failure:
        client.send_to_person(LIN, "sampleText", {"content": "x"})
    assert not transport.waiting
    return failure.value


def fails_old(client: Client, transport: Answers, *answers: Answer) -> PlatformError:
    transport.waiting.extend(answers)
    with pytest.raises(PlatformError) as failure:
        client.get_scopes()
    assert not transport.waiting
    return failure.value


# --- tokens -------------------------------------------------------------------------------------------------------


def test_a_token_goes_where_each_family_wants_it(client: Client, transport: Answers):
    transport.waiting.extend([answer({"processQueryKey": "k"}), answer({"errcode": 0, "errmsg": "ok"})])
    client.send_to_person(LIN, "sampleText", {"content": "x"})
    client.get_scopes()
    assert [asked[3] for asked in transport.asked[1:]] == [
        {"x-acs-dingtalk-access-token": "token1"},
        {"access_token": "token1"},
    ]


STALE = {
    "new": answer({"code": "InvalidAuthentication", "requestid": "r", "message": "不合法的access_token"}, 400),
    "plain 401": answer(b"", 401),
}
STALE_OLD = {
    "wrapped": answer(
        {"errcode": 88, "sub_code": "40014", "sub_msg": "不合法的access_token", "errmsg": "ding talk error"}
    ),
    "plain": answer({"errcode": 40014, "errmsg": "不合法的access_token"}),
    "expired": answer({"errcode": "42001", "errmsg": "expired"}),
}


@pytest.mark.parametrize("stale", STALE.values(), ids=STALE)
def test_a_rejected_token_is_replaced_and_the_call_repeated_once(client: Client, transport: Answers, stale: Answer):
    transport.waiting.extend([stale, answer({"processQueryKey": "k"})])
    assert client.send_to_person(LIN, "sampleText", {"content": "x"}) == "k"
    assert transport.asked[-1][3] == {"x-acs-dingtalk-access-token": "token2"}
    assert isinstance(fails(client, transport, stale, stale), e.TokenRejected)


@pytest.mark.parametrize("stale", STALE_OLD.values(), ids=STALE_OLD)
def test_so_it_is_in_the_old_family(client: Client, transport: Answers, stale: Answer):
    transport.waiting.extend([stale, answer({"errcode": 0})])
    client.get_scopes()
    assert transport.asked[-1][3] == {"access_token": "token2"}


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind", "is_uncertain"),
    [
        (answer(b"<html>blocked</html>"), e.AddressBlocked, False),
        (answer(b"\n <!DOCTYPE html>", 403), e.AddressBlocked, False),
        (answer({"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "x"}), e.AddressBlocked, False),
        (answer(b"<html>bad gateway</html>", 502), PlatformBusy, False),
        (answer(b"<html>timeout</html>", 504), e.GatewayTimeout, True),
        (answer({"code": "unknown.send.result", "message": "?"}, 400), e.ResultUnknown, True),
        (answer({"code": "system.error", "message": "?"}, 500), e.Busy, False),
        (answer({"code": "nobody.knows", "message": "?"}, 503), PlatformBusy, False),
        (answer({"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "?"}, 403), e.ApiBlocked, False),
        (answer(b'{"processQueryKey": "k'), AnswerNotUnderstood, True),
        (answer({"processQueryKey": ""}), AnswerNotUnderstood, True),
        (answer({"success": False}), AnswerNotUnderstood, True),
    ],
)
def test_what_may_pass_is_tried_again(
    client: Client, transport: Answers, given: Answer, kind: type[PlatformError], is_uncertain: bool
):
    error = fails(client, transport, given)
    assert isinstance(error, kind)
    assert error.retryable
    assert error.uncertain is is_uncertain


def test_the_wait_that_an_answer_asks_for_is_kept(client: Client, transport: Answers):
    limited = {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "message": "?"}
    assert fails(client, transport, answer(limited, 403, retry_after="37")).retry_after == timedelta(seconds=37)
    assert fails(client, transport, answer(limited, 403)).retry_after == timedelta(seconds=1)
    busy = fails(client, transport, answer({"code": "system.busy", "message": "?"}, 429, retry_after="9"))
    assert isinstance(busy, RateLimited)
    assert busy.retry_after == timedelta(seconds=9)


def test_an_unknown_code_is_shown_with_what_was_said(client: Client, transport: Answers):
    error = fails(client, transport, answer({"code": "nobody.knows", "message": "为什么", "requestid": "R-1"}, 400))
    assert type(error) is e.DingTalkError
    assert (error.platform_code, error.platform_message, error.http_status) == ("nobody.knows", "为什么", 400)
    assert "nobody.knows" in error.raw and "R-1" in error.raw


def test_a_missing_permission_is_named_from_beside_the_text(client: Client, transport: Answers):
    denied = {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied", "message": "没有调用该接口的权限"}
    named = denied | {"accessdenieddetail": {"requiredScopes": ["qyapi_robot_sendmsg"]}}
    assert fails(client, transport, answer(named, 403)).params["scope"] == "qyapi_robot_sendmsg"
    assert fails(client, transport, answer(denied | {"accessdenieddetail": None}, 403)).params["scope"] == "?"


@pytest.mark.parametrize(
    "content",
    [
        {"errcode": 60020, "errmsg": "访问ip不在白名单之中,request ip=203.0.113.7 appKey(dingxxx)"},
        {"errcode": 88, "sub_code": "60020", "sub_msg": "访问ip不在白名单之中,request ip=203.0.113.7 appKey(x)"},
    ],
)
def test_the_refused_address_is_read_from_either_shape(client: Client, transport: Answers, content: Any):
    error = fails_old(client, transport, answer(content))
    assert isinstance(error, e.IpNotAllowed)
    assert error.params["ip"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"errcode": 88, "sub_code": "", "errmsg": "ding talk error"}, e.GatewayTimeout),
        ({"errcode": 15, "sub_code": "isp.top-remote-connection-timeout", "errmsg": "?"}, e.GatewayTimeout),
        ({"errcode": 90020, "errmsg": "?"}, e.MonthlyQuotaUsed),
        ({"errcode": 22, "errmsg": "Invalid method"}, e.CallerMistake),
        ({"errcode": "40078", "errmsg": "不存在的临时授权码"}, e.CodeExpired),
        ({"errmsg": "ok"}, AnswerNotUnderstood),
        ({"errcode": True}, AnswerNotUnderstood),
        ({"errcode": None}, AnswerNotUnderstood),
    ],
)
def test_the_old_family_answers_200_to_everything(
    client: Client, transport: Answers, content: Any, kind: type[PlatformError]
):
    assert isinstance(fails_old(client, transport, answer(content)), kind)


def test_quoted_numbers_count_too(client: Client, transport: Answers):
    transport.waiting.append(answer({"errcode": "0", "errmsg": "ok", "auth_user_field": []}))
    assert client.get_scopes()["auth_user_field"] == []


def test_an_unknown_address_of_the_new_family_is_no_success(client: Client, transport: Answers):
    assert isinstance(
        fails(client, transport, answer({"errcode": 404, "errmsg": "请求的URI地址不存在"})), e.CallerMistake
    )


# --- partial failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("invalidStaffIdList", e.OutOfVisibleRange),
        ("filteredStaffIdList", e.OutOfVisibleRange),
        ("flowControlledStaffIdList", e.RecipientTooFrequent),
    ],
)
def test_somebody_in_a_list_did_not_get_it(client: Client, transport: Answers, name: str, kind: type[PlatformError]):
    error = fails(client, transport, answer({"processQueryKey": "k", name: [LIN]}))
    assert type(error) is kind


def delivered(*results: Any) -> Answer:
    return answer({"success": True, "result": {"outTrackId": "r", "deliverResults": list(results)}})


def test_an_error_text_beside_a_success_means_nothing(client: Client, transport: Answers):
    transport.waiting.append(delivered({"success": True, "carrierId": "c1", "errorMsg": "SYSTEM_ERROR"}))
    assert client.create_and_deliver(CARD) == "c1"


@pytest.mark.parametrize(
    ("card", "results", "kind"),
    [
        (CARD, [], e.CardUndelivered),
        (CARD, [{"success": False, "errorMsg": "SYSTEM_ERROR"}], e.CardUndelivered),
        (CARD, [{"success": False, "errorMsg": "user is not visible"}], e.OutOfVisibleRange),
        (CARD, [{"success": False, "errorMsg": "chatbotNotFound"}], e.RobotMissing),
        (GROUP_CARD, [{"success": False, "errorMsg": "chatbotNotInstall"}], e.CoolAppMissing),
        (GROUP_CARD, [{"success": "false", "errorMsg": ""}], e.CardUndelivered),
        (GROUP_CARD, [{"success": False, "errorMsg": "system_busy"}], e.CardUndelivered),
        (GROUP_CARD, [{"success": False, "errorMsg": "the group takes no cards"}], e.CardRefusedByGroup),
        (GROUP_CARD, ["?"], AnswerNotUnderstood),
        (GROUP_CARD, [{"success": False, "errorMsg": "\ud800 SYSTEM_ERROR"}], e.CardUndelivered),
    ],
)
def test_a_card_that_was_not_put_there_is_a_failure(
    client: Client, transport: Answers, card: Any, results: Any, kind: type[PlatformError]
):
    transport.waiting.append(delivered(*results))
    with pytest.raises(PlatformError) as failure:
        client.create_and_deliver(card)
    assert type(failure.value) is kind


@pytest.mark.parametrize("result", ["ref", 1, True, ["x"], {"deliverResults": "x"}, {"deliverResults": {"a": 1}}])
def test_a_result_of_another_shape_is_not_understood(client: Client, transport: Answers, result: Any):
    transport.waiting.append(answer({"success": True, "result": result}))
    with pytest.raises(AnswerNotUnderstood):
        client.create_and_deliver(CARD)


@pytest.mark.parametrize("kind", [e.CardUndelivered, e.CardRefusedByGroup])
def test_a_card_for_one_chat_is_no_sign_of_an_outage(kind: type[PlatformError]):
    assert not is_outage(kind("said"))


@pytest.mark.parametrize("result", [False, "false"])
def test_a_change_that_was_not_made_is_a_failure(client: Client, transport: Answers, result: Any):
    transport.waiting.extend([answer({"success": True, "result": result}), answer({"success": True, "result": True})])
    with pytest.raises(AnswerNotUnderstood):
        client.update_card({"outTrackId": "r"})
    client.update_card({"outTrackId": "r"})


def test_a_card_that_exists_is_put_there_without_its_content(client: Client, transport: Answers):
    transport.waiting.append(answer({"success": True, "result": [{"success": "true", "carrierId": "c2"}]}))
    assert client.deliver(CARD | {"cardTemplateId": "t", "cardData": {}, "imRobotOpenDeliverModel": {"a": 1}}) == "c2"
    assert transport.asked[-1][2] == CARD | {"imRobotOpenDeliverModel": {"a": 1}}


# --- names --------------------------------------------------------------------------------------------------------


def test_the_cool_app_is_named_where_there_is_one(client: Client, transport: Answers):
    transport.waiting.extend([answer({"processQueryKey": "k"})] * 2)
    client.send_to_group("cid==", "sampleText", {"content": "x"}, {"cool_app_code": "COOLAPP-1-A", "robot_code": "rb"})
    assert (transport.asked[-1][2]["coolAppCode"], transport.asked[-1][2]["robotCode"]) == ("COOLAPP-1-A", "rb")
    client.send_to_group("cid==", "sampleText", {"content": "x"}, {})
    assert "coolAppCode" not in transport.asked[-1][2]
    assert transport.asked[-1][2]["robotCode"] == SETTINGS.client_id


def test_a_made_up_company_is_no_outage(client: Client, transport: Answers):
    transport.waiting.append(answer({"code": "unknownError", "message": "未知错误", "requestid": "r"}, 500))
    with pytest.raises(e.CorpMismatch):
        client.prove_corp()


def test_only_a_member_of_the_company_has_an_id_here(client: Client, transport: Answers):
    gone = answer({"errcode": 60121, "errmsg": "找不到该用户"})
    outside = answer({"errcode": 0, "result": {"contact_type": 1, "userid": "x"}})
    inside = answer({"errcode": 0, "result": {"contact_type": 0, "userid": "Lin0001"}})
    transport.waiting.extend([gone, outside, inside])
    assert [client.get_user_id_by_union_id("u") for _ in range(3)] == [None, None, "Lin0001"]
