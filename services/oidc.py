"""The OpenID Connect client: an identity provider's description, where a person is sent, what a code stands for.

Authorization code flow with state, nonce and PKCE (S256). Every address that is called comes from what an administrator
entered or from what answers there, so each passes the guard of such addresses; redirects are not followed.
https://openid.net/specs/openid-connect-core-1_0.html

The libraries are imported where they are used: ten megabytes that an installation without single sign-on never needs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

from errors import AppError
from platforms.errors import PlatformError
from platforms.http import Answer
from services import integrations
from texts import N_, Text

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Those with a key pair: "none", and codes that anybody with the client's secret can compute, prove nothing."""
LEEWAY_SECONDS = 60
LONGEST_SUBJECT = 255


class ProviderFailed(AppError):
    """The identity provider could not be used; `reason` says in which way, never what it answered."""

    code = "sso.provider_failed"
    api_code = "InvalidParameter"
    message = N_("身份提供方不可用：%(reason)s")
    hint = N_("请在「单点登录」页面检查配置，并确认身份提供方正在运行、运维人员允许了它的地址。")
    status = 502


@dataclass(frozen=True)
class Client:
    """How we are known there. secret: in clear, as long as the object lives; "" for a public client."""

    issuer: str
    client_id: str
    secret: str


@dataclass(frozen=True)
class Provider:
    """What the issuer says of itself (discovery). token_auth: how the client's secret is to be sent."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    token_auth: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """Who the provider says this is. email: "" unless the provider has verified it."""

    issuer: str
    subject: str
    email: str
    name: str


def discover(issuer: str) -> Provider:
    """Read the provider's description. Raises ProviderFailed."""
    found = _get(f"{issuer}/.well-known/openid-configuration")
    if str(found.get("issuer", "")).rstrip("/") != issuer:
        raise ProviderFailed(reason=Text(N_("发现文档中的 issuer 与填写的不同")))
    told = {name: _address(found.get(name)) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    ways = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if not all(told.values()) or not isinstance(ways, list):
        raise ProviderFailed(reason=Text(N_("发现文档不完整")))
    if urlsplit(told["authorization_endpoint"]).scheme != urlsplit(issuer).scheme:
        raise ProviderFailed(reason=Text(N_("登录地址没有使用 https")))
    return Provider(
        str(found["issuer"]),
        **told,
        userinfo_endpoint=_address(found.get("userinfo_endpoint")),
        token_auth=tuple(str(way) for way in ways),
    )


def _address(told: object) -> str:
    """An address that the provider names; "" for what is none."""
    try:
        return told if isinstance(told, str) and urlsplit(told).netloc else ""
    except ValueError:  # half an IPv6 address
        return ""


def keys(provider: Provider) -> KeySet:
    """The provider's public keys. Raises ProviderFailed."""
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import KeySet  # noqa: PLC0415

    try:
        found = KeySet.import_key_set(_get(provider.jwks_uri))  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ProviderFailed(reason=Text(N_("签名公钥无法读取"))) from error
    if not found.keys:
        raise ProviderFailed(reason=Text(N_("签名公钥无法读取")))
    return found


def authorization_url(
    provider: Provider, client: Client, *, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Where a person goes to sign in; comes back to redirect_uri with `code` and `state`."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415
    from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

    challenge = create_s256_code_challenge(verifier)
    url: str = prepare_grant_uri(
        provider.authorization_endpoint,
        client_id=client.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=SCOPE,
        state=state,
        nonce=nonce,
        code_challenge=challenge,
        code_challenge_method="S256",
    )
    return url


def identify(provider: Provider, client: Client, code: str, *, redirect_uri: str, nonce: str, verifier: str) -> Person:
    """Exchange a code and check the ID token: signature, issuer, audience, times, nonce. Raises ProviderFailed."""
    answered = _exchange(provider, client, code, redirect_uri, verifier)
    claims = _checked(str(answered.get("id_token") or ""), provider, client, nonce)
    if "email" not in claims and provider.userinfo_endpoint:
        claims = claims | _userinfo(provider, str(answered.get("access_token") or ""), str(claims["sub"]))
    is_verified = claims.get("email_verified") in (True, "true")
    email = str(claims.get("email") or "").strip() if is_verified else ""
    name = str(claims.get("name") or claims.get("preferred_username") or email or claims["sub"])
    return Person(provider.issuer, str(claims["sub"])[:LONGEST_SUBJECT], email, name[:128])


def _exchange(provider: Provider, client: Client, code: str, redirect_uri: str, verifier: str) -> dict[str, Any]:
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client.client_id,
        "code_verifier": verifier,
    }
    basic: tuple[str, str] | None = None
    if client.secret and "client_secret_basic" in provider.token_auth:
        basic = (quote_plus(client.client_id), quote_plus(client.secret))
    elif client.secret:
        fields["client_secret"] = client.secret
    answer = _call("POST", provider.token_endpoint, fields=fields, basic=basic)
    if answer.status != 200:
        raise ProviderFailed(reason=Text(N_("授权码没有换到令牌，请检查 Client ID 与 Client Secret")))
    return _json(answer)


def _checked(id_token: str, provider: Provider, client: Client, nonce: str) -> dict[str, Any]:
    from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
    from joserfc import jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415

    wanted = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": client.client_id},
    }
    try:
        token = jwt.decode(id_token, keys(provider), algorithms=ALGORITHMS)
        claims = CodeIDToken(token.claims, token.header, wanted, {"nonce": nonce, "client_id": client.client_id})
        claims.validate(now=int(time.time()), leeway=LEEWAY_SECONDS)
    except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
        raise ProviderFailed(reason=Text(N_("身份令牌没有通过验证"))) from error
    if claims.get("nonce") != nonce or not claims.get("sub"):
        raise ProviderFailed(reason=Text(N_("身份令牌没有通过验证")))
    return dict(claims)


def _userinfo(provider: Provider, access_token: str, subject: str) -> dict[str, Any]:
    """What the provider says beyond the token, if it is about the same person."""
    found = _json(_call("GET", provider.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"}))
    if found.get("sub") != subject:
        raise ProviderFailed(reason=Text(N_("身份令牌没有通过验证")))
    return {name: found[name] for name in ("email", "email_verified", "name") if name in found}


def _get(url: str) -> dict[str, Any]:
    answer = _call("GET", url)
    if answer.status != 200:
        raise ProviderFailed(reason=Text(N_("没有读到发现文档或公钥，请检查 Issuer 地址")))
    return _json(answer)


def _json(answer: Answer) -> dict[str, Any]:
    try:
        return answer.json()
    except PlatformError as error:
        raise ProviderFailed(reason=Text(N_("应答不是 JSON"))) from error


def _call(
    method: str,
    url: str,
    *,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
) -> Answer:
    try:
        return integrations.transport_to(url).exchange_form(method, url, fields, headers=headers, basic=basic)
    except PlatformError as error:
        raise ProviderFailed(reason=_said(error)) from error


def _said(error: PlatformError) -> Text:
    """Why nothing came back, with what our own sentences insert."""
    return Text(error.message, **{name: value for name, value in error.params.items() if isinstance(value, str)})
