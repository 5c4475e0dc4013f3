"""Typed calls to DingTalk's two API families: addresses, parameters and answers, nothing of incidents.

Every method raises the PlatformErrors of dingtalk/errors.py and platforms/http.py. HTTP 200 alone never is a success.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platforms.base import Hosts, TokenStore
from platforms.contacts import patiently
from platforms.dingtalk import codes
from platforms.dingtalk.answers import Json, delivered, excerpt, judged, judged_old, result_of, text
from platforms.dingtalk.errors import (
    ChatIdRefused,
    CorpMismatch,
    TokenRejected,
    UserGone,
)
from platforms.dingtalk.settings import DingTalkSettings
from platforms.errors import AnswerNotUnderstood, PlatformBusy, RecipientUnreachable
from platforms.http import Answer, Transport
from platforms.shortening import shorten

MAX_TOKEN_BYTES = 1024
TEXT_CHARACTERS = 2000
MOST_MEMBERS = 1000
REGISTER_SECONDS = 5.0
ROUTE_LIFETIME = 24 * 3600
"""How long a registered card address is trusted to be known there still; then it is registered again."""
USER_ID = re.compile(r"(?!@)[\w.@$+=:-]{1,64}")
CHAT_ID = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")


@dataclass(frozen=True)
class Lost:
    """Events as DingTalk kept them."""

    items: list[Json]
    has_more: bool


class Client:
    """One application's calls. The access token comes from the store; a rejected one is replaced once per call."""

    def __init__(self, settings: DingTalkSettings, hosts: Hosts, tokens: TokenStore, transport: Transport) -> None:
        self.settings = settings
        self._new, self._old = hosts["api"].rstrip("/"), hosts["oapi"].rstrip("/")
        self._tokens = tokens
        self._transport = transport

    # --- the token ------------------------------------------------------------------------------------------------

    def renew_token(self) -> None:
        """Fetch an access token now, to prove that ClientID and ClientSecret fit."""
        self.settings.need("client_id", "client_secret")
        self._tokens.renew(self.settings.token_kind, self._fetch_token)

    def _fetch_token(self) -> tuple[str, int]:
        """POST oauth2/accessToken → (token, lifetime in seconds); good for both API families.

        https://open.dingtalk.com/document/development/obtain-the-access-token-of-an-internal-app
        """
        body = {"appKey": self.settings.client_id, "appSecret": self.settings.client_secret}
        content = self._anonymous("/v1.0/oauth2/accessToken", body)
        token, lifetime = content.get("accessToken"), content.get("expireIn")
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_BYTES or not isinstance(lifetime, int):
            raise AnswerNotUnderstood("accessToken answered without a token")
        return token, lifetime

    def prove_corp(self) -> None:
        """Have DingTalk say whether CorpId and ClientID belong together. Raises CorpMismatch.

        https://open.dingtalk.com/document/development/api-gettoken
        """
        self.settings.need("corp_id", "client_id", "client_secret")
        if not CHAT_ID.fullmatch(self.settings.corp_id):
            raise CorpMismatch("not a CorpId", platform_code="invalid.client")
        body = {"client_id": self.settings.client_id, "client_secret": self.settings.client_secret}
        try:
            self._anonymous(f"/v1.0/oauth2/{self.settings.corp_id}/token", body | {"grant_type": "client_credentials"})
        except PlatformBusy as error:  # a made-up CorpId is answered with 500 unknownError
            if error.platform_code != "unknownError":
                raise
            raise CorpMismatch(error.detail, platform_code=error.platform_code, raw=error.raw) from None

    # --- cards ----------------------------------------------------------------------------------------------------

    def create_and_deliver(self, card: Json) -> str:
        """Make a card and put it into one chat; returns the carrier's id, as which reads can be asked about.

        Raises CardExists when its outTrackId was used before, CardUndelivered when the card was made but not put there.
        https://open.dingtalk.com/document/development/create-and-deliver-cards
        """
        made = self._call("POST", "/v1.0/card/instances/createAndDeliver", card).get("result") or {}
        if not isinstance(made, dict):
            raise AnswerNotUnderstood("result", raw=excerpt(made))
        return delivered(made.get("deliverResults"), card["openSpaceId"])

    def deliver(self, card: Json) -> str:
        """Put a card that exists already into one chat; see create_and_deliver()."""
        wanted = ("outTrackId", "userIdType", "openSpaceId", "imRobotOpenDeliverModel", "imGroupOpenDeliverModel")
        body = {name: card[name] for name in wanted if name in card}
        content = self._call("POST", "/v1.0/card/instances/deliver", body)
        return delivered(content.get("result"), card["openSpaceId"])

    def create_card(self, card: Json) -> None:
        """Make a card that nobody sees, to learn whether its template can be used."""
        self._call("POST", "/v1.0/card/instances", card)

    def update_card(self, changes: Json) -> None:
        """Change a card for everybody who sees it; what is not named stays, by updateCardDataByKey.

        https://open.dingtalk.com/document/development/interactive-card-update-interface
        """
        content = self._call("PUT", "/v1.0/card/instances", changes)
        if str(content.get("result")).lower() == "false":
            raise AnswerNotUnderstood("not a success", raw=excerpt(content))

    def route(self, *, anew: bool = False) -> str:
        """The key under which our card address is known, registered if need be; `anew`: whatever is remembered.

        https://open.dingtalk.com/document/development/register-card-callback-address
        """
        self.settings.need("card_callback_url", "client_id", "client_secret")
        find = self._tokens.renew if anew else self._tokens.get
        return find(self.settings.route_kind, self._register)

    def _register(self) -> tuple[str, int]:
        key = self.settings.route_key
        body = {
            "callbackRouteKey": key,
            "callbackUrl": self.settings.card_callback_url,
            "apiSecret": self.settings.card_api_secret,
            "forceUpdate": True,
        }
        self._call("POST", "/v1.0/card/callbacks/register", body, total_seconds=REGISTER_SECONDS)
        return key, ROUTE_LIFETIME

    # --- robot messages -------------------------------------------------------------------------------------------

    def send_to_person(self, user_id: str, key: str, values: Mapping[str, str]) -> str:
        """Send a robot message to one person; returns its processQueryKey. Nothing keeps it from arriving twice.

        Raises OutOfVisibleRange, RecipientTooFrequent when DingTalk took the request but not this person.
        https://open.dingtalk.com/document/development/chatbots-send-one-on-one-chat-messages-in-batches
        """
        body = {"robotCode": self._robot(), "userIds": [checked_user(user_id)], "msgKey": key}
        content = self._call("POST", "/v1.0/robot/oToMessages/batchSend", body | {"msgParam": _as_text(values)})
        for name in ("flowControlledStaffIdList", "invalidStaffIdList", "filteredStaffIdList"):
            if content.get(name):
                raise codes.from_answer(name, user_id, raw=excerpt(content))
        return text(content, "processQueryKey")

    def send_to_group(self, chat_id: str, key: str, values: Mapping[str, str], details: Mapping[str, str]) -> str:
        """Send a robot message to one group; returns its processQueryKey. details: of Group, from the install event.

        https://open.dingtalk.com/document/development/the-robot-sends-a-group-message
        """
        body = {
            "robotCode": self._robot(details),
            "openConversationId": checked_chat(chat_id),
            "msgKey": key,
            "msgParam": _as_text(values),
        } | self._cool_app(details)
        return text(self._call("POST", "/v1.0/robot/groupMessages/send", body), "processQueryKey")

    def read_status(self, key: str) -> Json:
        """Who has read a robot message to people, of the last 24 hours."""
        query = {"robotCode": self._robot(), "processQueryKey": key}
        return self._call("GET", "/v1.0/robot/oToMessages/readStatus", params=query)

    def get_group(self, chat_id: str, details: Mapping[str, str]) -> Json:
        """A group: title, status (1 normal, 2 dissolved). Raises GroupGone for one that our cool app is not in.

        https://open.dingtalk.com/document/development/query-group-information
        """
        body = {"openConversationId": checked_chat(chat_id)} | self._cool_app(details)
        content = self._call("POST", "/v1.0/im/sceneGroups/query", body)
        if content.get("success") is False:
            raise codes.from_answer(str(content.get("code") or "systemError"), "", raw=excerpt(content))
        return content

    def count_members(self, chat_id: str, details: Mapping[str, str]) -> int:
        """How many people are in a group, those of other companies included; up to 1000, more are not told at once.

        https://open.dingtalk.com/document/development/query-group-members
        """
        body = {"openConversationId": checked_chat(chat_id), "maxResults": MOST_MEMBERS} | self._cool_app(details)
        content = self._call("POST", "/v1.0/im/sceneGroups/members/batchQuery", body)
        found = [content.get(name) for name in ("memberUserIds", "unionIdList")]
        if content.get("hasMore") is True or not isinstance(found[0], list):
            raise AnswerNotUnderstood("memberUserIds", raw=excerpt({"keys": sorted(content)}))
        return sum(len(one) for one in found if isinstance(one, list))

    def create_scene_group(self, uuid: str, title: str, owner: str) -> str:
        """Make a group from the template with its robot; returns the openConversationId. Once for each uuid.

        Raises GroupOwnerOutOfRange, GroupTemplateWrong. https://open.dingtalk.com/document/development/create-a-scene-group
        """
        self.settings.need("room_template_id")
        body = {"title": title, "template_id": self.settings.room_template_id, "uuid": uuid}
        owner = checked_user(owner)
        content = self._call("POST", "/v1.0/im/sceneGroup/create", body | {"owner_user_id": owner, "user_ids": [owner]})
        return text(content, "open_conversation_id")

    def add_to_scene_group(self, chat_id: str, user_ids: Sequence[str]) -> None:
        """Add people; who is there already stays. Raises GroupMemberRefused for all of them together."""
        body = {"open_conversation_id": checked_chat(chat_id), "user_ids": [checked_user(one) for one in user_ids]}
        self._call("POST", "/v1.0/im/sceneGroup/member/add", body)

    def rename_scene_group(self, chat_id: str, title: str) -> None:
        """Give a scene group another title, by the older family: the newer one has no such call."""
        body = {"open_conversation_id": checked_chat(chat_id), "title": title}
        self._call_old("POST", "/topapi/im/chat/scenegroup/update", body)

    def get_old_chat(self, chat_id: str) -> Json:
        """A group by its old id (chat…); needs qyapi_chat_read."""
        return self._call_old("GET", "/chat/get", params={"chatid": chat_id})

    def find_by_mobile(self, mobile: str) -> str:
        """The userid of a number; needs qyapi_get_member_by_mobile. Raises UserGone."""
        return text(result_of(self._call_old("POST", "/topapi/v2/user/getbymobile", {"mobile": mobile})), "userid")

    def get_lost_events(self) -> Lost:
        """Events that were not answered, at most 200, which DingTalk then forgets.

        https://open.dingtalk.com/document/development/obtain-the-event-list-of-failed-push-messages
        """
        content = self._call_old("GET", "/call_back/get_call_back_failed_result")
        items = content.get("failed_list") or []
        if not isinstance(items, list):
            raise AnswerNotUnderstood("failed_list", raw=excerpt({"keys": sorted(content)}))
        return Lost([one for one in items if isinstance(one, dict)], str(content.get("has_more")).lower() == "true")

    def _robot(self, details: Mapping[str, str] | None = None) -> str:
        self.settings.need("client_id")
        return (details or {}).get("robot_code") or self.settings.robot

    def _cool_app(self, details: Mapping[str, str]) -> Json:
        """The cool app's code must be named where the robot came with it, and must not be where there is none."""
        if details.get("template_id"):  # its robot came with the template
            return {}
        code = details.get("cool_app_code") or self.settings.cool_app_code
        return {"coolAppCode": code} if code else {}

    # --- people and the application -------------------------------------------------------------------------------

    def get_user_by_code(self, code: str) -> Json:
        """Who opened the page in the client: userid, name, unionid. Uses the code up. Raises CodeExpired.

        https://open.dingtalk.com/document/development/obtain-the-userid-of-a-user-by-using-the-log-free
        """
        return result_of(self._call_old("POST", "/topapi/v2/user/getuserinfo", {"code": code}))

    def get_person_by_auth_code(self, code: str) -> Json:
        """Who signed in in a browser: nick, unionId, corpId ("" if it was not told). Raises CodeExpired.

        https://open.dingtalk.com/document/development/obtain-user-token
        """
        self.settings.need("client_id", "client_secret")
        body = {"clientId": self.settings.client_id, "clientSecret": self.settings.client_secret}
        granted = self._anonymous(
            "/v1.0/oauth2/userAccessToken", body | {"code": code, "grantType": "authorization_code"}
        )
        token = text(granted, "accessToken")
        person = judged(self._send("GET", f"{self._new}/v1.0/contact/users/me", token))
        text(person, "unionId")
        return person | {"corpId": str(granted.get("corpId") or "")}

    def get_user_id_by_union_id(self, union_id: str) -> str | None:
        """The company's own id of a person; None for somebody who is not one of its members.

        https://open.dingtalk.com/document/development/query-a-user-by-the-union-id
        """
        try:
            found = result_of(self._call_old("POST", "/topapi/user/getbyunionid", {"unionid": union_id}))
        except UserGone:
            return None
        return None if str(found.get("contact_type", 0)) == "1" else text(found, "userid")

    def get_scopes(self) -> Json:
        """The contacts that the application may see; the cheapest real call there is."""
        return self._call_old("GET", "/auth/scopes")

    def ask_contacts(self, path: str, asked: Json) -> Any:
        """The `result` of a question about departments or members. Raises OutOfContacts, PermissionMissing."""
        return patiently(lambda: self._call_old("POST", path, asked)).get("result")

    # --- the exchange ---------------------------------------------------------------------------------------------

    def _anonymous(self, path: str, body: Json) -> Json:
        """A call of the new family that carries credentials itself instead of a token."""
        return judged(self._transport.exchange("POST", f"{self._new}{path}", body))

    def _call(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        """The new family: token in a header, any status may bring an error."""
        return self._with_token(lambda token: judged(self._send(method, f"{self._new}{path}", token, body, **more)))

    def _call_old(
        self, method: str, path: str, body: Json | None = None, *, params: Mapping[str, str] | None = None
    ) -> Json:
        """The old family: token in the address, errors come with status 200."""
        url, asked = f"{self._old}{path}", dict(params or {})
        return self._with_token(
            lambda token: judged_old(self._transport.exchange(method, url, body, asked | {"access_token": token}))
        )

    def _send(self, method: str, url: str, token: str, body: Json | None = None, **more: Any) -> Answer:
        headers = {"x-acs-dingtalk-access-token": token}
        return self._transport.exchange(method, url, body, headers=headers, **more)

    def _with_token(self, call: Callable[[str], Json]) -> Json:
        """Call with a token; when DingTalk ended it early, with a new one, once."""
        self.settings.need("client_id", "client_secret")
        kind = self.settings.token_kind
        token = self._tokens.get(kind, self._fetch_token)
        try:
            return call(token)
        except TokenRejected:
            self._tokens.drop(kind, token)
        return call(self._tokens.get(kind, self._fetch_token))


def checked_user(user_id: str) -> str:
    """A single person's id. Anything else could address somebody who was not meant."""
    if not is_user(user_id):
        raise RecipientUnreachable("not a userid")
    return user_id


def is_user(user_id: str) -> bool:
    return USER_ID.fullmatch(user_id) is not None


def checked_chat(chat_id: str) -> str:
    if not CHAT_ID.fullmatch(chat_id):
        raise ChatIdRefused("not an openConversationId", platform_code="cidEncryptError")
    return chat_id


def text_values(content: str) -> Mapping[str, str]:
    """The values of a sampleText."""
    return {"content": shorten(content, TEXT_CHARACTERS)}


def _as_text(values: Mapping[str, str]) -> str:
    """msgParam is JSON within JSON."""
    return json.dumps(dict(values), ensure_ascii=False)
