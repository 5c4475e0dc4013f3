"""Typed calls to Feishu's API: addresses, parameters and error codes, nothing of incidents.

Every method raises the PlatformErrors of feishu/errors.py and platforms/http.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from platforms.base import TokenStore
from platforms.contacts import patiently
from platforms.errors import AnswerNotUnderstood, CardTooOld, GroupGone, RecipientUnreachable, SignInExpired
from platforms.feishu.cards import as_content
from platforms.feishu.errors import (
    AddressWrong,
    FeishuError,
    TokenRejected,
    UserTokenInvalid,
    from_answer,
)
from platforms.feishu.settings import FeishuSettings
from platforms.http import Answer, Form, Transport, accepted, retry_after
from platforms.shortening import plain, shorten

TEXT_CHARACTERS = 4000
MAX_TOKEN_BYTES = 8192
PAGE_SIZE = 100
MOST_PAGES = 100
UUID_HOURS = 1
OPEN_ID = re.compile(r"ou_[0-9A-Za-z_-]{1,64}")
CHAT_ID = re.compile(r"oc_[0-9A-Za-z_-]{1,64}")
MESSAGE_ID = re.compile(r"om_[0-9A-Za-z_-]{1,128}")
IMAGE_KEY = re.compile(r"img_[0-9A-Za-z_-]{3,200}")
IMAGE_SECONDS = 30 * 24 * 3600
"""How long an uploaded picture is trusted to be known there; then the same content is uploaded again."""
SIGN_IN_CODE = re.compile(r"[0-9A-Za-z_.-]{1,1024}")

Json = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """What sending answered. created_at: by Feishu's clock; of the first of several messages with one uuid."""

    message_id: str
    created_at: datetime | None


@dataclass(frozen=True)
class Listed:
    """What the pages of a list held. is_complete: False if Feishu said that there was more and did not say where."""

    items: list[Json]
    pages: int
    is_complete: bool


@dataclass(frozen=True)
class NotAdded:
    """Who was not put into a group. barred: left, or the application is not there for them; unknown: no such id."""

    barred: list[str]
    unknown: list[str]


class Client:
    """One application's calls. The tenant token comes from the store; a rejected one is replaced once per call."""

    def __init__(self, settings: FeishuSettings, api_base: str, tokens: TokenStore, transport: Transport) -> None:
        self.settings = settings
        self._base = f"{api_base.rstrip('/')}/open-apis"
        self._tokens = tokens
        self._transport = transport

    # --- the token ------------------------------------------------------------------------------------------------

    def renew_token(self) -> None:
        """Fetch a tenant token now, to prove that the credentials fit."""
        self.settings.need("app_id", "app_secret")
        self._tokens.renew(self.settings.token_kind, self._fetch_token)

    def _fetch_token(self) -> tuple[str, int]:
        """POST tenant_access_token/internal → (token, lifetime in seconds).

        Called with more than 30 minutes left Feishu gives the same token again; both of two stay valid.
        https://open.feishu.cn/document/ukTMukTMukTM/ukDNz4SO0MjL5QzM/auth-v3/auth/tenant_access_token_internal
        """
        credentials = {"app_id": self.settings.app_id, "app_secret": self.settings.app_secret}
        content = self._send("POST", "auth/v3/tenant_access_token/internal", credentials)
        token, lifetime = content.get("tenant_access_token"), content.get("expire")
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_BYTES or not isinstance(lifetime, int):
            raise AnswerNotUnderstood("the token call answered without a token")
        return token, lifetime

    # --- messages -------------------------------------------------------------------------------------------------

    def send_card(self, to: str, card: Json, uuid: str, *, is_group: bool) -> Sent:
        """Send one card to a person (open_id) or a group (chat_id).

        uuid  at most 50 characters; the same one within an hour is the same message, however often it is sent
        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/create
        """
        return self._send_message(to, "interactive", as_content(card), is_group, {"uuid": uuid})

    def send_text(self, to: str, text: str, *, is_group: bool, uuid: str = "") -> Sent:
        """Send a text; what Feishu would take for a mention, markup or a link in it becomes mere text.

        uuid  as for send_card; "": every call is a message of its own
        """
        lines = (plain(line).replace("](", "] (") for line in shorten(text, TEXT_CHARACTERS).splitlines())
        more = {"uuid": uuid} if uuid else {}
        return self._send_message(to, "text", as_content({"text": "\n".join(lines)}), is_group, more)

    def update_card(self, message_id: str, card: Json) -> None:
        """Replace a card of ours for everybody. Raises CardExpired after 14 days, MessageGone, CardLocked.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/patch
        """
        if not MESSAGE_ID.fullmatch(message_id):
            raise CardTooOld("not a message id")
        self._call("PATCH", f"im/v1/messages/{message_id}", {"content": as_content(card)})

    def upload_image(self, content: bytes, content_type: str) -> str:
        """Give Feishu a picture and return its image_key; what it was given within a month is not sent again.

        Raises ScopeMissing without im:resource.
        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/image/create
        """
        self.settings.need("app_id", "app_secret")
        digest = hashlib.sha256(f"{self.settings.app_id}\n".encode() + content).hexdigest()
        return self._tokens.get(f"picture:{digest[:24]}", lambda: self._upload_image(content, content_type))

    def _upload_image(self, content: bytes, content_type: str) -> tuple[str, int]:
        form = Form({"image_type": "message"}, ("image", "picture", content, content_type))
        key = _data(self._call("POST", "im/v1/images", form=form)).get("image_key")
        if not isinstance(key, str) or not IMAGE_KEY.fullmatch(key):
            raise AnswerNotUnderstood("uploading answered without an image_key")
        return key, IMAGE_SECONDS

    def _send_message(self, to: str, kind: str, content: str, is_group: bool, more: Json) -> Sent:
        _check_receiver(to, is_group)
        message = {"receive_id": to, "msg_type": kind, "content": content} | more
        wanted = {"receive_id_type": "chat_id" if is_group else "open_id"}
        data = _data(self._call("POST", "im/v1/messages", message, wanted))
        message_id = data.get("message_id")
        if not isinstance(message_id, str) or not message_id:
            raise AnswerNotUnderstood("sending answered without a message id")
        return Sent(message_id, _moment(data.get("create_time")))

    # --- groups ---------------------------------------------------------------------------------------------------

    def list_chats(self) -> Listed:
        """The groups that the robot is in, as far as Feishu names the next page when it says that there is one.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/chat/list
        """
        wanted = {"page_size": str(PAGE_SIZE), "sort_type": "ByCreateTimeAsc"}
        items: list[Json] = []
        for page in range(1, MOST_PAGES + 1):
            data = _data(self._call("GET", "im/v1/chats", params=wanted))
            items += _listed(data, "items")
            has_more, following = bool(data.get("has_more")), str(data.get("page_token") or "")
            if not has_more or following in {"", wanted.get("page_token")}:
                return Listed(items, page, is_complete=not has_more)
            wanted["page_token"] = following
        return Listed(items, MOST_PAGES, is_complete=False)

    def count_members(self, chat_id: str) -> int:
        """How many people are in a group, robots aside.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/chat/get
        """
        _check_receiver(chat_id, is_group=True)
        count = str(_data(self._call("GET", f"im/v1/chats/{chat_id}")).get("user_count", ""))
        if not (count.isascii() and count.isdecimal() and len(count) <= 6):
            raise AnswerNotUnderstood("user_count")
        return int(count)

    def create_chat(self, name: str, description: str, uuid: str) -> str:
        """Make a group that the robot owns, with nobody else in it; the same uuid within ten hours is the same group.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/chat/create
        """
        body = {"name": name, "description": description, "chat_mode": "group", "chat_type": "private"}
        data = _data(self._call("POST", "im/v1/chats", body, {"user_id_type": "open_id", "uuid": uuid}))
        chat_id = data.get("chat_id")
        if not isinstance(chat_id, str) or not CHAT_ID.fullmatch(chat_id):
            raise AnswerNotUnderstood("making a group answered without a chat id")
        return chat_id

    def add_to_chat(self, chat_id: str, people: Sequence[str]) -> NotAdded:
        """Add at most 50 people; those who can be are, the others come back.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/chat-members/create
        """
        _check_receiver(chat_id, is_group=True)
        for person in people:
            _check_receiver(person, is_group=False)
        wanted = {"member_id_type": "open_id", "succeed_type": "1"}
        data = _data(self._call("POST", f"im/v1/chats/{chat_id}/members", {"id_list": list(people)}, wanted))
        return NotAdded(_ids(data, "invalid_id_list"), _ids(data, "not_existed_id_list"))

    def dissolve_chat(self, chat_id: str) -> None:
        """Dissolve a group that the robot owns.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/chat/delete
        """
        _check_receiver(chat_id, is_group=True)
        self._call("DELETE", f"im/v1/chats/{chat_id}")

    # --- people ---------------------------------------------------------------------------------------------------

    def get_user(self, code: str, redirect_uri: str) -> Json:
        """Who a sign-in code stands for: open_id, union_id, tenant_key, name. The code is used up.

        redirect_uri  the one that the person was sent with; "" for a code of the client's own
        Raises CodeExpired, NotAvailable. https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/authen-v1/user_info/get
        """
        self.settings.need("app_id", "app_secret")
        if not SIGN_IN_CODE.fullmatch(code):
            raise SignInExpired("not a code")
        asked = {"grant_type": "authorization_code", "code": code}
        asked |= {"client_id": self.settings.app_id, "client_secret": self.settings.app_secret}
        asked |= {"redirect_uri": redirect_uri} if redirect_uri else {}
        granted = self._send("POST", "authen/v2/oauth/token", asked)
        try:
            return _data(self._send("GET", "authen/v1/user_info", token=str(granted.get("access_token") or "")))
        except TokenRejected as error:
            raise UserTokenInvalid(error.detail, platform_code=error.platform_code) from error

    def ask_contacts(self, path: str, asked: Mapping[str, str]) -> Json:
        """The `data` of a question about departments or members. Raises ContactRangeTooSmall, ScopeMissing."""
        return _data(patiently(lambda: self._call("GET", f"contact/v3/{path}", params=asked)))

    # --- the application ------------------------------------------------------------------------------------------

    def get_bot(self) -> Json:
        """The robot: app_name, activate_status, open_id. Needs no permission."""
        bot = self._call("GET", "bot/v3/info").get("bot")
        return bot if isinstance(bot, dict) else {}

    def get_scopes(self) -> set[str]:
        """The permissions that are granted now."""
        listed = _listed(_data(self._call("GET", "application/v6/scopes")), "scopes")
        return {str(scope.get("scope_name")) for scope in listed if scope.get("grant_status") == 1}

    def get_application(self) -> Json:
        """The application's own settings (redirect_urls, status). Raises ScopeMissing unless it may read itself.

        https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/application-v6/application/get
        """
        self.settings.need("app_id")
        app = _data(self._call("GET", "application/v6/applications/me", params={"lang": "zh_cn"})).get("app")
        return app if isinstance(app, dict) else {}

    # --- the exchange ---------------------------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        form: Form | None = None,
    ) -> Json:
        """Call with the tenant token; when Feishu ended it early, with a new one, once."""
        self.settings.need("app_id", "app_secret")
        kind = self.settings.token_kind
        token = self._tokens.get(kind, self._fetch_token)
        try:
            return self._send(method, path, body, params, token=token, form=form)
        except TokenRejected:
            self._tokens.drop(kind, token)
        return self._send(method, path, body, params, token=self._tokens.get(kind, self._fetch_token), form=form)

    def _send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        *,
        token: str = "",
        form: Form | None = None,
    ) -> Json:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if form is not None:
            return _understood(self._transport.exchange_file(method, f"{self._base}/{path}", form, headers=headers))
        return _understood(self._transport.exchange(method, f"{self._base}/{path}", body, params, headers=headers))


def _understood(answer: Answer) -> Json:
    """The answer's object, if its code is 0. The code decides; HTTP's status only where there is none."""
    content, code = _object(answer)
    if code is None:
        if answer.status == 404:
            raise AddressWrong("no such call", http_status=404, raw=answer.excerpt())
        raise AnswerNotUnderstood("no code", http_status=answer.status, raw=accepted(answer).excerpt())
    if code == 0 and answer.status == 200:
        return content
    if code == 0:
        raise AnswerNotUnderstood("HTTP status", http_status=answer.status, raw=accepted(answer).excerpt())
    waits = _asked_to_wait(answer)
    error = from_answer(content, raw=answer.excerpt(), http_status=answer.status, waits=waits)
    if type(error) is FeishuError:
        accepted(answer)  # a code that nobody documents, with a status that says enough
    raise error


def _object(answer: Answer) -> tuple[Json, int | None]:
    """The answer's object and its code; ({}, None) for anything else."""
    try:
        content = answer.json()
    except AnswerNotUnderstood:
        return {}, None
    code = content.get("code")
    return content, code if isinstance(code, int) and not isinstance(code, bool) else None


def _asked_to_wait(answer: Answer) -> timedelta | None:
    names = ("x-ogw-ratelimit-reset", "retry-after")
    asked = next((answer.headers[name] for name in names if answer.headers.get(name)), "")
    return retry_after(asked, datetime.now(UTC)) if asked else None


def _data(content: Json) -> Json:
    data = content.get("data")
    if not isinstance(data, dict):
        raise AnswerNotUnderstood("no data")
    return data


def _listed(data: Json, name: str) -> list[Json]:
    """The objects of a list, which may be left out where it is empty."""
    listed = data.get(name) or []
    if not isinstance(listed, list):
        raise AnswerNotUnderstood(f"{name} is no list")
    return [item for item in listed if isinstance(item, dict)]


def _ids(data: Json, name: str) -> list[str]:
    listed = data.get(name) or []
    if not isinstance(listed, list):
        raise AnswerNotUnderstood(f"{name} is no list")
    return [str(one) for one in listed]


def _moment(milliseconds: Any) -> datetime | None:
    """A time in milliseconds, which Feishu writes as a string."""
    digits = str(milliseconds or "")
    return datetime.fromtimestamp(int(digits) / 1000, UTC) if re.fullmatch(r"[0-9]{1,14}", digits) else None


def _check_receiver(to: str, is_group: bool) -> None:
    """One person or one group by its id; anything else might reach somebody who was not meant."""
    if is_group and not CHAT_ID.fullmatch(to):
        raise GroupGone("not a chat id")
    if not is_group and not OPEN_ID.fullmatch(to):
        raise RecipientUnreachable("not an open_id")
