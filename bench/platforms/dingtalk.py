"""DingTalk: plain JSON, an HMAC over the time alone.

https://open.dingtalk.com/document/development/event-callback-card, …/create-and-deliver-cards
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from functools import lru_cache
from typing import ClassVar

from bench.load import request
from bench.platforms.base import (
    CARD,
    OTHER,
    TOKEN,
    TOKEN_SECONDS,
    UPDATE,
    Answered,
    Application,
    Button,
    Call,
    Json,
    holder_of,
)
from platforms.dingtalk.settings import DingTalkSettings

KINDS = {
    ("POST", "oauth2/accessToken"): TOKEN,
    ("POST", "card/instances/createAndDeliver"): CARD,
    ("PUT", "card/instances"): UPDATE,
}
SPACE = "dtv1.card//IM_ROBOT."


class DingTalk:
    slug: ClassVar[str] = "dingtalk"
    label: ClassVar[str] = "DingTalk"
    api: ClassVar[str] = "/v1.0/"
    callback: ClassVar[str] = "card_callback_url"
    sends_a_second: ClassVar[int] = 20
    sends_a_minute: ClassVar[int] = 0
    gives_codes: ClassVar[bool] = False

    def application(self, number: int) -> Application:
        corp_id, client_id = "ding000000000000be01", f"dingbench{number:04}"
        settings = {
            "corp_id": corp_id,
            "agent_id": "1000002",
            "client_id": client_id,
            "card_template_id": "5f0c8a52-0000-4000-8000-00000000be01.schema",
        }
        known = {"client_secret": f"secret-{client_id}", "aes_key": (client_id * 4)[:43], "token": f"token{number}"}
        return Application(self.slug, f"dingtalk:{corp_id}:{client_id}", settings, known)

    def person(self, name: str) -> str:
        return name

    def press(self, application: Application, button: Button, *, forged: bool = False) -> bytes:
        """One actionCallback. Two of the same millisecond on one card would be repeats: a card is pressed once."""
        now = str(int(time.time() * 1000))
        mac = hmac.new(
            _api_secret(application.settings["client_id"], application.secrets["client_secret"]),
            now.encode(),
            hashlib.sha256,
        )
        signed = base64.b64encode(bytes(32) if forged else mac.digest()).decode()
        pressed = {"cardPrivateData": {"actionIds": ["acknowledge"], "params": {"key": button.key}}}
        content = {
            "type": "actionCallback",
            "outTrackId": button.reference,
            "corpId": application.settings["corp_id"],
            "userId": button.user_id,
            "content": json.dumps(pressed),
            "spaceType": "IM",
            "spaceId": button.user_id,
            "userIdType": 1,
            "extension": "{}",
        }
        headers = (f"x-ddpaas-signature-timestamp: {now}", f"x-ddpaas-signature: {signed}")
        return request("POST", application.callback_path, json.dumps(content).encode(), headers=headers)

    def shows_card(self, application: Application, answer: bytes) -> bool:
        return "title" in json.loads(answer).get("cardData", {}).get("cardParamMap", {})

    def answer(self, call: Call, number: int) -> Answered:
        kind = KINDS.get((call.method, call.path), OTHER)
        if kind == TOKEN:
            named = call.json()["appKey"]
            return Answered(kind, named, {"accessToken": f"{named}.{number}", "expireIn": TOKEN_SECONDS})
        holder = holder_of(call.header("x-acs-dingtalk-access-token"))
        if kind != CARD:
            return Answered(kind, holder, {"success": True, "result": True})
        return _delivered(holder, call.json(), number)


def _delivered(holder: str, card: Json, number: int) -> Answered:
    user_id = card["openSpaceId"].removeprefix(SPACE)
    result = {"spaceType": "IM_ROBOT", "spaceId": user_id, "success": True, "carrierId": f"carrier-{number}"}
    content = {"success": True, "result": {"outTrackId": card["outTrackId"], "deliverResults": [result]}}
    return Answered(CARD, holder, content, user_id, card["cardData"]["cardParamMap"]["title"])


@lru_cache(maxsize=64)
def _api_secret(client_id: str, client_secret: str) -> bytes:
    """What the product registers at DingTalk for the signatures of presses; nobody else can know it."""
    return DingTalkSettings(client_id=client_id, client_secret=client_secret).card_api_secret.encode()
