"""What DingTalk's two API families answered: an object, or the typed error. HTTP 200 alone never is a success."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from platforms.dingtalk import codes
from platforms.dingtalk.errors import Busy, CardRefusedByGroup, CardUndelivered, GatewayTimeout, OutOfVisibleRange
from platforms.errors import AnswerNotUnderstood, PlatformError
from platforms.http import Answer, accepted, retry_after
from platforms.redaction import raw_excerpt

TEMPORARY = ("SYSTEM_ERROR", "SYSTEM_BUSY", "TIMEOUT", "UNKNOWN")
"""Words of an errorMsg after which the same delivery may succeed."""

Json = dict[str, Any]


def judged(answer: Answer) -> Json:
    """The new family's answer, if it is one: status 200, no code, and where it says `success` then true."""
    content = _object(answer)
    code = content.get("code")
    if code is None and "errcode" in content:  # an unknown address is answered as by the old family
        return judged_old(answer)
    if code is not None or answer.status >= 400:
        raise _failure(answer, str(code or answer.status), str(content.get("message") or ""), content)
    if answer.status != 200 or str(content.get("success", True)).lower() != "true":
        raise AnswerNotUnderstood("not a success", http_status=answer.status, raw=answer.excerpt())
    return content


def judged_old(answer: Answer) -> Json:
    """The old family's answer, if its errcode is 0; within 88 the sub code is the one that counts."""
    content = _object(answer)
    errcode, sub_code = str(content.get("errcode", "")), str(content.get("sub_code") or "")
    if errcode == "0" and answer.status == 200:
        return content
    if not re.fullmatch(r"-?[0-9]{1,9}", errcode) or errcode == "0":
        raise AnswerNotUnderstood("no errcode", http_status=answer.status, raw=answer.excerpt())
    is_wrapped = errcode == "88" and bool(sub_code)
    said = str((content.get("sub_msg") if is_wrapped else "") or content.get("errmsg") or "")
    raise _failure(answer, sub_code if is_wrapped else errcode, said, content)


def _object(answer: Answer) -> Json:
    """The answer's JSON object. A page instead means that this server's address is blocked for some minutes."""
    if answer.status < 500 and answer.body.lstrip()[:1] == b"<":
        raise codes.from_answer("HTML", "", raw=answer.excerpt(), http_status=answer.status)
    if answer.status >= 400 and answer.body.lstrip()[:1] != b"{":
        _check_status(answer)
    content = answer.json()
    if content.get("status") == 1111:
        raise codes.from_answer("1111", "", raw=answer.excerpt(), http_status=answer.status)
    return content


def _failure(answer: Answer, code: str, said: str, content: Json) -> PlatformError:
    """The typed error; for a code that nobody documents, or "busy" with the status of a limit, the status decides."""
    kind = codes.kind_of(code, said)
    if kind is None or (kind is Busy and answer.status == 429):
        _check_status(answer)
    details = content.get("accessdenieddetail") or {}
    scopes = details.get("requiredScopes") if isinstance(details, dict) else None
    named = tuple(str(scope) for scope in scopes) if isinstance(scopes, list) else ()
    waits = retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC))
    return codes.from_answer(code, said, scopes=named, raw=answer.excerpt(), http_status=answer.status, waits=waits)


def _check_status(answer: Answer) -> None:
    """Raise what HTTP alone explains."""
    if answer.status == 401:
        raise codes.from_answer("401", "", raw=answer.excerpt(), http_status=answer.status)
    if answer.status == 504:
        raise GatewayTimeout("HTTP 504", platform_code=504, http_status=answer.status, raw=answer.excerpt())
    accepted(answer)


def delivered(results: Any, space: str) -> str:
    """The carrier's id of the one delivery that was asked for. Status 200 says nothing about it."""
    if not results:
        raise CardUndelivered("no result", platform_code="deliverResults", platform_message="")
    result = results[0] if isinstance(results, list) else None
    if not isinstance(result, dict):
        raise AnswerNotUnderstood("deliverResults", raw=excerpt(results))
    if str(result.get("success")).lower() == "true":
        return str(result.get("carrierId") or "")
    said, raw = str(result.get("errorMsg") or ""), excerpt(result)
    if codes.kind_of(said) is not None:
        raise codes.from_answer(said, said, raw=raw)
    is_person = "IM_ROBOT" in space
    if any(word in said.upper() for word in TEMPORARY) or not (said or is_person):
        raise CardUndelivered(said, platform_code="deliverResults", platform_message=said, raw=raw)
    kind = OutOfVisibleRange if is_person else CardRefusedByGroup
    raise kind(said, platform_code=said or "deliverResults", platform_message=said, raw=raw)


def text(content: Json, name: str) -> str:
    """A value without which the answer is none."""
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise AnswerNotUnderstood(f"no {name}", raw=excerpt({"keys": sorted(content)}))
    return value


def result_of(content: Json) -> Json:
    result = content.get("result")
    if not isinstance(result, dict):
        raise AnswerNotUnderstood("no result")
    return result


def excerpt(content: Any) -> str:
    return raw_excerpt(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
