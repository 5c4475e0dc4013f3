"""What a Feishu or Lark self-built application is known by, typed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from platforms.application import Settings
from texts import N_

FEISHU, LARK = "feishu", "lark"


@dataclass(frozen=True)
class FeishuSettings(Settings):
    """Values of a connection, drafts included: what was not entered yet is empty.

    brand  "feishu" or "lark": the same paths on other hosts; an application of one does not exist on the other
    """

    labels: ClassVar[Mapping[str, str]] = {
        "app_id": N_("App ID"),
        "app_secret": N_("App Secret"),
        "verification_token": N_("Verification Token"),
        "encrypt_key": N_("Encrypt Key"),
    }

    brand: str = FEISHU
    app_id: str = ""
    app_secret: str = field(default="", repr=False)
    verification_token: str = field(default="", repr=False)
    encrypt_key: str = field(default="", repr=False)
    redirect_url: str = ""
    """Where sign-in leads back to: one of the connection's generated addresses."""
    press_reply: str = "passive"
    """How a press is answered: with the new card ("passive") or with words alone ("update")."""

    @classmethod
    def from_stored(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> FeishuSettings:
        """Read what the wizard stored."""
        return cls(
            brand=LARK if settings.get("brand") == LARK else FEISHU,
            app_id=str(settings.get("app_id") or "").strip(),
            app_secret=secrets.get("app_secret", "").strip(),
            verification_token=secrets.get("verification_token", "").strip(),
            encrypt_key=secrets.get("encrypt_key", "").strip(),
            redirect_url=str(settings.get("addresses", {}).get("redirect_url", "")),
            press_reply=settings.get("press_reply", "passive"),
        )

    @property
    def token_kind(self) -> str:
        """Names the cached access token by the credentials it belongs to: new credentials never meet an old token."""
        identity = "\n".join([self.brand, self.app_id, self.app_secret])
        return f"tenant:{hashlib.sha256(identity.encode()).hexdigest()[:24]}"

    def host(self, hosts: Mapping[str, str], name: str) -> str:
        """The base address called `name` ("api", "accounts", "console") of the chosen brand."""
        return hosts[f"{LARK}_{name}" if self.brand == LARK else name]
