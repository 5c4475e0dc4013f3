"""Security headers, in one place and on every answer.

No page may be shown in a frame, also none of those inside the platforms' clients: these show a page in a web view of
its own, where DingTalk's script finds its client by window.dingtalk. Only pages framed by a host below dingtalk.com
would find it by window.top, and there nobody could sign in: browsers send a SameSite=Lax cookie to no foreign frame.
DingTalk names no exact host either, and all of *.dingtalk.com is more than may be trusted with our buttons.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from flask import Flask, Response, request

from platforms import PLATFORMS
from services import integrations
from services.instance import current_settings

LANDING_FORMS = frozenset({"auth", "h5", "preferences"})
"""Blueprints whose forms may end, over redirects, at a platform's sign-in: browsers hold form-action against those."""

POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
YEAR_SECONDS = 31_536_000


def register(app: Flask) -> None:
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """Complete an answer's headers; what a view has set itself stays."""
    settings = current_settings()
    given = {name.lower() for name, _value in response.headers}
    wanted = _fixed(content_policy(request.blueprint), is_https=settings.is_https)
    response.headers.extend([header for header in wanted if header[0].lower() not in given])
    _set_caching(response)
    return response


@cache
def for_programs(*, is_https: bool) -> list[tuple[str, str]]:
    """The same for an answer that no browser is to show."""
    return [*_fixed(_policy(()), is_https=is_https), ("Cache-Control", "no-store")]


@cache
def _fixed(policy: str, *, is_https: bool) -> tuple[tuple[str, str], ...]:
    return (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        # Pages relax this for themselves to same-origin (layouts/base.html): browsers blank a form's Origin otherwise.
        ("Referrer-Policy", "no-referrer"),
        ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Frame-Options", "DENY"),
        *((("Strict-Transport-Security", f"max-age={YEAR_SECONDS}; includeSubDomains"),) if is_https else ()),
    )


def content_policy(blueprint: str | None) -> str:
    """The Content-Security-Policy of a blueprint's pages: nothing inline, nothing foreign, no frames."""
    return _policy(_sign_in_hosts() if blueprint in LANDING_FORMS else ())


def _sign_in_hosts() -> tuple[str, ...]:
    """Where the platforms' sign-in pages are."""
    return tuple(base for slug in PLATFORMS for base in integrations.hosts_of(slug).values())


@cache
def _policy(landings: tuple[str, ...]) -> str:
    form_targets = ["'self'", *sorted({_origin(landing) for landing in landings})]
    policy = POLICY | {"form-action": " ".join(form_targets)}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _set_caching(response: Response) -> None:
    if request.endpoint == "static":
        if "v" in request.args and response.status_code in {200, 206, 304}:
            response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
        return
    response.headers.setdefault("Cache-Control", "no-store")


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
