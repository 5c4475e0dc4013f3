"""The chat platforms that the benchmark can play, by the product's names for them."""

from __future__ import annotations

from bench.platforms.base import ChatPlatform
from bench.platforms.dingtalk import DingTalk
from bench.platforms.feishu import Feishu
from bench.platforms.wecom import WeCom

PLATFORMS: dict[str, ChatPlatform] = {platform.slug: platform for platform in (WeCom(), DingTalk(), Feishu())}
