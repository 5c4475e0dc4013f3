"""The simulated platforms' side of the demo, one module for each; a further one is its module and a line here."""

from __future__ import annotations

from demo.simulated.control import SimulatedApp
from demo.simulated.dingtalk import DingTalkApp
from demo.simulated.feishu import FeishuApp
from demo.simulated.wecom import WeComApp

APPLICATIONS: dict[str, SimulatedApp] = {app.slug: app for app in (WeComApp(), DingTalkApp(), FeishuApp())}
