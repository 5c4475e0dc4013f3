"""The setup checks that can be tried by a call, each by really doing the thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from platforms import checks
from platforms.errors import CredentialInvalid, PlatformError
from platforms.feishu.client import Client
from platforms.feishu.errors import AppDisabled, AppNotReleased, BotMissing, FeishuError, IpNotAllowed, ScopeMissing
from platforms.setup import CheckResult
from texts import N_

ENABLED = 2
"""bot/v3/info activate_status."""
NEEDED = (
    ("im:message", frozenset({"im:message", "im:message:send_as_bot"})),
    ("im:chat", frozenset({"im:chat", "im:chat:readonly", "im:chat:read"})),
)
"""What we ask for, and what does as well: any one of them."""
RECOMMENDED = ("im:resource:upload",)
OWNERS: checks.Owners = (
    (CredentialInvalid, ("credentials",)),
    (IpNotAllowed, ("ip_allowlist",)),
    (AppNotReleased, ("bot",)),
    (AppDisabled, ("bot",)),
)


class BotNotEnabled(BotMissing):
    code = "feishu.bot_not_enabled"
    message = N_("机器人尚未启用（状态 %(activate_status)s）")


class ScopesNotGranted(FeishuError):
    code = "feishu.scopes_not_granted"
    message = N_("以下权限尚未开通或尚未生效：%(scopes)s")
    hint = N_("请在 权限管理 开通这些权限（应用身份），创建版本并发布，管理员审核通过后再点击「重新检查」。")
    failure = "permission_missing"


class RedirectUrlMissing(FeishuError):
    code = "feishu.redirect_url_missing"
    message = N_("飞书登记的重定向 URL 中没有 %(expected)s")
    hint = N_("请在 安全设置 → 重定向 URL 中添加它，须完全一致；立即生效。")


def run(client: Client, name: str) -> CheckResult:
    """Try the check called `name`; a failure is explained, not raised."""
    return checks.run(client, name, CHECKS, OWNERS)


def _credentials(client: Client) -> dict[str, Any]:
    """A token is really fetched. Whether anything else may be called with it is the other checks' matter.

    The token call ignores the IP allow-list and releases, so it alone proves the credentials and nothing more.
    """
    client.renew_token()
    try:
        return {"app_name": client.get_bot().get("app_name", "")}
    except PlatformError:
        return {"app_name": ""}


def _ip_allowlist(client: Client) -> dict[str, Any]:
    """A call is accepted; the refusal tells the address that Feishu saw."""
    client.get_bot()
    return {}


def _bot(client: Client) -> dict[str, Any]:
    bot = client.get_bot()
    status = bot.get("activate_status")
    if status != ENABLED:
        raise BotNotEnabled("activate_status", activate_status=str(status))
    return {"app_name": bot.get("app_name", "")}


def _scopes(client: Client) -> dict[str, Any]:
    granted = client.get_scopes()
    missing = [name for name, alternatives in NEEDED if not granted & alternatives]
    if missing:
        raise ScopesNotGranted("missing", scopes=", ".join(missing))
    return {"recommended": ", ".join(name for name in RECOMMENDED if name not in granted)}


def _redirect_url(client: Client) -> dict[str, Any]:
    """Feishu's own list has our address, compared as Feishu does: without what follows ? or #.

    An application that may not read itself says nothing against it (`confirmed` is false).
    """
    expected = client.settings.redirect_url
    try:
        listed = client.get_application().get("redirect_urls") or ()
    except ScopeMissing:
        return {"redirect_url": expected, "confirmed": False}
    if _bare(expected) not in {_bare(str(url)) for url in listed}:
        raise RedirectUrlMissing("missing", expected=expected)
    return {"redirect_url": expected, "confirmed": True}


def _bare(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _groups(client: Client) -> dict[str, Any]:
    """The robot is in a group; until somebody adds it there is nothing wrong (`confirmed` is false)."""
    names = [str(chat.get("name") or "") for chat in client.list_chats().items]
    return {"groups": len(names), "confirmed": bool(names)}


CHECKS: dict[str, Callable[[Client], dict[str, Any]]] = {
    "credentials": _credentials,
    "ip_allowlist": _ip_allowlist,
    "bot": _bot,
    "scopes": _scopes,
    "redirect_url": _redirect_url,
    "groups": _groups,
}
