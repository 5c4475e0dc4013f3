"""Every documented code is a typed error that says what to do."""

from __future__ import annotations

import pytest

from platforms.dingtalk.codes import ERRORS, from_answer, kind_of, seen_ip
from platforms.dingtalk.errors import CoolAppCodeWrong, DingTalkError, RobotMissing
from platforms.errors import PlatformError, recall, remember
from services.failures import FAILURES

_DENIED = "Forbidden.AccessDenied."
DOCUMENTED = [
    *("invalidClientIdOrSecret", "40096", "40089", "40001", "invalid.client", "unauthorized.client"),
    *("InvalidAuthentication", "40014", "42001", "AuthenticationFailed.MissingParameter", "41001", "43007", "40000"),
    *("60020", f"{_DENIED}IpNotInWhiteList", "60011", f"{_DENIED}AccessTokenPermissionDenied"),
    *("90018", f"{_DENIED}QpsLimitForAppkeyAndApi", f"{_DENIED}QpmLimitForAppkeyAndApi", "90005", "90006"),
    *("send.too.fast", "too.many.people", "too.many.group", "143103", "143104", "qps.exceed.limit"),
    *(
        "90002",
        f"{_DENIED}QpsLimitForApi",
        "90001",
        "90003",
        "90004",
        "90020",
        f"{_DENIED}ApiCountLimitForOrg",
        "20001",
    ),
    *("15", "88", "-1", "system.error", "system.busy", "systemError", "unknown.send.result", "1111"),
    *("40078", "42008", "40102", "invalidParameter.authCode.notFound", "40079", "41030"),
    *("60121", "33012", "60111", "40003", "staffId.notExisted", "param.userIdNotExist", "param.user.notexist"),
    *("50002", "50004", "60003", "40009", "40056", "41011", "52019", "40013", "41002", "52010", "50003", "50005"),
    *("52011", "52013", "50001", "invalidParameter.robotCode.empty", "invalidParameter.robotCode.notExsit"),
    *("invalidParameter.robotCode.auth", "resource.not.found", "chatbotNotFound", "robotCode.empty"),
    *("invalidParameter.robotCode.coolApp", "coolAppUninstalled", "chat.coolApp.notInstalled", "coolAppNotInstalled"),
    *("chatbotNotInstall", "resource.unavailable", "coolAppUnexist", "coolAppPermissionDenied"),
    *("permission.coolApp.checkFailed", "coolAppCode.empty", "groupPermissionDenied", "conversation.org.notMatch"),
    *("conversation.org.dismatch", "org.notOwn.group", "permession.checkFailed", "group.disbanded", "400013"),
    *("chat.notExist", "group.nonexist", "invalid.openConversationId", "cidEncryptError", "cidParse.wrong"),
    *("param.openSpaceIdInvalid", "bot.stopped", "template.stopped", "400102", "send.forbidden"),
    *("bot.forbidden.sendMessage", "only.groupAdmin.canAtAll", "invalidParameter.msgParam.tooLong", "45002", "41101"),
    *("contain.unsafe.url", "40048", "430101", "contain.notAllowed.text", "param.contentUnsafe", "41049", "60022"),
    *("430102", "430103", "430104", "param.templateNotExist", "cardTemplate.not.exist", "cardTemplateInvalid"),
    *("param.cardTemplateIdEmpty", "param.templateUnpublished", "param.cardNotExist", "cardInstance.notExist"),
    *("param.cardAlreadyExist", "param.openDeliverModelError", "param.openDeliverModelEmpty"),
    *("param.callbackRouteKeyExist", "143105", "143106", "ding.receivercount.limit", "ding.serverquota.insufficient"),
    *("phoneding.reachlimit", "function.not.open", "grayControlDenied", "processQueryKey.expireTime"),
    *("robot.processQueryKey.expired", "22", "404", "43001", "43002", "43009", "40035", "MissingcardData"),
    *("71009", "71010", "71011", "71012", "71013", "900004", "900005", "900010", "miss.param.contentOfText"),
    *("invalidParameter.userIds.overMax", "invalidParameter.msgKey.invalid", "param.empty", "Missingbody"),
]
KINDS = sorted(set(ERRORS.values()), key=lambda kind: kind.code)
MESSAGE = "访问ip不在白名单之中,request ip=203.0.113.7 appKey(dingxxx) 应用尚未开通所需的权限：[qyapi_robot_sendmsg]"


def answer(code: str) -> PlatformError:
    return from_answer(code, MESSAGE, raw="{}", http_status=400)


@pytest.mark.parametrize("code", sorted(set(DOCUMENTED) | ERRORS.keys()))
def test_a_documented_code_has_its_own_error(code):
    error = answer(code)
    assert type(error) is not DingTalkError
    assert error.platform_code == code
    assert error.message % error.params
    assert error.code.startswith("dingtalk.")
    assert not error.hint or error.hint % error.params


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_failure_is_one_that_deliveries_know(kind: type[PlatformError]):
    assert kind.failure in FAILURES
    assert not kind.uncertain or kind.retryable


def test_codes_are_not_shared():
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("code", ["99999", "nobody.knows", ""])
def test_an_unknown_code_shows_what_was_said(code):
    error = answer(code)
    assert type(error) is DingTalkError
    assert "request ip" in error.message % error.params
    assert kind_of(code) is None


def test_one_code_means_two_things():
    code = "invalidParameter.robotCode.auth"
    assert type(from_answer(code, "只有酷应用身份才可使用这个机器人")) is CoolAppCodeWrong
    assert type(from_answer(code, "此应用appkey和机器人robotCode不匹配")) is RobotMissing


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        (MESSAGE, "203.0.113.7"),
        ("访问ip不在白名单之中 request ip=2001:db8::1 appKey(x)", "2001:db8::1"),
        ("not allowed", ""),
        ("request ip=, more", ""),
    ],
)
def test_the_address_that_was_seen_is_read(text, ip):
    assert seen_ip(text) == ip


def test_the_address_is_offered_to_the_administrator():
    error = answer("60020")
    assert "203.0.113.7" in error.message % error.params
    assert "服务器出口IP" in error.hint


def test_the_missing_permission_is_named():
    assert answer("60011").params["scope"] == "qyapi_robot_sendmsg"
    named = from_answer(f"{_DENIED}AccessTokenPermissionDenied", "没有权限", scopes=("Card.Instance.Write",))
    assert named.params["scope"] == "Card.Instance.Write"


def test_secrets_in_an_answer_are_not_kept():
    error = from_answer("40001", 'bad access_token=abc "appSecret": "def" clientSecret=ghi')
    assert not {"abc", "def", "ghi"} & set(error.platform_message.replace("=", " ").replace('"', " ").split())


@pytest.mark.parametrize("code", ["40096", "60020", "90018", "99999"])
def test_an_error_can_be_kept_and_raised_again(code):
    error = answer(code)
    again = recall(remember(error))
    assert type(again) is type(error)
    assert again.message % again.params == error.message % error.params
