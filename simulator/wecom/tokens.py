"""gettoken and the checks that every other call passes first: token, address, frequency.

https://developer.work.weixin.qq.com/document/path/91039
"""

from __future__ import annotations

from typing import Any

from simulator.counters import HOUR, MINUTE
from simulator.ids import random_text
from simulator.wecom.context import WeCom
from simulator.wecom.errors import ApiError
from simulator.wecom.state import TOKEN_SECONDS, App, Corp, TokenOwner

MAX_KNOWN_TOKENS = 20_000


def gettoken(wecom: WeCom, query: dict[str, str], client_ip: str) -> dict[str, Any]:
    """The app's token; the same one until it expires. A wrong secret counts towards an hour's ban of the address."""
    now, limits = wecom.store.now(), wecom.state.limits
    failures = ("wrong_secret", client_ip)
    if wecom.counters.total(failures, now, HOUR) >= limits.wrong_secrets_per_hour:
        raise ApiError(45009)
    if not query.get("corpsecret"):
        raise ApiError(41004)
    if not query.get("corpid"):
        raise ApiError(41002)
    corp = wecom.state.corps.get(query["corpid"])
    if corp is None:
        raise ApiError(40013)
    app = next((app for app in corp.apps.values() if app.secret == query["corpsecret"] and not app.suite_id), None)
    if app is None or not app.enabled:
        wecom.counters.add(failures, now, HOUR)
        raise ApiError(40001)
    return current(wecom, corp, app)


def current(wecom: WeCom, corp: Corp, app: App) -> dict[str, Any]:
    """The app's token while it lives, else a new one."""
    now = wecom.store.now()
    if not app.token or app.token_expires_at <= now:
        _issue(wecom, corp, app, now)
    return {"access_token": app.token, "expires_in": int(app.token_expires_at - now)}


def owner(wecom: WeCom, token: str) -> tuple[Corp, App]:
    """The corp and app behind a token: 41001 none, 40014 unknown or withdrawn, 42001 expired."""
    if not token:
        raise ApiError(41001)
    known = wecom.state.tokens.get(token)
    found = wecom.state.app(known.corp_id, known.agent_id) if known else None
    if known is None or found is None:
        raise ApiError(40014)
    if known.expires_at <= wecom.store.now():
        raise ApiError(42001)
    corp, app = found
    if not app.enabled:
        raise ApiError(50003)
    return corp, app


def withdraw(wecom: WeCom, app: App) -> None:
    """Make the app's token invalid before its time: the next call answers 40014 and gettoken gives a new one."""
    wecom.state.tokens.pop(app.token, None)
    app.token, app.token_expires_at = "", 0.0
    wecom.store.touch()


def expire(wecom: WeCom, app: App) -> None:
    """End the app's token now: calls with it answer 42001 and gettoken gives a new one."""
    known = wecom.state.tokens.get(app.token)
    if known:
        wecom.state.tokens[app.token] = known._replace(expires_at=0.0)
    app.token, app.token_expires_at = "", 0.0
    wecom.store.touch()


def check_address(wecom: WeCom, app: App, client_ip: str) -> None:
    """企业可信IP: an address works once it is listed and its delay has passed. A provider has a list of its own."""
    now = wecom.store.now()
    if app.suite_id:
        if client_ip not in wecom.state.suites[app.suite_id].trusted_ips:
            raise ApiError(60020)
        return
    if not any(ip.address == client_ip and ip.effective_at <= now for ip in app.trusted_ips):
        raise ApiError(60020)


def check_frequency(wecom: WeCom, corp_id: str, name: str, query: dict[str, str], client_ip: str) -> None:
    """Base frequency per corp and per address, and five debug calls a minute."""
    now, limits, count = wecom.store.now(), wecom.state.limits, wecom.counters.add
    used = [
        (count(("corp", corp_id, name), now, MINUTE), limits.corp_api_per_minute),
        (count(("corp", corp_id, name), now, HOUR), limits.corp_api_per_hour),
        (count(("ip", client_ip, name), now, MINUTE), limits.ip_api_per_minute),
        (count(("ip", client_ip, name), now, HOUR), limits.ip_api_per_hour),
    ]
    if query.get("debug") == "1":
        used.append((count(("debug", corp_id), now, MINUTE), 5))
    if any(total > most for total, most in used):
        raise ApiError(45009)


def _issue(wecom: WeCom, corp: Corp, app: App, now: float) -> None:
    app.token, app.token_expires_at = random_text(214), now + TOKEN_SECONDS
    wecom.state.tokens[app.token] = TokenOwner(corp.corp_id, app.agent_id, app.token_expires_at)
    while len(wecom.state.tokens) > MAX_KNOWN_TOKENS:
        del wecom.state.tokens[next(iter(wecom.state.tokens))]
    wecom.store.touch()
