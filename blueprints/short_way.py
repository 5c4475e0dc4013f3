"""The application object, with a short way for programs that prove in each request who they are.

A chat platform's callback and a monitoring system's push have a budget of milliseconds. They bring no cookie, speak no
language and are limited by their signature or key, so nothing of what a reader's request passes (session, sign-in,
form tokens, limits) is about them. What is left of it takes the request itself: Flask's stand-ins for it, asked fifty
times, would cost a press a twentieth of its budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, g
from flask.globals import request_ctx
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue

from blueprints import access_log, gate, headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATHS = ("/callback/", "/event/push/alert/")
FIRST_REFUSAL = 400


class Sessions(SecureCookieSessionInterface):
    """Opens no session for a program."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith(PATHS):
            return self.make_null_session(app)
        return super().open_session(app, request)


class Application(Flask):
    """Flask, whose steps before and after a view depend on who asks."""

    session_interface = Sessions()

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if not environ["PATH_INFO"].startswith(PATHS):
            return super().wsgi_app(environ, start_response)

        def start(status: str, given: list[tuple[str, str]], error: Any = None) -> Any:
            return start_response(status, [*given, *fixed], error)

        fixed = headers.for_programs(is_https=self.config["SETTINGS"].is_https)
        return super().wsgi_app(environ, start)

    def preprocess_request(self) -> ResponseReturnValue | None:
        asked = request_ctx.request
        if not asked.path.startswith(PATHS):
            return super().preprocess_request()
        access_log.start()
        gate.number(asked, g._get_current_object())
        gate.refuse_nul([asked.path])
        return None

    def process_response(self, response: Response) -> Response:
        asked = request_ctx.request
        if not asked.path.startswith(PATHS):
            return super().process_response(response)
        # A forged press is counted, not written down; a push that was refused is for its administrator to find.
        if asked.blueprint == "intake" and response.status_code >= FIRST_REFUSAL:
            return access_log.finish(response)
        return access_log.finish_call(asked, response)

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """What extensions take down after a request they have not set up for a program."""
        if not request_ctx.request.path.startswith(PATHS):
            super().do_teardown_request(exc)
