"""DingTalk's developer console as the wizard draws it: its menu in its own words, and values that look like others."""

from __future__ import annotations

from platforms.setup import Drawing, DrawnField
from texts import N_

APPS_PATH = "/fe/app"
CARDS_PATH = "/fe/card"
BASICS = N_("凭证与基础信息")
ABILITIES = N_("应用能力")
COOL_APP = N_("酷应用")
WEB_APP = N_("网页应用")
ROBOT = N_("机器人")
DEVELOPMENT = N_("开发配置")
PERMISSIONS = N_("权限管理")
SECURITY = N_("安全设置")
EVENTS = N_("事件订阅")
RELEASES = N_("版本管理与发布")
RELEASE = N_("应用发布")
MENU = (BASICS, COOL_APP, WEB_APP, ROBOT, PERMISSIONS, SECURITY, EVENTS, RELEASES)
APP_LIST = N_("企业内部应用")

LIKE_DING_ID = (r"^ding[0-9a-z]{12,40}$", N_("这看起来像 CorpId 或 ClientID。"))
LIKE_AGENT_ID = (r"^[1-9][0-9]{7,11}$", N_("这看起来像 AgentID。"))
LIKE_CLIENT_SECRET = (r"^(?=.*[_-])[0-9A-Za-z_-]{40,80}$", N_("这看起来像 ClientSecret。"))
LIKE_AES_KEY = (r"^[0-9A-Za-z]{43}$", N_("这看起来像加密 aes_key。"))
LIKE_COOL_APP = (r"^COOLAPP-", N_("这看起来像酷应用编码。"))


def drawn(title: str, active: str, *fields: DrawnField) -> Drawing:
    return Drawing(title, MENU, active, fields)
