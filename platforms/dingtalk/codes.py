"""Which error a code of DingTalk's stands for, as data, and how an answer becomes that error.

https://open.dingtalk.com/document/development/server-api-error-codes-1
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from platforms.dingtalk import errors as e
from platforms.errors import PlatformError
from platforms.redaction import redacted

_DENIED = "Forbidden.AccessDenied."

ERRORS: dict[str, type[PlatformError]] = {
    # the platform itself
    **dict.fromkeys(("-1", "system.error", "system.busy", "systemError", "server.error", "unknownError"), e.Busy),
    **dict.fromkeys(("15", "88"), e.GatewayTimeout),
    "unknown.send.result": e.ResultUnknown,
    **dict.fromkeys(
        ("90018", f"{_DENIED}QpsLimitForAppkeyAndApi", "qps.exceed.limit", "90005", "90006"), e.TooFrequent
    ),
    **dict.fromkeys((f"{_DENIED}QpmLimitForAppkeyAndApi", "143103", "143104", "410100"), e.TooFrequentThisMinute),
    **dict.fromkeys(("send.too.fast", "too.many.people", "too.many.group"), e.RecipientTooFrequent),
    "flowControlledStaffIdList": e.RecipientTooFrequent,
    **dict.fromkeys(("90002", f"{_DENIED}QpsLimitForApi", "90001", "90003", "90004"), e.ApiBlocked),
    **dict.fromkeys(("1111", "HTML"), e.AddressBlocked),
    **dict.fromkeys(("90020", f"{_DENIED}ApiCountLimitForOrg", "20001"), e.MonthlyQuotaUsed),
    # who we are
    **dict.fromkeys(("invalidClientIdOrSecret", "40096", "40089", "40001"), e.SecretInvalid),
    **dict.fromkeys(("invalid.client", "unauthorized.client"), e.CorpMismatch),
    **dict.fromkeys(("40013", "41002", "52010"), e.CorpIdInvalid),
    **dict.fromkeys(("40056", "41011", "52019"), e.AgentIdInvalid),
    **dict.fromkeys(("InvalidAuthentication", "401", "40014", "42001"), e.TokenRejected),
    **dict.fromkeys(("60020", f"{_DENIED}IpNotInWhiteList"), e.IpNotAllowed),
    **dict.fromkeys(("60011", f"{_DENIED}AccessTokenPermissionDenied"), e.PermissionMissing),
    **dict.fromkeys(("40079", "41030", "52021"), e.NotAuthorised),
    **dict.fromkeys(("50003", "50005"), e.AppStopped),
    **dict.fromkeys(("ding.receivercount.limit", "ding.serverquota.insufficient"), e.FeatureMissing),
    **dict.fromkeys(("phoneding.reachlimit", "function.not.open", "grayControlDenied"), e.FeatureMissing),
    # whom we reach
    **dict.fromkeys(("60121", "33012", "60111", "40003", "40031", "staffId.notExisted"), e.UserGone),
    **dict.fromkeys(("param.userIdNotExist", "param.user.notexist"), e.UserGone),
    **dict.fromkeys(("invalidStaffIdList", "filteredStaffIdList"), e.OutOfVisibleRange),
    **dict.fromkeys(("50002", "50004", "41044"), e.OutOfContacts),
    **dict.fromkeys(("60003", "40009", "60019"), e.DepartmentGone),
    **dict.fromkeys(("resource.not.found", "chatbotNotFound", "robotCode.empty", "400106"), e.RobotMissing),
    **dict.fromkeys(("chatbotId.notAllow.sendOTO", "robot.oto.notExist", "not.allowed.robotCode"), e.RobotMissing),
    **dict.fromkeys(("miss.chatbotId", "invalidParameter.robotCode"), e.RobotMissing),
    **dict.fromkeys(("bot.stopped", "template.stopped", "template.not.existed", "400102"), e.RobotStopped),
    # group chats
    **dict.fromkeys(("group.disbanded", "400013", "chat.notExist", "group.nonexist"), e.ChatGone),
    **dict.fromkeys(("invalidParameter.robotCode.coolApp", "coolAppUninstalled"), e.CoolAppMissing),
    **dict.fromkeys(("chat.coolApp.notInstalled", "coolAppNotInstalled", "chatbotNotInstall"), e.CoolAppMissing),
    "resource.unavailable": e.CoolAppMissing,
    **dict.fromkeys(("coolAppUnexist", "coolAppPermissionDenied"), e.CoolAppCodeWrong),
    **dict.fromkeys(("permission.coolApp.checkFailed", "coolAppCode.empty"), e.CoolAppCodeWrong),
    **dict.fromkeys(("groupPermissionDenied", "groupTemplatePermissionDenied"), e.ForeignGroup),
    **dict.fromkeys(("conversation.org.notMatch", "conversation.org.dismatch", "org.notOwn.group"), e.ForeignGroup),
    "permession.checkFailed": e.GroupOwnerOutOfRange,
    "member.notFound": e.GroupMemberRefused,
    "member.exceed": e.GroupFull,
    "groupTemplate.notFound": e.GroupTemplateWrong,
    **dict.fromkeys(("send.forbidden", "bot.forbidden.sendMessage", "only.groupAdmin.canAtAll"), e.ChatMuted),
    **dict.fromkeys(("invalid.openConversationId", "miss.openConversationId", "cidEncryptError"), e.ChatIdRefused),
    **dict.fromkeys(("cidParse.wrong", "param.openSpaceIdInvalid"), e.ChatIdRefused),
    # what we send
    **dict.fromkeys(("invalidParameter.msgParam.tooLong", "45002", "41101"), e.ContentTooBig),
    **dict.fromkeys(("contain.unsafe.url", "40048", "430101"), e.LinkRefused),
    **dict.fromkeys(("param.contentUnsafe", "41049", "60022", "430102", "430103", "430104"), e.ContentReviewed),
    **dict.fromkeys(("param.templateNotExist", "cardTemplate.not.exist", "cardTemplateInvalid"), e.TemplateWrong),
    "param.cardTemplateIdEmpty": e.TemplateWrong,
    "param.templateUnpublished": e.TemplateUnpublished,
    **dict.fromkeys(("param.cardNotExist", "cardInstance.notExist"), e.CardGone),
    "param.cardAlreadyExist": e.CardExists,
    **dict.fromkeys(("param.openDeliverModelError", "param.openDeliverModelEmpty"), e.DeliverModelRefused),
    **dict.fromkeys(("param.openSpaceModelInvalid", "param.openSpaceModellnvalid"), e.DeliverModelRefused),
    **dict.fromkeys(("param.callbackRouteKeyExist", "system.updateCallbackFailed"), e.RouteTaken),
    **dict.fromkeys(("143105", "143106"), e.NoticeDropped),
    **dict.fromkeys(("processQueryKey.expireTime", "robot.processQueryKey.expired"), e.MessageExpired),
    **dict.fromkeys(("AuthenticationFailed.MissingParameter", "41001", "43007", "40000"), e.CallerMistake),
    **dict.fromkeys(("22", "404", "43001", "43002", "43004", "43009", "40035", "400002", "40105"), e.CallerMistake),
    **dict.fromkeys(("400105", "paramIllegal", "paramBlank", "parameter.invalid", "parameter.error"), e.CallerMistake),
    **dict.fromkeys(("invalid.processQueryKey", "unsupported.grant.type"), e.CallerMistake),
    # addresses and sign-in
    **dict.fromkeys(("40078", "42008", "40102", "41026", "invalidParameter.authCode.notFound"), e.CodeExpired),
    "50001": e.RedirectRefused,
    **dict.fromkeys(("52011", "52012", "52013", "52014", "52015", "52017", "52018", "52022"), e.JsapiRefused),
    **dict.fromkeys(("71009", "71010", "71011", "71012", "71013"), e.CallbackUrlRefused),
    **dict.fromkeys(("400050", "400051", "400052", "400053", "400054"), e.CallbackUrlRefused),
    **dict.fromkeys(
        ("900004", "900005", "900006", "900007", "900008", "900009", "900010"),
        e.CallbackUrlRefused,
    ),
}
"""Code → class: a number of the old family as text, or a word of the new one."""

FAMILIES: tuple[tuple[str, type[PlatformError]], ...] = (
    ("invalidParameter.robotCode.", e.RobotMissing),
    ("invalidParameter.", e.CallerMistake),
    ("miss.param.", e.CallerMistake),
    ("contain.notAllowed.", e.ContentReviewed),
    ("groupTemplate.permessionDenied.", e.GroupTemplateWrong),
    ("param.", e.CallerMistake),
    ("Missing", e.CallerMistake),
)
"""Beginnings of codes that are not listed one by one, the more special first."""

NEEDS_COOL_APP = "酷应用"
SEEN_IP = re.compile(r"request ip ?= ?([0-9a-fA-F.:]{2,45})")
SCOPE = re.compile(r"\[([A-Za-z0-9_.,]{1,200})\]")
UNKNOWN = "?"


def kind_of(code: str, message: str = "") -> type[PlatformError] | None:
    """The class of a code; None for one that is not documented.

    One code has two meanings, told apart by its text only: another application's robot, or a cool app not named.
    """
    if code == "invalidParameter.robotCode.auth" and NEEDS_COOL_APP in message:
        return e.CoolAppCodeWrong
    listed = ERRORS.get(code)
    return listed or next((kind for begin, kind in FAMILIES if code.startswith(begin)), None)


def from_answer(
    code: str,
    message: str,
    *,
    scopes: tuple[str, ...] = (),
    raw: str = "",
    http_status: int | None = None,
    waits: timedelta | None = None,
) -> PlatformError:
    """The typed error for a code; what DingTalk said is kept, without secrets.

    scopes  the permission points that the answer names beside its text
    waits   how long the answer's headers ask to wait
    """
    kind = kind_of(code, message) or e.DingTalkError
    extra: dict[str, Any] = {}
    if kind is e.IpNotAllowed:
        extra = {"ip": seen_ip(message) or UNKNOWN}
    elif kind is e.PermissionMissing:
        extra = {"scope": ", ".join(scopes) or named_scope(message) or UNKNOWN}
    said = redacted(message.strip())
    return kind(
        said,
        platform_code=code,
        platform_message=said,
        http_status=http_status,
        raw=raw,
        retry_after=waits or getattr(kind, "waits", None),
        **extra,
    )


def seen_ip(message: str) -> str:
    """The address that DingTalk saw, out of `… request ip=203.0.113.7 appKey(…)`; empty if it does not say."""
    found = SEEN_IP.search(message)
    return found[1].strip(".:") if found else ""


def named_scope(message: str) -> str:
    """The permission point of `应用尚未开通所需的权限：[qyapi_…]`; empty if there is none."""
    found = SCOPE.search(message)
    return found[1] if found else ""
