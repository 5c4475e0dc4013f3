"""Feishu's error numbers, the HTTP status and text of each, and how a refusal looks on the wire.

https://open.feishu.cn/document/ukTMukTMukTM/ugjM14COyUjL4ITN
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

TEXTS: Mapping[int, tuple[int, str]] = {
    2200: (500, "Internal Error"),
    99991400: (429, "request trigger frequency limit"),
    99991401: (400, "ip {ip} is denied by app setting"),
    99991403: (429, "This month's API call quota has been exceeded"),
    99991661: (400, "Missing access token for authorization. Please make a request with token attached."),
    99991662: (400, "app is not in use"),
    99991663: (400, "Invalid access token for authorization. Please make a request with token attached."),
    99991668: (400, "Invalid access token for authorization. Please make a request with token attached."),
    99991671: (400, "token type is not supported by this api"),
    99991673: (400, "app is not installed or not enabled in this tenant"),
    99992351: (400, "The open_id is not exist"),
    99992356: (400, "The chat_id is not exist"),
    99992360: (400, "The user_id is not exist"),
    99992361: (400, "open_id cross app"),
    99992364: (400, "The union_id is not exist"),
    99992402: (400, "field validation failed"),
    9499: (400, "Bad Request"),
    230001: (400, "Your request contains an invalid request parameter, ext={ext}."),
    230002: (400, "Bot/User can NOT be out of the chat."),
    230006: (400, "Bot ability is not activated."),
    230009: (400, "This message can NOT be recalled as it is over the time limit."),
    230011: (400, "The message was recalled."),
    230013: (400, "Bot has NO availability to this user."),
    230018: (400, "The operation is forbidden by the group settings."),
    230020: (400, "This operation triggers the frequency limit."),
    230022: (400, "The content of the message contains sensitive information."),
    230025: (400, "The length of the message content reaches its limit."),
    230026: (400, "No permission to recall this message."),
    230027: (400, "Lack of necessary permissions."),
    230029: (400, "User has resigned."),
    230031: (400, "The message is sent more than 14 days ago."),
    230049: (400, "The message is being sent."),
    230050: (400, "The message is invisible to the operator."),
    230053: (400, "The user has stopped the bot from sending messages."),
    230099: (400, "Failed to create card content, ext={ext}"),
    230110: (400, "Action unavailable as the message has been deleted."),
    232001: (400, "Your request contains an invalid request parameter."),
    232006: (400, "Your request specifies a chat_id which is invalid."),
    232009: (400, "Your request specifies a chat which has already been dissolved."),
    232010: (400, "Operator and chat can NOT be in different tenants."),
    232011: (400, "Operator can NOT be out of the chat."),
    232017: (400, "Operator is NOT the group owner, group manager or creator."),
    232021: (400, "Your request specifies a bot which is not found."),
    232022: (400, "The user has resigned."),
    232024: (400, "Users do not have the visibility of the app."),
    232043: (400, "Your request contains unavailable ids."),
    234001: (400, "Invalid request param."),
    234006: (400, "The file size exceed the max value."),
    234010: (400, "File's size can't be 0."),
    234011: (400, "Can't recognize the image format."),
    232025: (400, "Bot ability is not activated."),
    40003: (400, "internal error: department id invalid"),
    40004: (403, "no dept authority error"),
    40011: (400, "page size invalid error"),
    40012: (400, "page token invalid error"),
    41012: (400, "user id invalid error"),
    41050: (400, "no user authority error"),
    10002: (400, "param is invalid"),
    11311: (400, "card content is invalid"),
    200310: (400, "card is not sent by this app"),
    300020: (400, "card token is invalid"),
    300030: (400, "card token is expired"),
    300040: (400, "card token is used up"),
    300090: (400, "open_ids is required for an exclusive card"),
    20005: (200, "The user access token passed is invalid."),
    20008: (200, "The user does not exist."),
    20021: (200, "The user has resigned."),
    210504: (400, "no permission to read this app"),
}

CARD_TEXTS: Mapping[int, str] = {
    11310: "element exceeds the limit",
    100290: "at/person user id is invalid",
    200570: "image key is invalid",
    200621: "parse card json err",
    200830: "can not update a card of schema V2 with schema V1",
    200861: "cards of schema V2 no longer support this capability",
}


class ApiError(Exception):
    """A refusal. texts fill the number's sentence; error joins the body's `error`, headers the answer's headers."""

    def __init__(
        self, code: int, *, error: Json | None = None, headers: Mapping[str, str] | None = None, **texts: str
    ) -> None:
        status, text = TEXTS.get(code, (400, "unknown error"))
        self.code, self.status = code, status
        self.message = text.format_map(_Blank(texts))
        self.error, self.headers = error or {}, headers or {}
        super().__init__(f"{code} {self.message}")


class _Blank(dict[str, str]):
    """What a sentence is not told stays empty."""

    def __missing__(self, key: str) -> str:
        return ""


class CardRefused(Exception):
    """A card that cannot be shown. code: the sub-code; path: where in the card."""

    def __init__(self, code: int, path: str = "ROOT", *, message: str = "", value: str = "") -> None:
        self.code, self.path = code, path
        self.message, self.value = message or CARD_TEXTS.get(code, ""), value
        super().__init__(f"{code} {self.message} at {path}")

    def as_api_error(self) -> ApiError:
        value = f" ErrorValue: {self.value};" if self.value else ""
        ext = f"ErrCode: {self.code}; ErrPath: {self.path}; ErrMsg: {self.message};{value}"
        return ApiError(230099, ext=ext)


def bad_parameter(ext: str) -> ApiError:
    """230001 with the reason that the server adds."""
    return ApiError(230001, ext=ext)


def missing_fields(names: Iterable[str]) -> ApiError:
    """99992402 with a violation for each field."""
    rows = [{"field": name, "value": "", "description": f"{name} is required"} for name in names]
    return ApiError(99992402, error={"field_violations": rows})


def error_body(error: ApiError, log_id: str) -> Json:
    """The JSON of a refusal, with the id and the hint that Feishu adds."""
    hint = f"https://open.feishu.cn/search?from=openapi&log_id={log_id}&code={error.code}"
    details = {"log_id": log_id, "troubleshooter": f"排查建议查看（Troubleshooting suggestions）：{hint}"}
    return {"code": error.code, "msg": error.message, "error": details | error.error}
