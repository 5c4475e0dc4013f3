"""What every call passes before its own rules: token, application, address, permission, frequency, quota, body.

https://open.feishu.cn/document/ukTMukTMukTM/uUzN04SN3QjL1cDN and /server-docs/api-call-guide
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.feishu import tokens
from simulator.feishu.context import Call, Feishu
from simulator.feishu.errors import ApiError, missing_fields
from simulator.feishu.scopes import granted
from simulator.feishu.state import App

Json = dict[str, Any]
APPLICATION, PERSON = frozenset({"tenant"}), frozenset({"user"})


@dataclass(frozen=True)
class Endpoint:
    """An API: its rules, the permissions of which any one suffices, and the tokens that it takes.

    is_counted  whether a success uses up the monthly quota
    takes_form  the body is a form with a file, not JSON
    required    fields of the body without which the gateway refuses the call
    """

    run: Callable[[Call], Json]
    scopes: tuple[str, ...] = ()
    takes: frozenset[str] = APPLICATION
    is_counted: bool = True
    required: tuple[str, ...] = ()
    takes_form: bool = False


def admit(
    feishu: Feishu, endpoint: Endpoint, name: str, *, authorization: str, client_ip: str
) -> tuple[App, tokens.TokenOwner]:
    """The application behind a call that may go on. Raises ApiError."""
    app, known = tokens.owner(feishu, authorization, endpoint.takes)
    if not app.enabled:
        raise ApiError(99991662)
    if app.online is None:
        raise ApiError(99991673)
    if app.allowed_ips and client_ip not in app.allowed_ips:
        raise ApiError(99991401, ip=client_ip)
    if endpoint.takes == APPLICATION:
        _check_scopes(app, endpoint)
    _check_frequency(feishu, app, name)
    if endpoint.is_counted:
        _check_quota(feishu, app)
    return app, known


def body_of(raw: bytes, required: tuple[str, ...]) -> Json:
    """The JSON object of a call; an empty one where nothing was sent."""
    if not raw.strip():
        body: Any = {}
    else:
        try:
            body = json.loads(raw.decode("utf-8"))
        except ValueError as error:
            raise ApiError(9499) from error
    if not isinstance(body, dict):
        raise ApiError(9499)
    missing = [name for name in required if body.get(name) in (None, "")]
    if missing:
        raise missing_fields(missing)
    return body


def quota_key(feishu: Feishu, app: App) -> str:
    return f"{app.tenant_key}/{datetime.fromtimestamp(feishu.now, UTC):%Y-%m}"


def count(feishu: Feishu, app: App) -> None:
    """A call that succeeded uses up the month's quota."""
    key = quota_key(feishu, app)
    feishu.state.calls[key] = feishu.state.calls.get(key, 0) + 1


def over_limit(most: int, seconds: float) -> ApiError:
    """99991400 with the headers that say how long to wait."""
    wait = str(max(1, math.ceil(seconds)))
    return ApiError(99991400, headers={"x-ogw-ratelimit-limit": str(most), "x-ogw-ratelimit-reset": wait})


def _check_scopes(app: App, endpoint: Endpoint) -> None:
    if not endpoint.scopes or granted(app) & set(endpoint.scopes):
        return
    joined = ", ".join(endpoint.scopes)
    violations = [{"type": "action_scope_required", "subject": scope} for scope in endpoint.scopes]
    query = ",".join(endpoint.scopes)
    url = f"https://open.feishu.cn/app/{app.app_id}/auth?q={query}&op_from=openapi&token_type=tenant"
    helps = [{"url": url, "description": "点击链接申请并开通任一权限即可"}]
    error = ApiError(99991672, error={"permission_violations": violations, "helps": helps})
    error.message = f"Access denied. One of the following scopes is required: [{joined}]"
    raise error


def _check_frequency(feishu: Feishu, app: App, name: str) -> None:
    limits, key, now = feishu.state.limits, ("api", app.app_id, name), feishu.now
    if not feishu.windows.admit(key, now, limits.api_per_second, 1.0):
        raise over_limit(limits.api_per_second, 1.0)
    if not feishu.windows.admit(key, now, limits.api_per_minute, 60.0):
        raise over_limit(limits.api_per_minute, 60.0)


def _check_quota(feishu: Feishu, app: App) -> None:
    most = feishu.state.limits.monthly_calls
    if most and feishu.state.calls.get(quota_key(feishu, app), 0) >= most:
        raise ApiError(99991403)
