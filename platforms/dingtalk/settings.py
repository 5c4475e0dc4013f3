"""What a DingTalk application is known by, typed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from platforms.application import Settings
from texts import N_

_CARD_SECRET = b"dutybell dingtalk card callbacks 1\n"


@dataclass(frozen=True)
class DingTalkSettings(Settings):
    """Values of a connection, drafts included: what was not entered yet is empty.

    robot_code         the robot's own code; "" where it is the ClientID, as with a self-built robot
    card_template_id   "<uuid>.schema"; "" where cards are plain messages with links
    card_callback_url  ours, which DingTalk calls when a button is pressed
    room_template_id, room_robot_code  of the scene groups that war rooms are, and of the robot in them
    """

    labels: ClassVar[Mapping[str, str]] = {
        "corp_id": N_("CorpId"),
        "agent_id": N_("AgentID"),
        "client_id": N_("ClientID"),
        "client_secret": N_("ClientSecret"),
        "aes_key": N_("加密 aes_key"),
        "token": N_("签名 Token"),
        "cool_app_code": N_("酷应用编码"),
        "card_template_id": N_("卡片模板 ID"),
        "card_callback_url": N_("卡片回调地址"),
        "room_template_id": N_("模板 ID"),
        "room_robot_code": N_("机器人 ID"),
    }

    corp_id: str = ""
    agent_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    aes_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    robot_code: str = ""
    cool_app_code: str = ""
    card_template_id: str = ""
    card_callback_url: str = ""
    room_template_id: str = ""
    room_robot_code: str = ""

    @classmethod
    def from_stored(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> DingTalkSettings:
        """Read what the wizard stored; `addresses` in settings are our own, by name."""
        return cls(
            corp_id=_text(settings, "corp_id"),
            agent_id=_text(settings, "agent_id"),
            client_id=_text(settings, "client_id"),
            client_secret=secrets.get("client_secret", "").strip(),
            aes_key=secrets.get("aes_key", "").strip(),
            token=secrets.get("token", "").strip(),
            robot_code=_text(settings, "robot_code"),
            cool_app_code=_text(settings, "cool_app_code"),
            card_template_id=_text(settings, "card_template_id"),
            card_callback_url=_text(settings.get("addresses") or {}, "card_callback_url"),
            room_template_id=_text(settings, "room_template_id"),
            room_robot_code=_text(settings, "room_robot_code"),
        )

    @property
    def robot(self) -> str:
        """The robotCode that messages are sent by, where a group's install event named no other."""
        return self.robot_code or self.client_id

    @property
    def token_kind(self) -> str:
        """Names the cached access token by the credentials it belongs to: new credentials never meet an old token."""
        return f"app:{_digest(self.client_id, self.client_secret)}"

    @property
    def route_key(self) -> str:
        """The name under which our card address is registered: one for each address, so one for each connection."""
        return f"dutybell-{_digest(self.card_callback_url)[:16]}"

    @property
    def route_kind(self) -> str:
        """Names what was registered: another address or secret is registered anew."""
        return f"route:{_digest(self.card_callback_url, self.card_api_secret)}"

    @property
    def card_api_secret(self) -> str:
        """The key of the card callbacks' signature. Derived, so that nobody has to enter or keep another one."""
        message = _CARD_SECRET + self.client_id.encode()
        return hmac.new(self.client_secret.encode(), message, hashlib.sha256).hexdigest() if self.client_secret else ""


def _text(settings: Mapping[str, Any], name: str) -> str:
    return str(settings.get(name) or "").strip()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
