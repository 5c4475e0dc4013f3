"""The envelope of the send-message API: always {success, message, code, result, timestamp}, in Chinese.

Its words are part of the interface: existing clients of it compare them. Failures of the matter are HTTP 200.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify

from models import Delivery, DeliveryState
from services import failures
from services.text_messages import Receiver
from services.wording import say, speaking
from texts import Text

OK, FAILED, NO_RIGHT, TOKEN, TOO_FREQUENT = 200, 500, 510, 401, 429
UNANSWERED = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.RETRYING)
NOT_LINKED = failures.FAILURES["app_not_linked"].label
NOT_ASKED = -1
"""errcode of what failed here, so that the platform was not asked."""


class Refused(Exception):
    """Ends the request with a failure. code: of the envelope, http: the status, 200 for failures of the matter."""

    def __init__(self, message: str, *, code: int = FAILED, http: int = 200, wait: int = 0) -> None:
        super().__init__(message)
        self.message, self.code, self.http, self.wait = message, code, http, wait


@dataclass(frozen=True)
class Voice:
    locale: str
    timezone: str


CHINESE = Voice("zh_CN", "Asia/Shanghai")
"""How answers are spoken, whatever the reader's language."""


def envelope(message: str, *, code: int = OK, http: int = 200, result: Any = None) -> Response:
    made = jsonify(success=code == OK, message=message, code=code, result=result, timestamp=time.time_ns() // 1_000_000)
    made.status_code = http
    return made


def refusal(error: Refused) -> Response:
    made = envelope(error.message, code=error.code, http=error.http)
    if error.wait:
        made.headers["Retry-After"] = str(error.wait)
    return made


def outcome(receivers: Sequence[Receiver], deliveries: Mapping[int, Delivery]) -> Response:
    """What became of each receiver. It failed if it failed for all; what is on its way counts as accepted."""
    with speaking(CHINESE):
        rows = [_row(receiver, deliveries.get(receiver.delivery_id or 0)) for receiver in receivers]
    failed = [row for row in rows if row["state"] == DeliveryState.FAILED.value]
    refused = _first_of(receivers, deliveries, DeliveryState.FAILED)
    result = _platform_words(deliveries.values(), refused if len(failed) == len(rows) else None)
    result["invaliduser"] = "|".join(row["username"] for row in failed)
    result["deliveries"] = rows
    if len(failed) == len(rows):
        message = failed[0]["message"] if failed else NOT_LINKED
        result["errmsg"] = result["errmsg"] or message
        return envelope(message, code=FAILED, result=result)
    return envelope(_message(rows, failed), result=result)


def in_chinese(text: Text) -> str:
    with speaking(CHINESE):
        return say(text)


def _message(rows: Sequence[Mapping[str, Any]], failed: Sequence[Any]) -> str:
    if failed:
        return "部分发送成功"
    return "已受理，正在发送" if any(row["state"] in UNANSWERED for row in rows) else ""


def _row(receiver: Receiver, delivery: Delivery | None) -> dict[str, Any]:
    if delivery is None:
        state = DeliveryState.FAILED.value
        return {"username": receiver.username, "state": state, "message": f"用户 {receiver.username} 不存在"}
    row: dict[str, Any] = {"username": receiver.username, "state": delivery.state.value}
    if (reason := failures.label(delivery)) is not None:
        row |= {"failure_code": delivery.failure_code, "message": say(reason)}
    return row


def _first_of(
    receivers: Sequence[Receiver], deliveries: Mapping[int, Delivery], state: DeliveryState
) -> Delivery | None:
    found = (deliveries.get(receiver.delivery_id or 0) for receiver in receivers)
    return next((delivery for delivery in found if delivery and delivery.state is state), None)


def _platform_words(deliveries: Any, refused: Delivery | None) -> dict[str, Any]:
    """errcode, errmsg and msgid as the platform gives them for one message."""
    if refused is None:
        arrived = next((one for one in deliveries if one.platform_message_id), None)
        return {"errcode": 0, "errmsg": "ok", "msgid": arrived.platform_message_id if arrived else ""}
    error = failures.error_of(refused)
    code = (error.platform_code if error else None) or ""
    errcode = int(code) if code.lstrip("-").isdecimal() else (code or NOT_ASKED)
    return {"errcode": errcode, "errmsg": error.platform_message if error else "", "msgid": ""}
