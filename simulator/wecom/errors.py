"""WeCom's error numbers: the English text of each, how an error looks on the wire, and the uncertain pairings.

https://developer.work.weixin.qq.com/document/path/90313
"""

from __future__ import annotations

import secrets
import time
from typing import Any

TEXTS = {
    40080: "invalid suite_secret",
    40083: "invalid suite_id",
    41021: "missing suite_id",
    41023: "missing suite_secret",
    41024: "missing suite_ticket",
    -1: "system busy",
    6000: "data version conflict",
    40001: "invalid credential",
    40003: "invalid userid",
    40008: "invalid message type",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40029: "invalid code",
    40031: "invalid user list",
    40032: "invalid user list size",
    40033: "invalid request character",
    40035: "invalid parameter",
    40039: "invalid url length",
    40050: "invalid chatid",
    40056: "invalid agentid",
    40057: "invalid callbackurl",
    40058: "invalid Request Parameter",
    40063: "some parameters are empty",
    40077: "invalid pre_auth_code",
    40078: "invalid auth_code",
    40082: "invalid suite_acccess_token or provider_access_token",
    40084: "invalid permanent_code",
    40085: "invalid suite_ticket",
    40091: "invalid secret",
    40093: "invalid jsapi signature",
    40102: "invalid domain",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    41008: "missing code",
    41011: "agentid missing",
    42001: "access_token expired",
    42007: "pre_auth_code expired",
    42009: "suite_access_token expired",
    42012: "jsapi_ticket expired",
    42014: "invalid task_id",
    42022: "code expired",
    43004: "require POST method",
    43012: "callback url required",
    44004: "empty content",
    45002: "message content size out of limit",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    45034: "url has no scheme",
    46004: "no such user",
    48001: "api unauthorized",
    48002: "api forbidden",
    48004: "authorization relation cancelled",
    48006: "api permission withdrawn",
    48009: "api forbidden for new ip of contact sync",
    50001: "redirect_uri unauthorized",
    50002: "user out of visible range",
    50003: "app is disabled",
    60003: "department not found",
    60011: "no privilege to access/modify contact/party/agent ",
    60020: "not allow to access from your ip",
    60021: "user not in app's visible range",
    60030: "no privilege to department",
    60031: "api forbidden for app",
    60111: "userid not found",
    60123: "invalid party id",
    60140: "invalid response_code",
    80001: "domain not verified",
    81012: "recipient missing",
    81013: "user & party & tag all invalid",
    82001: "all touser & toparty & totag are empty",
    82002: "too many parties",
    82003: "too many tags",
    82004: "unsafe content",
    82101: "update target is empty",
    82102: "update target is not a receiver of the message",
    84014: "user_ticket expired",
    84015: "invalid user_ticket",
    84090: "user_ticket missing",
    85004: "too many domain settings",
    85005: "domain not verified",
    85008: "domain without ICP filing",
    85010: "callback url check failed",
    85011: "callback url unreachable",
    85111: "domain belongs to a provider",
    86001: "invalid chatid",
    86002: "chat update rejected",
    86003: "chatid not found",
    86004: "invalid chat name",
    86005: "invalid chat owner",
    86006: "invalid chat members",
    86007: "too many chats",
    86008: "chat of another app",
    86101: "chat creation failed",
    86207: "owner is not in userlist",
    86215: "chatid existed",
    86216: "invalid member id",
    92000: "department out of range",
    301002: "not allow operate another agent with this accesstoken.",
    301005: "creator cannot be deleted",
    301007: "corp dissolved",
    301042: "ip not allowed",
    701008: "no valid licence",
    701016: "licence inactive",
    701017: "licence transferred too often",
    701030: "licence duration too long",
    701071: "auto activation not allowed",
    701082: "licence renewal not due",
    701099: "no licence for all members",
    2000002: "invalid corpid",
}

# Which number answers which mistake, where the documents leave it open. Tests may change them; None accepts.
PAIRINGS: dict[str, int | None] = {
    "no_receiver": 82001,
    "markdown_too_long": 40058,
    "textcard_without_url": 40058,
    "url_without_scheme": 45034,
    "duplicate_interval_too_long": 40058,
    "bad_json": 40058,
    "form_body": 40063,
    "get_on_post_api": 40058,
    "missing_object": 40063,
    "unicode_escapes": None,
    "recall_too_old": 40058,
    "recall_of_other_app": 40058,
    "recall_twice": 40058,
    "callback_required": 43012,
    "task_id": 42014,
    "response_code": 60140,
    "update_by_other_app": 60140,
    "replace_name_on_notice": 40058,
    "no_update_target": 82101,
    "not_a_receiver": 82102,
    "foreign_code": 50001,
    "chat_range": 60011,
    "all_unlicensed": 81013,
}


class ApiError(Exception):
    """A refusal. detail stands before the number's text; extra joins the JSON body."""

    def __init__(self, code: int, detail: str = "", extra: dict[str, Any] | None = None, tail: str = "") -> None:
        super().__init__(f"{code} {detail}")
        self.code, self.detail, self.extra, self.tail = code, detail, extra or {}, tail


def bad_parameter(detail: str) -> ApiError:
    """40058 with its reason, as in `text.content exceed max length 5120. invalid Request Parameter`."""
    return ApiError(40058, detail)


def error_body(error: ApiError, client_ip: str) -> dict[str, Any]:
    """The JSON of a refusal, with the hint and the caller's address that WeCom adds."""
    text = TEXTS.get(error.code, "unknown error")
    detail = f"{error.detail}. " if error.detail else ""
    hint = f"{int(time.time() * 1000)}{secrets.randbelow(10**12):012d}"
    more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={error.code}"
    message = f"{detail}{text}, hint: [{hint}], from ip: {client_ip}, {more}{error.tail}"
    return {"errcode": error.code, "errmsg": message, **error.extra}
