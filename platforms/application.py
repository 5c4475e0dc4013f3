"""What one connected application of any platform does alike; a platform's folder says what is its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from platforms.base import Hosts, TokenStore
from platforms.callbacks import LostEvents
from platforms.errors import PlatformError, SettingsIncomplete
from platforms.http import Transport
from platforms.licences import LicenceDesk
from platforms.people import Group, GroupList


class Settings:
    """What an application is known by, drafts included: what was not entered yet is empty. labels: names of values."""

    labels: ClassVar[Mapping[str, str]]

    @classmethod
    def from_stored(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Self:
        """Read what the wizard stored."""
        raise NotImplementedError

    def need(self, *names: str) -> None:
        """Raise SettingsIncomplete for the first of `names` that is empty."""
        for name in names:
            if not getattr(self, name):
                raise SettingsIncomplete(self.labels[name])


class Application:
    """The usual answers of a platform: reached at the operator's hosts, signed in by redirection, without groups."""

    settings_type: ClassVar[type[Settings]]

    def __init__(self, settings: Any, hosts: Hosts, tokens: TokenStore, transport: Transport) -> None:
        raise NotImplementedError

    @classmethod
    def build(
        cls,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        tokens: TokenStore,
        hosts: Hosts,
        transport: Transport,
    ) -> Self:
        return cls(cls.settings_type.from_stored(settings, secrets), hosts, tokens, transport)

    @classmethod
    def entered_host(cls, settings: Mapping[str, Any]) -> str:
        return ""

    @classmethod
    def console(cls, settings: Mapping[str, Any], hosts: Hosts) -> str:
        return hosts["console"]

    @classmethod
    def company(cls, settings: Mapping[str, Any]) -> str:
        return ""

    def client_sign_in(self) -> Mapping[str, str]:
        return {}

    def upload_picture(self, content: bytes, content_type: str) -> str:
        raise PlatformError("no pictures")

    def read_groups(self, known: Sequence[Group]) -> GroupList:
        return GroupList(calls=0)

    def read_lost_events(self) -> LostEvents:
        return LostEvents()

    @property
    def licences(self) -> LicenceDesk | None:
        return None
