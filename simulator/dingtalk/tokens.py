"""Access tokens of apps, and the gates that every call passes: address, permission point, frequency, monthly quota.

https://open.dingtalk.com/document/development/obtain-the-access-token-of-an-internal-app
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from simulator.dingtalk.context import DingTalk
from simulator.dingtalk.errors import ApiError, OldError, too_fast
from simulator.dingtalk.state import TOKEN_SECONDS, App, Corp, Token
from simulator.ids import random_text

DAY_SECONDS = 86400


def app_token(world: DingTalk, corp: Corp, app: App) -> str:
    """The app's token: the same one inside its lifetime, which starts anew; afterwards another one."""
    if not app.token or world.now >= app.token_expires_at:
        world.state.tokens.pop(app.token, None)
        app.token = random_text(32).lower()
    app.token_expires_at = world.now + TOKEN_SECONDS
    world.state.tokens[app.token] = Token(corp.corp_id, app.client_id, app.token_expires_at)
    world.store.touch()
    return app.token


def new_access_token(world: DingTalk, body: dict[str, Any]) -> dict[str, Any]:
    found = world.state.app(str(body.get("appKey") or ""))
    if found is None or found[1].client_secret != body.get("appSecret"):
        raise ApiError("invalidClientIdOrSecret", "无效的clientId或者clientSecret")
    return {"accessToken": app_token(world, *found), "expireIn": TOKEN_SECONDS}


def corp_token(world: DingTalk, corp_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """The unified token, which also says whether CorpId and Client ID belong together."""
    if body.get("grant_type") != "client_credentials":
        raise ApiError("unsupported.grant.type", "不支持的grant_type")
    if corp_id not in world.state.corps:
        raise ApiError("unknownError", "未知错误", 500)
    found = world.state.app(str(body.get("client_id") or ""))
    if found is None or found[1].client_secret != body.get("client_secret"):
        raise ApiError("invalid.client", "无效的client_id或者client_secret")
    if found[0].corp_id != corp_id:
        raise ApiError("unauthorized.client", "应用未被该企业授权", 401)
    return {"access_token": app_token(world, *found), "expires_in": TOKEN_SECONDS}


def old_gettoken(world: DingTalk, query: dict[str, str]) -> dict[str, Any]:
    key, secret = query.get("appkey", ""), query.get("appsecret", "")
    if not key or not secret:
        raise OldError(40035, "缺少参数 corpid or appkey")
    found = world.state.app(key)
    if found is None or found[1].client_secret != secret:
        raise OldError(40096, "不合法的appKey或appSecret")
    return {"access_token": app_token(world, *found), "expires_in": TOKEN_SECONDS}


def owner(world: DingTalk, text: str) -> tuple[Corp, App, str] | None:
    """Company, app and person ("" for the app itself) of a living token."""
    token = world.state.tokens.get(text)
    if token is None or world.now >= token.expires_at:
        return None
    found = world.state.app(token.client_id)
    return (*found, token.userid) if found else None


def withdraw(world: DingTalk, app: App) -> None:
    """End the app's token early."""
    world.state.tokens.pop(app.token, None)
    app.token, app.token_expires_at = "", 0.0
    world.store.touch()


def is_admitted(app: App, client_ip: str) -> bool:
    """服务器出口IP: an empty list admits everybody; one * in an entry stands for anything."""
    if not app.ip_whitelist:
        return True
    return any(re.fullmatch(re.escape(entry).replace(r"\*", ".*"), client_ip) for entry in app.ip_whitelist)


def check_frequency(world: DingTalk, corp: Corp, app: App, path: str, *, is_billed: bool, is_old: bool) -> None:
    """Calls a second of one app to one API, and the month's calls of the whole company. Raises ApiError or OldError."""
    limits = world.state.limits
    per_second = world.counters.add(("qps", app.client_id, path), world.now, 1)
    if limits.qps and per_second > limits.qps:
        raise OldError(90018, "您的服务器调用钉钉开放平台所有接口的请求都被暂时禁用了") if is_old else too_fast()
    if not is_billed:
        return
    month = datetime.fromtimestamp(world.now, UTC).strftime("%Y-%m")
    used = world.counters.add(("calls", corp.corp_id, month), world.now, 40 * DAY_SECONDS)
    if limits.monthly_calls and used > limits.monthly_calls:
        raise OldError(90020, "企业本月接口调用次数已用尽") if is_old else too_fast("ApiCountLimitForOrg")


def may_push(world: DingTalk, corp_id: str) -> bool:
    """Count a push against the month's quota."""
    month = datetime.fromtimestamp(world.now, UTC).strftime("%Y-%m")
    used = world.counters.add(("pushes", corp_id, month), world.now, 40 * DAY_SECONDS)
    return not world.state.limits.monthly_pushes or used <= world.state.limits.monthly_pushes
