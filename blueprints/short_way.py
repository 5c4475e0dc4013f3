"""The application object, with a short way for programs that prove in each request who they are.

A chat platform's callback has a budget of milliseconds. It brings no cookie, speaks no language and is limited by its
signature, so nothing of what a reader's request passes (session, sign-in, form tokens, limits) is about it.
"""

from __future__ import annotations

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue

from blueprints import access_log, gate, headers

SHORT = "callbacks"
PATH = "/callback/"


class Sessions(SecureCookieSessionInterface):
    """Opens no session for a program."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith(PATH):
            return self.make_null_session(app)
        return super().open_session(app, request)


class Application(Flask):
    """Flask, whose steps before and after a view depend on who asks."""

    session_interface = Sessions()

    def preprocess_request(self) -> ResponseReturnValue | None:
        if request.blueprint != SHORT:
            return super().preprocess_request()
        access_log.start()
        gate.number_request()
        gate.check_text()
        return None

    def process_response(self, response: Response) -> Response:
        if request.blueprint != SHORT:
            return super().process_response(response)
        return access_log.finish_call(headers.add_headers(response))
