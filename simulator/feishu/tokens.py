"""Access tokens of an application, and what they stand for.

https://open.feishu.cn/document/ukTMukTMukTM/ukDNz4SO0MjL5QzM/auth-v3/auth/tenant_access_token_internal
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from simulator.feishu.context import Feishu
from simulator.feishu.errors import ApiError
from simulator.feishu.state import TOKEN_RENEWAL_SECONDS, TOKEN_SECONDS, App, TokenOwner
from simulator.ids import random_text

APP_ID = re.compile(r"^cli_[0-9a-zA-Z]{8,32}$")
MAX_KNOWN_TOKENS = 20_000

Json = dict[str, Any]


def tenant_access_token(feishu: Feishu, body: Json) -> Json:
    """A flat answer. The same token while 30 minutes of it are left; errors come with HTTP 200."""
    app, problem = _known_app(feishu, body)
    if app is None:
        return problem
    token = _token(feishu, app)
    return {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": round(app.token_expires_at - feishu.now)}


def app_access_token(feishu: Feishu, body: Json) -> Json:
    """The same token under both names, as for every self-built app."""
    answer = tenant_access_token(feishu, body)
    return answer | {"app_access_token": answer["tenant_access_token"]} if answer["code"] == 0 else answer


def owner(feishu: Feishu, authorization: str, wanted: frozenset[str]) -> tuple[App, TokenOwner]:
    """Whose call this is. wanted: "tenant" and "user" tokens that the call takes. Raises ApiError."""
    if not authorization.startswith("Bearer ") or not authorization[7:].strip():
        raise ApiError(99991661)
    token = authorization[7:].strip()
    is_application = token.startswith(("t-", "a-"))
    known = feishu.state.tokens.get(token)
    app = feishu.state.apps.get(known.app_id) if known else None
    if known is None or app is None or known.expires_at <= feishu.now:
        raise ApiError(99991663 if is_application else 99991668)
    if ("user" if known.user_id else "tenant") not in wanted:
        raise ApiError(99991668 if known.user_id else 99991671)
    return app, known


def withdraw(feishu: Feishu, app: App) -> None:
    """Make the application's tokens invalid before their time; the token call gives a new one."""
    for token in [token for token, known in feishu.state.tokens.items() if known.app_id == app.app_id]:
        if not feishu.state.tokens[token].user_id:
            del feishu.state.tokens[token]
    app.token, app.token_expires_at = "", 0.0
    feishu.store.touch()


def app_of_token(feishu: Feishu, authorization: str) -> str:
    """The app_id behind a token, even a dead one; "" when nobody's."""
    known = feishu.state.tokens.get(authorization.removeprefix("Bearer ").strip())
    return known.app_id if known else ""


def _known_app(feishu: Feishu, body: Json) -> tuple[App | None, Json]:
    app_id, secret = body.get("app_id"), body.get("app_secret")
    if not isinstance(app_id, str) or not isinstance(secret, str) or not APP_ID.match(app_id) or not secret:
        return None, {"code": 10003, "data": {}, "msg": "invalid param"}
    app = feishu.state.apps.get(app_id)
    if app is None:
        return None, {"code": 10014, "msg": "app id not exists"}
    if not hmac.compare_digest(app.secret.encode(), secret.encode()):
        return None, {"code": 10014, "msg": "app secret invalid"}
    return app, {}


def _token(feishu: Feishu, app: App) -> str:
    now, tokens = feishu.now, feishu.state.tokens
    if app.token and app.token_expires_at - now >= TOKEN_RENEWAL_SECONDS:
        return app.token
    app.token, app.token_expires_at = f"t-{random_text(40)}", now + TOKEN_SECONDS
    tokens[app.token] = TokenOwner(app.app_id, app.token_expires_at)
    while len(tokens) > MAX_KNOWN_TOKENS:
        del tokens[next(iter(tokens))]
    feishu.store.touch()
    return app.token
