"""The chat platforms by name: the one place that knows them all."""

from __future__ import annotations

from platforms.base import Platform
from platforms.dingtalk.platform import DingTalk
from platforms.feishu.platform import Feishu
from platforms.wecom.platform import WeCom

PLATFORMS: dict[str, type[Platform]] = {platform.slug: platform for platform in (WeCom, DingTalk, Feishu)}
