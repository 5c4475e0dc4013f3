"""create_app: wiring of the simulator. Hosts under .localhost are webviews, everything else is routed as usual."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from simulator import control, csrf, i18n, pages, platforms, webview
from simulator.base import ControlError, Laboratory, Page, current_laboratory
from simulator.faults import Faults
from simulator.store import Store
from simulator.wire import WireLog

POLICY = (
    "default-src 'self'; img-src 'self' data: http: https:; frame-ancestors 'self'; form-action 'self' http: https:"
)


@dataclass
class SessionKey:
    """What signs the cookies of the simulator's own pages."""

    value: str = ""

    def load(self, data: dict[str, Any]) -> None:
        self.value = data["value"]


def create_app(state_path: Path | str | None = None, *, product_url: str = "") -> Flask:
    """The simulator as a Flask app.

    state_path   JSON file that keeps organisations, apps, messages and codes over restarts; None forgets them.
    product_url  origin that webviews may open even before an app names it as its own.
    """
    app = Flask(__name__)
    store = Store(Path(state_path) if state_path else None)
    laboratory = Laboratory(store, WireLog(), Faults(), product_url.rstrip("/"))
    platforms.install(laboratory)
    app.secret_key = _session_key(store)
    app.config.update(SESSION_COOKIE_NAME="simulator_session", SESSION_COOKIE_SAMESITE="Lax")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions["simulator"] = laboratory
    app.extensions["simulator_store"] = store
    for blueprint in (control.bp, pages.bp, i18n.bp):
        app.register_blueprint(blueprint)
    for platform in laboratory.platforms.values():
        for blueprint in platform.blueprints:
            app.register_blueprint(blueprint)
    app.before_request(_route_by_host)
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _error_page)
    for refusal in (ControlError, KeyError, TypeError, ValueError):
        app.register_error_handler(refusal, _control_error)
    app.jinja_env.globals.update(t=i18n.t, lang=i18n.language, csrf_field=csrf.field, csrf_token=csrf.token)
    app.jinja_env.globals.update(asset=webview.asset, is_webview=webview.is_webview_host)
    app.jinja_env.globals.update(visited_platform=pages.visited_platform)
    app.jinja_env.filters.update(clock=pages.clock_text, hour=pages.hour_text)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    return app


def _session_key(store: Store) -> str:
    key = SessionKey()
    store.register("session_key", key)
    if not key.value:
        key.value = secrets.token_hex(32)
        store.touch()
    return key.value


def _route_by_host() -> Page | None:
    """Webviews are answered here; control is guarded; forms of pages need their token."""
    if webview.is_webview_host():
        return webview.answer(current_laboratory())
    control.guard()
    if not _is_for_machines():
        csrf.protect()
    return None


def _is_for_machines() -> bool:
    """Is this a path that programs call: control, or a platform's open API?"""
    beginnings = (platform.machine_paths for platform in current_laboratory().platforms.values())
    return request.path.startswith(("/control", *(path for paths in beginnings for path in paths)))


def _add_headers(response: Response) -> Response:
    """Security headers for pages; a proxied page keeps the product's own."""
    if webview.is_webview_host() or _is_for_machines():
        return response
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _error_page(error: HTTPException) -> tuple[Any, int]:
    code = error.code or 500
    if _is_for_machines():
        return {"error": error.description}, code
    return render_template("notice.html", title=error.name, detail=error.description), code


def _control_error(error: Exception) -> tuple[Any, int]:
    """A mistake in a control call comes back as JSON; anywhere else it is a defect and stays one."""
    if not request.path.startswith("/control"):
        raise error
    return control.refused(error)
