"""What every request passes before its view: a number, the kind of transaction, its origin, its session."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import SplitResult, urlsplit

import structlog
from flask import Flask, Request, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import BadRequest

from blueprints.access import PasswordChangeRequired, SignInRequired, current_member, must_set_password
from errors import AppError
from services.instance import current_settings
from texts import N_

READING = frozenset({"GET", "HEAD", "OPTIONS"})
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
SELF_AUTHENTICATING = frozenset({"intake", "api", "send_message", "callbacks", "provider_callbacks"})
"""Blueprints that look at a key, token or signature in each request and at no cookie."""
OWN_DOOR = SELF_AUTHENTICATING | {"h5", "h5_tenant_home"}
"""Blueprints that decide by themselves who comes in."""


class ForeignOrigin(AppError):
    """A form of another site was sent here."""

    code = "request.foreign_origin"
    api_code = "AccessDenied"
    message = N_("请求来自其他网站，已被拒绝")
    hint = N_("请直接打开本系统的页面再试；如果使用反向代理，请检查 PUBLIC_URL 的设置。")
    status = 403


def register(app: Flask) -> None:
    """Put these checks before those of every extension."""
    app.before_request(number_request)
    app.before_request(check_origin)
    app.before_request(check_text)


def number_request() -> None:
    number(request, g)


def number(asked: Request, known: Any) -> None:
    """Name a request for log lines, audit entries and its answer; decide how its transactions begin.

    known  flask.g
    """
    given = asked.headers.get("X-Request-Id", "")
    known.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    known.address = asked.remote_addr
    known.reads_only = asked.method in READING
    # In place of the one before: nothing else is ever bound to a thread.
    structlog.contextvars.bind_contextvars(request_id=known.request_id)


def check_origin() -> None:
    """Refuse changes that another site's page asked for. Comes on top of the form's token."""
    if request.method in READING or request.blueprint in SELF_AUTHENTICATING:
        return
    origin = request.headers.get("Origin")
    if origin is not None and _normal(origin) not in own_origins():
        raise ForeignOrigin(origin)
    if origin is None and request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise ForeignOrigin("Sec-Fetch-Site")


def check_text() -> None:
    """What programs send is looked at where it is read."""
    texts = [request.path]
    if request.blueprint not in SELF_AUTHENTICATING:
        sent = request.args if request.method in READING else request.values
        texts += [text for name in sent for text in (name, *sent.getlist(name))]
    refuse_nul(texts)


def refuse_nul(texts: list[str]) -> None:
    """Refuse NUL characters: nobody types them, and PostgreSQL can neither keep nor look for them."""
    for text in texts:
        if "\x00" in text:
            raise BadRequest("NUL character")


def own_origins() -> set[str]:
    """The public address, and the one that this request was sent to (another port, a name inside the network)."""
    return {_normal(current_settings().public_url), _normal(request.host_url)}


def admit() -> ResponseReturnValue | None:
    """Close everything that is not marked public to people without a session, and to one-time passwords."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or request.endpoint == "static" or getattr(view, "is_public", False):
        return None
    if request.blueprint in SELF_AUTHENTICATING:
        return None
    if not current_user.is_authenticated:
        if request.blueprint in OWN_DOOR:
            return None
        raise SignInRequired
    if getattr(view, "is_before_password_change", False):
        return None
    if must_set_password():
        raise PasswordChangeRequired
    if request.blueprint not in OWN_DOOR:
        current_member()
    return None


def wanted_path() -> str | None:
    """Where the reader wanted to go: this page, or the page around this fragment."""
    if request.method in READING and "HX-Request" not in request.headers:
        return request.full_path.rstrip("?")
    shown = _parts(request.headers.get("HX-Current-URL", ""))
    return f"{shown.path}?{shown.query}".rstrip("?") if shown.path else None


def turn_to(endpoint: str) -> ResponseReturnValue:
    """Send the reader to another page first, also out of a fragment, and back afterwards."""
    target = url_for(endpoint, next=wanted_path())
    if "HX-Request" in request.headers:
        return "", 204, {"HX-Redirect": target}
    return redirect(target, code=303)


def _normal(address: str) -> str:
    """scheme://host[:port] in one spelling, "" for what is none ("null")."""
    parts = _parts(address)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}" if parts.netloc else ""


def _parts(address: str) -> SplitResult:
    """Of an address that a header names: empty ones if it is none ("http://[", half an IPv6 address)."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
