"""Signing in: the authorise link, the exchange of a code, who is behind a user token.

https://open.feishu.cn/document/common-capabilities/sso/api/obtain-oauth-code and get-user-access-token
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from simulator.feishu.context import Call, Feishu
from simulator.feishu.errors import ApiError
from simulator.feishu.scopes import granted
from simulator.feishu.state import TOKEN_SECONDS, App, LoginCode, Person, TokenOwner
from simulator.ids import random_text

CODE_SECONDS, PAGE_CODE_SECONDS = 300, 180
MAX_SCOPES = 50

OAUTH_TEXTS = {
    20001: ("invalid_request", "The request is missing a required parameter."),
    20002: ("invalid_client", "The client secret is invalid."),
    20003: (
        "invalid_grant",
        "The authorization code is not found. Please note that an authorization code can only be used once.",
    ),
    20004: ("invalid_grant", "The authorization code is expired."),
    20008: ("invalid_grant", "The user does not exist."),
    20009: ("invalid_grant", "The app is not installed in the tenant."),
    20010: ("invalid_grant", "The user does not have permission to use this app."),
    20024: ("invalid_grant", "The provided authorization code does not match the provided client ID."),
    20036: ("unsupported_grant_type", "The grant type is not supported."),
    20048: ("invalid_client", "The app does not exist."),
    20049: ("invalid_grant", "The PKCE code challenge failed."),
    20063: ("invalid_request", "The request is malformed."),
    20065: ("invalid_grant", "The authorization code has been used."),
    20066: ("invalid_grant", "The user status is invalid."),
    20069: ("invalid_client", "The app is not enabled."),
    20070: ("invalid_request", "Multiple authentication methods are used."),
    20071: ("invalid_grant", "The provided redirect URI does not match the one of the authorization request."),
}

Json = dict[str, Any]


class BadLink(Exception):
    """A link that Feishu answers with an error page of its own, without a redirect."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code} {detail}")
        self.code, self.detail = code, detail

    @property
    def title(self) -> str:
        return f"错误码：{self.code}"


class TokenError(Exception):
    """A refusal of the token endpoint: HTTP 400 and the words of OAuth 2.0."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        error, description = OAUTH_TEXTS[code]
        self.body: Json = {"code": code, "error": error, "error_description": description}


@dataclass
class Authorisation:
    """A link that passed every check. state None: none was sent."""

    app: App
    redirect_uri: str
    state: str | None
    scope: str
    challenge: str
    challenge_method: str
    asks: bool


def read_link(feishu: Feishu, query: dict[str, str]) -> Authorisation:
    """Check an authorise link. Raises BadLink."""
    app = feishu.state.apps.get(query.get("client_id") or query.get("app_id", ""))
    if app is None:
        raise BadLink(20048, "应用不存在，请检查 client_id")
    if query.get("response_type", "code") != "code":
        raise BadLink(20001, "response_type 应为 code")
    redirect_uri = query.get("redirect_uri", "")
    if without_query(redirect_uri) not in {without_query(known) for known in app.redirect_urls}:
        raise BadLink(20029, f"redirect_uri 请求不合法：{redirect_uri} 没有登记在 安全设置 › 重定向 URL")
    scopes = query.get("scope", "").split()
    opened = set(app.online.user_scopes) if app.online else set()
    missing = [scope for scope in scopes if scope not in opened]
    if missing or len(scopes) > MAX_SCOPES:
        raise BadLink(20027, f"当前应用未申请 {' '.join(missing)} 相关权限，无法授权")
    return Authorisation(
        app,
        redirect_uri,
        query.get("state"),
        " ".join(scopes),
        query.get("code_challenge", ""),
        query.get("code_challenge_method", "plain"),
        bool(scopes) or query.get("prompt") == "consent",
    )


def grant(feishu: Feishu, link: Authorisation, user_id: str) -> str:
    """A code for this person, and the address to send the browser to."""
    code = new_code(feishu, link.app, user_id, redirect_uri=link.redirect_uri, scope=link.scope)
    known = feishu.state.login_codes[code]
    known.challenge, known.challenge_method = link.challenge, link.challenge_method
    return with_answer(link, {"code": code})


def refused(link: Authorisation) -> str:
    return with_answer(link, {"error": "access_denied"})


def with_answer(link: Authorisation, answer: Json) -> str:
    """The redirect address with the answer, and with `state` as it was sent; a fragment stays behind the query."""
    parts = urlsplit(link.redirect_uri)
    stated = {} if link.state is None else {"state": link.state}
    query = "&".join(filter(None, [parts.query, urlencode(answer | stated)]))
    return urlunsplit(parts._replace(query=query))


def without_query(url: str) -> str:
    """What is compared: scheme, host, port and path."""
    return url.split("#", maxsplit=1)[0].split("?", maxsplit=1)[0]


def new_code(
    feishu: Feishu, app: App, user_id: str, *, redirect_uri: str = "", scope: str = "", seconds: float | None = None
) -> str:
    """A code of single use: five minutes with a redirect address, three when a page asked for it."""
    lifetime = seconds if seconds is not None else CODE_SECONDS if redirect_uri else PAGE_CODE_SECONDS
    code = random_text(64)
    feishu.state.login_codes[code] = LoginCode(app.app_id, user_id, feishu.now + lifetime, redirect_uri, scope)
    feishu.store.touch()
    return code


def exchange(feishu: Feishu, body: Json, authorization: str) -> Json:
    """authen/v2/oauth/token and oauth/v3/token: a code, or the application's own credentials. Raises TokenError."""
    app = _client(feishu, body, authorization)
    kind = body.get("grant_type")
    if kind == "client_credentials":
        token, lifetime = _issue(feishu, app, "", ""), TOKEN_SECONDS
        return {"code": 0, "access_token": token, "expires_in": lifetime, "token_type": "Bearer"}
    if kind != "authorization_code":
        raise TokenError(20036)
    known = _code(feishu, app, body)
    known.is_used = True
    person = feishu.state.tenant_of(app).people.get(known.user_id)
    _check_person(app, person)
    token = _issue(feishu, app, known.user_id, known.scope)
    answer = {"code": 0, "access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
    return answer | {"scope": known.scope or "auth:user.id:read"}


def user_info(call: Call) -> Json:
    """Who the token stands for; fields whose permission is missing are left out. Errors come with HTTP 200."""
    person = call.tenant.people.get(call.person)
    if person is None:
        raise ApiError(20008)
    if person.is_resigned:
        raise ApiError(20021)
    answer = {
        "name": person.name,
        "en_name": person.name,
        "avatar_url": "",
        "avatar_thumb": "",
        "avatar_middle": "",
        "avatar_big": "",
        "open_id": call.app.open_id(person.user_id),
        "union_id": call.tenant.union_id(person.user_id),
        "tenant_key": call.tenant.tenant_key,
    }
    works = granted(call.app)
    guarded = {
        "email": ("contact:user.email:readonly", person.email),
        "user_id": ("contact:user.employee_id:readonly", person.user_id),
        "mobile": ("contact:user.phone:readonly", person.mobile),
    }
    return answer | {name: value for name, (scope, value) in guarded.items() if scope in works}


def _client(feishu: Feishu, body: Json, authorization: str) -> App:
    """The application that calls, by Basic credentials or by those in the body, not both."""
    basic = _basic(authorization)
    if basic and (body.get("client_id") or body.get("client_secret")):
        raise TokenError(20070)
    client_id, secret = basic or (body.get("client_id"), body.get("client_secret"))
    if not isinstance(client_id, str) or not isinstance(secret, str) or not client_id or not secret:
        raise TokenError(20001)
    app = feishu.state.apps.get(client_id)
    if app is None:
        raise TokenError(20048)
    if not hmac.compare_digest(app.secret.encode(), secret.encode()):
        raise TokenError(20002)
    if not app.enabled:
        raise TokenError(20069)
    if app.online is None:
        raise TokenError(20009)
    return app


def _basic(authorization: str) -> tuple[str, str] | None:
    if not authorization.startswith("Basic "):
        return None
    try:
        name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise TokenError(20063) from error
    return name, secret


def _code(feishu: Feishu, app: App, body: Json) -> LoginCode:
    given = body.get("code")
    if not isinstance(given, str) or not given:
        raise TokenError(20001)
    known = feishu.state.login_codes.get(given)
    if known is None:
        raise TokenError(20003)
    problems = [
        (known.app_id != app.app_id, 20024),
        (known.is_used, 20065),
        (known.expires_at <= feishu.now, 20004),
        (bool(known.redirect_uri) and body.get("redirect_uri") != known.redirect_uri, 20071),
        (not _proves(known, str(body.get("code_verifier") or "")), 20049),
    ]
    for applies, code in problems:
        if applies:
            raise TokenError(code)
    return known


def _proves(known: LoginCode, verifier: str) -> bool:
    """PKCE: does the verifier fit the challenge of the link?"""
    if not known.challenge:
        return True
    if known.challenge_method == "S256":
        verifier = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(verifier.encode(), known.challenge.encode())


def _check_person(app: App, person: Person | None) -> None:
    if person is None:
        raise TokenError(20008)
    if person.is_resigned:
        raise TokenError(20066)
    if not app.is_for(person):
        raise TokenError(20010)


def _issue(feishu: Feishu, app: App, user_id: str, scope: str) -> str:
    token = f"eyJ{random_text(600)}"
    feishu.state.tokens[token] = TokenOwner(app.app_id, feishu.now + TOKEN_SECONDS, user_id, scope)
    feishu.store.touch()
    return token
