"""The chat platforms by name: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platforms.base import Hosts, Platform, TokenStore
from platforms.http import Transport
from platforms.wecom.platform import WeCom
from platforms.wecom.settings import WeComSettings

PLATFORMS: dict[str, type[Platform]] = {WeCom.slug: WeCom}


def build(
    slug: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    tokens: TokenStore,
    hosts: Hosts,
    transport: Transport,
) -> Platform:
    """The platform called `slug` for one connection. secrets: in clear text, and only as long as this object lives.

    Raises KeyError for a platform that does not exist.
    """
    return BUILDERS[slug](settings, secrets, tokens, hosts, transport)


def _wecom(
    settings: Mapping[str, Any], secrets: Mapping[str, str], tokens: TokenStore, hosts: Hosts, transport: Transport
) -> Platform:
    return WeCom(WeComSettings.from_stored(settings, secrets), hosts, tokens, transport)


BUILDERS = {WeCom.slug: _wecom}
