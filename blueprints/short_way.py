"""The application object, with a short way for programs that prove in each request who they are.

A chat platform's callback and a monitoring system's push have a budget of milliseconds. They bring no cookie, speak no
language and are limited by their signature or key, so nothing of what a reader's request passes (session, sign-in,
form tokens, limits) is about them, and Flask's own steps around a view would cost a press a tenth of its budget. Their
views are called with the application's context alone, get the request by programs.asked() and return an Answer. What
they raise is answered by Flask, in the same words as everywhere.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, g
from flask.ctx import RequestContext
from werkzeug.exceptions import NotFound
from werkzeug.routing import RequestRedirect

from blueprints import access_log, gate, headers
from blueprints.programs import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.routing import Rule

    Match = Callable[[str, str], tuple[Rule, Mapping[str, Any]]]

PATHS = ("/callback/", "/event/push/alert/")
REMEMBERED = 256
"""Paths whose view need not be looked for; a stranger can make up others, of up to 4 KB each."""


class Application(Flask):
    """Flask, but for what programs ask."""

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(PATHS) or environ["REQUEST_METHOD"] == "OPTIONS":
            return super().wsgi_app(environ, start_response)
        with self.app_context():
            request = self.request_class(environ)
            try:
                answer = self._answer(request, g._get_current_object())
            except Exception as error:
                return self._refusal(request, error)(environ, start_response)
        return answer(environ, start_response)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing here is a coroutine, so that Flask need not look for one at each step of each request."""
        return func

    def _answer(self, request: Request, known: Any) -> Answer:
        """known: flask.g"""
        known.asked = request
        access_log.start(known)
        gate.number(request, known)
        gate.refuse_nul([request.path])
        request.url_rule, values = self._match(request.path, request.method)
        view: Any = self.view_functions[request.url_rule.endpoint]
        answer: Answer = view(**values)
        answer.headers += [("X-Request-Id", known.request_id), *self._fixed_headers]
        answer.afterwards.append(access_log.of_call(request, answer.status, known))
        return answer

    @cached_property
    def _fixed_headers(self) -> list[tuple[str, str]]:
        return headers.for_programs(is_https=self.config["SETTINGS"].is_https)

    @cached_property
    def _match(self) -> Match:
        """Finds the rule of a path and method, and the rule's values; raises what Flask answers with 404 or 405.

        No program is sent elsewhere: the map would tidy up `//` in a path by leading to an address without a host.
        """
        addresses = self.url_map.bind("")  # whatever the host is called, as everywhere in the product

        @lru_cache(maxsize=REMEMBERED)
        def match(path: str, method: str) -> tuple[Rule, Mapping[str, Any]]:
            try:
                return addresses.match(path, method, return_rule=True)
            except RequestRedirect as error:
                raise NotFound from error

        return match

    def _refusal(self, request: Request, error: Exception) -> Response:
        """Flask's handlers of errors, and its steps after a view, look at the request."""
        with RequestContext(self, request.environ, request=request):
            try:
                return self.finalize_request(self.handle_user_exception(error))
            except Exception as unexpected:  # has no handler
                return self.handle_exception(unexpected)
