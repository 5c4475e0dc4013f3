"""What a WeCom application is known by in one company, self-built or installed from a provider, typed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from platforms.application import Settings
from texts import N_


@dataclass(frozen=True)
class WeComSettings(Settings):
    """Values of a connection, drafts included: what was not entered yet is empty.

    agent_id  digits; endpoint: scheme, host and port of a private deployment, without a path
    suite_id  of the provider's application, "" for a self-built one; own_corp_id: the company as the provider sees
              it; secret is its permanent code then, token and encoding_aes_key are those of the provider's application
    """

    labels: ClassVar[Mapping[str, str]] = {
        "corp_id": N_("企业 ID"),
        "agent_id": N_("AgentId"),
        "secret": N_("Secret"),
        "token": N_("Token"),
        "encoding_aes_key": N_("EncodingAESKey"),
        "trusted_domain": N_("可信域名"),
        "endpoint": N_("Endpoint"),
    }

    corp_id: str = ""
    agent_id: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    encoding_aes_key: str = field(default="", repr=False)
    is_private: bool = False
    endpoint: str = ""
    trusted_domain: str = ""
    press_reply: str = "passive"
    """How a press is answered: with the presser's new card ("passive") or with an empty 200 ("update")."""
    suite_id: str = ""
    own_corp_id: str = ""

    @classmethod
    def from_stored(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> WeComSettings:
        """Read what the wizard stored; `endpoint` counts for a private deployment only."""
        is_private = bool(settings.get("is_private"))
        return cls(
            corp_id=_text(settings, "corp_id"),
            agent_id=_text(settings, "agent_id"),
            secret=secrets.get("secret", "").strip(),
            token=secrets.get("token", "").strip(),
            encoding_aes_key=secrets.get("encoding_aes_key", "").strip(),
            is_private=is_private,
            endpoint=_text(settings, "endpoint").rstrip("/") if is_private else "",
            trusted_domain=_text(settings, "trusted_domain"),
            press_reply=settings.get("press_reply", "passive"),
        )

    @property
    def company_id(self) -> str:
        """The company as WeCom names it to this application."""
        return self.own_corp_id if self.suite_id else self.corp_id

    def person(self, user_id: str) -> str:
        """A member's id as it is kept: WeCom does not mind its case, but for those that it encrypts for a provider."""
        return user_id if self.suite_id else user_id.lower()

    @property
    def token_kind(self) -> str:
        """Names the cached access token by the credentials it belongs to: new credentials never meet an old token."""
        if self.suite_id:
            return token_kind("corp", self.suite_id, self.own_corp_id, self.secret)
        return token_kind("app", self.endpoint, self.corp_id, self.secret)


def token_kind(name: str, *credentials: str) -> str:
    """A token's name in the cache: another one for other credentials. At most 32 characters."""
    identity = "\n".join(credentials)
    return f"{name}:{hashlib.sha256(identity.encode()).hexdigest()[:24]}"[:32]


def _text(settings: Mapping[str, Any], name: str) -> str:
    return str(settings.get(name) or "").strip()
