"""The platforms that are simulated. A further one is its folder and a line here."""

from __future__ import annotations

from collections.abc import Callable

from simulator.base import Laboratory, Platform
from simulator.dingtalk.platform import DingTalkPlatform
from simulator.feishu.platform import FeishuPlatform
from simulator.wecom.platform import WeComPlatform

PLATFORMS: tuple[Callable[[Laboratory], Platform], ...] = (WeComPlatform, DingTalkPlatform, FeishuPlatform)


def install(laboratory: Laboratory) -> None:
    """Make every platform and let the store keep its state."""
    for build in PLATFORMS:
        platform = build(laboratory)
        laboratory.platforms[platform.slug] = platform
        laboratory.store.register(platform.slug, platform.state)
