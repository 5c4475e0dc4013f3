"""Typed calls to WeCom's API: addresses, parameters and error codes, nothing of incidents.

Every method raises the PlatformErrors of wecom/errors.py and platforms/http.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from platforms.base import TokenStore
from platforms.errors import AnswerNotUnderstood, RecipientUnreachable
from platforms.http import Answer, Transport
from platforms.redaction import raw_excerpt
from platforms.shortening import shorten
from platforms.wecom.errors import (
    AgentIdInvalid,
    LicenceMissing,
    NobodyReached,
    OutOfVisibleRange,
    TokenRejected,
    from_answer,
)
from platforms.wecom.settings import WeComSettings

TEXT_BYTES = 2048
DUPLICATE_SECONDS = 14400
MAX_TOKEN_BYTES = 512
EVERYBODY = "@all"
USER_ID = re.compile(r"[A-Za-z0-9_.@-]{1,64}")

Json = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """What message/send answered. response_code: the right to update the card once within 72 hours."""

    message_id: str
    response_code: str | None


class Client:
    """One application's calls. The access token comes from the store; a rejected one is replaced once per call."""

    def __init__(self, settings: WeComSettings, api_base: str, tokens: TokenStore, transport: Transport) -> None:
        self.settings = settings
        self._base = api_base.rstrip("/")
        self._tokens = tokens
        self._transport = transport

    # --- the token ------------------------------------------------------------------------------------------------

    def renew_token(self) -> None:
        """Fetch an access token now, to prove that the credentials fit."""
        self.settings.need("corp_id", "secret")
        self._tokens.renew(self.settings.token_kind, self._fetch_token)

    def _fetch_token(self) -> tuple[str, int]:
        """GET gettoken → (token, lifetime in seconds). https://developer.work.weixin.qq.com/document/path/91039"""
        params = {"corpid": self.settings.corp_id, "corpsecret": self.settings.secret}
        content = self._understood(self._transport.get(f"{self._base}/cgi-bin/gettoken", params))
        token, lifetime = content.get("access_token"), content.get("expires_in")
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_BYTES or not isinstance(lifetime, int):
            raise AnswerNotUnderstood("gettoken answered without a token")
        return token, lifetime

    # --- messages -------------------------------------------------------------------------------------------------

    def send_template_card(self, user_id: str, card: Json) -> Sent:
        """Send one card to one member.

        The same request within 4 hours is not received again, so a lost answer can be asked for once more.
        Raises OutOfVisibleRange, LicenceMissing when WeCom took the request but not the member, TaskIdTaken when
        the card's task_id was used before. https://developer.work.weixin.qq.com/document/path/90236
        """
        check = {"enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_SECONDS}
        return self._send(_checked(user_id), {"msgtype": "template_card", "template_card": card} | check)

    def send_text(self, user_id: str, content: str) -> Sent:
        """Send a text of at most 2048 bytes (longer is cut here, at a character)."""
        return self._send(_checked(user_id), _text(content))

    def send_text_to_everybody(self, content: str) -> Sent:
        """The same to all members in the application's visible range, by one call."""
        return self._send(EVERYBODY, _text(content))

    def update_template_card(self, user_id: str, response_code: str, card: Json) -> None:
        """Replace one member's card, using the code up. Raises ResponseCodeSpent when it cannot be used.

        https://developer.work.weixin.qq.com/document/path/94888
        """
        body = {"userids": [_checked(user_id)], "agentid": self._agent_id(), "response_code": response_code}
        content = self._post("message/update_template_card", body | {"template_card": card, "enable_id_trans": 0})
        _check_reached(user_id, content)

    def _send(self, user_id: str, message: Json) -> Sent:
        body = {"touser": user_id, "agentid": self._agent_id()} | message
        content = self._post("message/send", body)
        _check_reached(user_id, content)
        return Sent(str(content.get("msgid") or ""), str(content.get("response_code") or "") or None)

    # --- people and the application -------------------------------------------------------------------------------

    def get_user_id(self, code: str) -> str | None:
        """Who opened the page, or None for somebody outside the company. Raises CodeExpired.

        code is used up by this call. https://developer.work.weixin.qq.com/document/path/91023
        """
        user_id = self._get("auth/getuserinfo", {"code": code}).get("userid")
        return str(user_id) if user_id else None

    def get_user(self, user_id: str) -> Json:
        """A member's record as far as the application may see it (name, department)."""
        return self._get("user/get", {"userid": _checked(user_id)})

    def list_departments(self) -> list[Json]:
        """Every department of the visible range: id, name, parentid, order.

        https://developer.work.weixin.qq.com/document/path/90208
        """
        return _list(self._get("department/list", {}), "department")

    def list_members(self, department_id: str) -> list[Json]:
        """Who belongs to a department itself: userid, name. Raises DepartmentGone, OutOfVisibleRange.

        https://developer.work.weixin.qq.com/document/path/96259
        """
        return _list(self._get("user/simplelist", {"department_id": department_id}), "userlist")

    def get_agent(self) -> Json:
        """The application: name, visible range (allow_*), redirect_domain, home_url."""
        return self._get("agent/get", {"agentid": str(self._agent_id())})

    def get_api_domain_ips(self) -> list[str]:
        """Address ranges of the API, for an outgoing firewall. https://developer.work.weixin.qq.com/document/path/92520"""
        return [str(ip) for ip in self._get("get_api_domain_ip", {}).get("ip_list") or ()]

    def _agent_id(self) -> int:
        self.settings.need("agent_id")
        if not (self.settings.agent_id.isascii() and self.settings.agent_id.isdecimal()):
            raise AgentIdInvalid("not a number", platform_message=self.settings.agent_id)
        return int(self.settings.agent_id)

    # --- the exchange ---------------------------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, str]) -> Json:
        url = f"{self._base}/cgi-bin/{path}"
        return self._with_token(lambda token: self._transport.get(url, params | {"access_token": token}))

    def _post(self, path: str, body: Json) -> Json:
        url = f"{self._base}/cgi-bin/{path}"
        return self._with_token(lambda token: self._transport.post_json(url, body, {"access_token": token}))

    def _with_token(self, call: Callable[[str], Answer]) -> Json:
        """Call with a token; when WeCom ended it early (40014, 42001), with a new one, once."""
        self.settings.need("corp_id", "secret")
        kind = self.settings.token_kind
        token = self._tokens.get(kind, self._fetch_token)
        try:
            return self._understood(call(token))
        except TokenRejected:
            self._tokens.drop(kind, token)
        return self._understood(call(self._tokens.get(kind, self._fetch_token)))

    def _understood(self, answer: Answer) -> Json:
        """The answer's object, if its errcode is 0. A missing or odd errcode is not a success."""
        content = answer.json()
        errcode = content.get("errcode")
        if isinstance(errcode, bool) or not isinstance(errcode, int):
            raise AnswerNotUnderstood("no errcode", http_status=answer.status, raw=answer.excerpt())
        if errcode == 0 and answer.status == 200:
            return content
        if errcode == 0:
            raise AnswerNotUnderstood("HTTP status", http_status=answer.status, raw=answer.excerpt())
        raw, errmsg = answer.excerpt(), str(content.get("errmsg") or "")
        error = from_answer(errcode, errmsg, raw=raw, http_status=answer.status)
        if isinstance(error, NobodyReached) and _names(content.get("unlicenseduser")):
            raise LicenceMissing(error.detail, platform_code=errcode, platform_message=error.detail, raw=raw)
        raise error


def _list(content: Json, name: str) -> list[Json]:
    listed = content.get(name)
    if not isinstance(listed, list):
        raise AnswerNotUnderstood(f"no {name}")
    return listed


def _text(content: str) -> Json:
    return {"msgtype": "text", "text": {"content": shorten(content, TEXT_BYTES, TEXT_BYTES)}, "enable_id_trans": 0}


def _checked(user_id: str) -> str:
    """A single member's id. Anything else (`@all`, two ids joined by |) would reach people who were not meant."""
    if not USER_ID.fullmatch(user_id) or user_id.lower() == EVERYBODY:
        raise RecipientUnreachable("not a userid")
    return user_id


def _check_reached(user_id: str, content: Json) -> None:
    """Errcode 0 says that somebody was reached; the lists beside it say who was not."""
    raw = raw_excerpt(repr({name: content.get(name) for name in ("invaliduser", "unlicenseduser")}).encode())
    if _is_named(user_id, content.get("unlicenseduser")):
        raise LicenceMissing("unlicenseduser", platform_code="unlicenseduser", platform_message=user_id, raw=raw)
    if _is_named(user_id, content.get("invaliduser")):
        raise OutOfVisibleRange("invaliduser", platform_code="invaliduser", platform_message=user_id, raw=raw)


def _is_named(user_id: str, names: Any) -> bool:
    return user_id.lower() in {name.lower() for name in _names(names)}


def _names(names: Any) -> list[str]:
    """A list of userids: joined by | from sending, an array from updating."""
    found = names if isinstance(names, list) else str(names or "").split("|")
    return [str(name) for name in found if name]
