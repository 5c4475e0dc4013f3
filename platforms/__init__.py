"""The chat platforms by name: the one place that knows them all."""

from __future__ import annotations

from platforms.base import Platform
from platforms.dingtalk.platform import DingTalk
from platforms.feishu.platform import Feishu
from platforms.provider import ProviderApplication
from platforms.wecom.platform import WeCom
from platforms.wecom.suite import Suite

PLATFORMS: dict[str, type[Platform]] = {platform.slug: platform for platform in (WeCom, DingTalk, Feishu)}
PROVIDERS: dict[str, type[ProviderApplication]] = {WeCom.slug: Suite}
"""The same for platforms on which this installation can be a provider."""
