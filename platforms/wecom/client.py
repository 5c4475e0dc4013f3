"""Typed calls to WeCom's API: addresses, parameters and error codes, nothing of incidents.

Every method raises the PlatformErrors of wecom/errors.py and platforms/http.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platforms.base import TokenStore
from platforms.errors import AnswerNotUnderstood, RecipientUnreachable
from platforms.http import Transport
from platforms.redaction import raw_excerpt
from platforms.shortening import shorten
from platforms.wecom.calls import Caller, Credential, Json, names
from platforms.wecom.errors import OF_MESSAGES, AgentIdInvalid, LicenceMissing, OutOfVisibleRange
from platforms.wecom.licences import Desk
from platforms.wecom.settings import WeComSettings

TEXT_BYTES = 2048
DUPLICATE_SECONDS = 14400
EVERYBODY = "@all"
USER_ID = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


@dataclass(frozen=True)
class Sent:
    """What message/send answered. response_code: the right to update the card once within 72 hours."""

    message_id: str
    response_code: str | None


class Client(Caller):
    """One application's calls. The access token comes from the store; a rejected one is replaced once per call."""

    def __init__(self, settings: WeComSettings, api_base: str, tokens: TokenStore, transport: Transport) -> None:
        super().__init__(api_base, tokens, transport)
        self.settings = settings

    @property
    def licences(self) -> Desk | None:
        """A self-built application needs none."""
        return None

    # --- the token ------------------------------------------------------------------------------------------------

    def renew_token(self) -> None:
        """Fetch an access token now, to prove that the credentials fit."""
        credential = self._credential()
        self._tokens.renew(credential.kind, credential.fetch)

    def _credential(self) -> Credential:
        self._check_credentials()
        return Credential(self.settings.token_kind, "access_token", self._fetch_token)

    def _check_credentials(self) -> None:
        """Raise the PlatformError of what is missing to make any call."""
        self.settings.need("corp_id", "secret")

    def _fetch_token(self) -> tuple[str, int]:
        """GET gettoken → (token, lifetime in seconds). https://developer.work.weixin.qq.com/document/path/91039"""
        params = {"corpid": self.settings.corp_id, "corpsecret": self.settings.secret}
        return self._fetched(self._transport.get(f"{self._base}/cgi-bin/gettoken", params), "access_token")

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
        content = self._post_as(self._credential(), "message/send", body, meanings=OF_MESSAGES)
        _check_reached(user_id, content)
        return Sent(str(content.get("msgid") or ""), str(content.get("response_code") or "") or None)

    # --- group chats ----------------------------------------------------------------------------------------------

    def create_chat(self, chat_id: str, name: str, people: Sequence[str]) -> None:
        """Make a group chat of 2 to 2000 members, the application included; chat_id: ours, ≤ 32 letters and digits.

        Raises ChatExists, ChatMemberRefused. https://developer.work.weixin.qq.com/document/path/90245
        """
        users = [_checked(person) for person in people]
        self._post("appchat/create", {"chatid": chat_id, "name": name, "owner": users[0], "userlist": users})

    def update_chat(self, chat_id: str, *, name: str = "", add: Sequence[str] = ()) -> None:
        """Rename a chat of ours or add members. https://developer.work.weixin.qq.com/document/path/98913"""
        changes: Json = {"name": name} if name else {}
        changes |= {"add_user_list": [_checked(person) for person in add]} if add else {}
        self._post("appchat/update", {"chatid": chat_id} | changes)

    def get_chat(self, chat_id: str) -> list[str]:
        """The members of a chat of ours. Raises ChatGone. https://developer.work.weixin.qq.com/document/path/98914"""
        info = self._get("appchat/get", {"chatid": chat_id}).get("chat_info")
        if not isinstance(info, dict):
            raise AnswerNotUnderstood("no chat_info")
        return [str(person) for person in info.get("userlist") or ()]

    def dismiss_chat(self, chat_id: str) -> None:
        """Dissolve a chat of ours, on a private deployment."""
        self._post("appchat/dismiss", {"chatid": chat_id})

    def send_to_chat(self, chat_id: str, kind: str, content: Json) -> None:
        """Post to a chat of ours: text, textcard, markdown. Nothing comes back by which it could be changed.

        https://developer.work.weixin.qq.com/document/path/90248
        """
        self._post("appchat/send", {"chatid": chat_id, "msgtype": kind, kind: content, "safe": 0})

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

    def encrypt_user_ids(self, user_ids: list[str]) -> dict[str, str]:
        """The provider's view of members' plain ids, of at most 1000: plain → encrypted; unknown ones are left out.

        https://developer.work.weixin.qq.com/document/path/97062
        """
        content = self._post("batch/userid_to_openuserid", {"userid_list": user_ids})
        rows = content.get("open_userid_list") or []
        return {str(row["userid"]).lower(): str(row["open_userid"]) for row in rows}

    def get_agent(self) -> Json:
        """The application: name, visible range (allow_*), redirect_domain, home_url."""
        return self._get("agent/get", {"agentid": str(self._agent_id())})

    def _agent_id(self) -> int:
        self.settings.need("agent_id")
        if not (self.settings.agent_id.isascii() and self.settings.agent_id.isdecimal()):
            raise AgentIdInvalid("not a number", platform_message=self.settings.agent_id)
        return int(self.settings.agent_id)

    # --- the exchange ---------------------------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, str]) -> Json:
        return self._get_as(self._credential(), path, params)

    def _post(self, path: str, body: Json) -> Json:
        return self._post_as(self._credential(), path, body)


def _list(content: Json, name: str) -> list[Json]:
    listed = content.get(name)
    if not isinstance(listed, list):
        raise AnswerNotUnderstood(f"no {name}")
    return listed


def _text(content: str) -> Json:
    return {"msgtype": "text", "text": text_of(content), "enable_id_trans": 0}


def text_of(content: str) -> Json:
    """The `text` object, cut at a character."""
    return {"content": shorten(content, TEXT_BYTES, TEXT_BYTES)}


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


def _is_named(user_id: str, listed: Any) -> bool:
    return user_id.lower() in {name.lower() for name in names(listed)}
