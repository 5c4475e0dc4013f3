"""create_app: wiring of the simulator. Hosts under .localhost are webviews, everything else is routed as usual."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from simulator import control, csrf, i18n, pages, webview
from simulator.faults import Faults
from simulator.store import Store
from simulator.wecom import api, client, console_apps, login
from simulator.wecom import control as wecom_control
from simulator.wecom.context import WeCom, current_wecom
from simulator.wecom.presses import CannotPress
from simulator.wecom.reports import Unknown
from simulator.wecom.setup import SetupError
from simulator.wire import WireLog

MACHINE_PATHS = ("/cgi-bin/", "/control")
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

    state_path   JSON file that keeps corps, apps, messages and codes over restarts; None forgets them.
    product_url  origin that webviews may open even before an app names it as its trusted domain.
    """
    app = Flask(__name__)
    store = Store(Path(state_path) if state_path else None)
    wecom = WeCom(store, WireLog(), Faults(), product_url.rstrip("/"))
    store.register("wecom", wecom.state)
    app.secret_key = _session_key(store)
    app.config.update(SESSION_COOKIE_NAME="simulator_session", SESSION_COOKIE_SAMESITE="Lax")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions["simulator_store"] = store
    app.extensions["simulator_wecom"] = wecom
    for blueprint in (api.bp, control.bp, wecom_control.bp, pages.bp, i18n.bp, console_apps.bp, client.bp, login.bp):
        app.register_blueprint(blueprint)
    app.before_request(_route_by_host)
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _error_page)
    for refusal in (Unknown, CannotPress, SetupError, KeyError, TypeError, ValueError):
        app.register_error_handler(refusal, _control_error)
    app.jinja_env.globals.update(t=i18n.t, lang=i18n.language, csrf_field=csrf.field, csrf_token=csrf.token)
    app.jinja_env.globals.update(asset=webview.asset, is_webview=webview.is_webview_host)
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


def _route_by_host() -> Response | BaseResponse | tuple[str, int] | None:
    """Webviews are answered here; control is guarded; forms of pages need their token."""
    if webview.is_webview_host():
        return webview.answer(current_wecom())
    control.guard()
    if not request.path.startswith(MACHINE_PATHS):
        csrf.protect()
    return None


def _add_headers(response: Response) -> Response:
    """Security headers for pages; a proxied page keeps the product's own."""
    if request.path.startswith(MACHINE_PATHS) or webview.is_webview_host():
        return response
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _error_page(error: HTTPException) -> tuple[Any, int]:
    code = error.code or 500
    if request.path.startswith(MACHINE_PATHS):
        return {"error": error.description}, code
    return render_template("notice.html", title=error.name, detail=error.description), code


def _control_error(error: Exception) -> tuple[Any, int]:
    """A mistake in a control call comes back as JSON; anywhere else it is a defect and stays one."""
    if not request.path.startswith("/control"):
        raise error
    return control.refused(error)
