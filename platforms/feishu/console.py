"""Feishu's developer console as the wizard draws it: its menu in its own words, and values that look like others."""

from __future__ import annotations

from platforms.setup import Drawing, DrawnField
from texts import N_

APPS_PATH = "/app"
APP_PATH = "/app/{app_id}"
BASICS = N_("凭证与基础信息")
ADD_ABILITIES = N_("添加应用能力")
WEB_APP = N_("网页应用")
BOT = N_("机器人")
PERMISSIONS = N_("权限管理")
EVENTS = N_("事件与回调")
SECURITY = N_("安全设置")
RELEASE = N_("版本管理与发布")
SETTINGS = N_("开发配置")
ABILITIES = N_("应用能力")
MENU = (BASICS, ADD_ABILITIES, WEB_APP, BOT, PERMISSIONS, EVENTS, SECURITY, RELEASE)

LIKE_APP_ID = (r"^cli_[0-9A-Za-z]{8,60}$", N_("这看起来像 App ID。"))
LIKE_CORP_ID = (r"^(w[wx]|ding)[0-9a-z]{16,40}$", N_("这看起来像其他平台的企业 ID。"))
LIKE_SECRET = (r"^[0-9A-Za-z]{32}$", N_("这看起来像 App Secret 或 Verification Token。"))
LIKE_OPEN_ID = (r"^o[unc]_[0-9a-z]{8,64}$", N_("这看起来像成员或群的 ID。"))
LIKE_ADDRESS = (r"^https?://", N_("这看起来像一个网址。"))


def drawn(title: str, active: str, *fields: DrawnField) -> Drawing:
    return Drawing(title, MENU, active, fields)
