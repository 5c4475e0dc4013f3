"""WeCom's error numbers: the English text of each, how an error looks on the wire, and the uncertain pairings.

https://developer.work.weixin.qq.com/document/path/90313
"""

from __future__ import annotations

import secrets
import time
from typing import Any

TEXTS = {
    -1: "system busy",
    40001: "invalid credential",
    40003: "invalid userid",
    40008: "invalid message type",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40029: "invalid code",
    40031: "invalid user list",
    40032: "invalid user list size",
    40033: "invalid request character",
    40056: "invalid agentid",
    40058: "invalid Request Parameter",
    40063: "some parameters are empty",
    40082: "invalid suite_acccess_token or provider_access_token",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    41008: "missing code",
    41011: "agentid missing",
    42001: "access_token expired",
    42014: "invalid task_id",
    43012: "callback url required",
    43004: "require POST method",
    44004: "empty content",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    45034: "url has no scheme",
    46004: "no such user",
    48002: "api forbidden",
    48009: "api forbidden for new ip of contact sync",
    50001: "redirect_uri unauthorized",
    50003: "app is disabled",
    60003: "department not found",
    60011: "no privilege to access/modify contact/party/agent ",
    60020: "not allow to access from your ip",
    60111: "userid not found",
    60140: "invalid response_code",
    81013: "user & party & tag all invalid",
    82001: "all touser & toparty & totag are empty",
    82002: "too many parties",
    82003: "too many tags",
    82101: "update target is empty",
    82102: "update target is not a receiver of the message",
    84014: "user_ticket expired",
    84015: "invalid user_ticket",
    84090: "user_ticket missing",
    301002: "not allow operate another agent with this accesstoken.",
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
