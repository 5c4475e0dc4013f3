"""The application object, with a short way for programs that prove in each request who they are.

A chat platform's callback and a monitoring system's push have a budget of milliseconds. They bring no cookie, speak no
language and are limited by their signature or key, so nothing of what a reader's request passes (session, sign-in,
form tokens, limits) is about them.
"""

from __future__ import annotations

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue

from blueprints import access_log, gate, headers

SHORT = frozenset({"callbacks", "intake"})
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

    def preprocess_request(self) -> ResponseReturnValue | None:
        if request.blueprint not in SHORT:
            return super().preprocess_request()
        access_log.start()
        gate.number_request()
        gate.check_text()
        return None

    def process_response(self, response: Response) -> Response:
        if request.blueprint not in SHORT:
            return super().process_response(response)
        # A forged press is counted, not written down; a push that was refused is for its administrator to find.
        is_refused_push = request.blueprint == "intake" and response.status_code >= FIRST_REFUSAL
        finish = access_log.finish if is_refused_push else access_log.finish_call
        return finish(headers.add_headers(response))
