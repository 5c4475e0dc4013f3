"""What an operation of the API is: one declaration that routes it, guards it, reads for it and describes it.

The description is made of these declarations (openapi.py), so that it cannot say anything else than what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm.exc import StaleDataError

from blueprints.access import public
from blueprints.api import problems, reading
from blueprints.api.caller import acting_member, admit, whoami
from blueprints.api.schemas import Schema
from blueprints.envelope import answer
from blueprints.gate import READING
from errors import AppError, Conflict
from extensions import db
from models import Membership
from services import rights
from services.api_tokens import Scope
from services.clock import utcnow
from web_extensions import csrf, limiter

VIA = "api"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

PREFIX = "/api/v1"

bp = Blueprint("api", __name__, url_prefix=PREFIX)
csrf.exempt(bp)
limiter.exempt(bp)  # counts for itself, for each token
problems.register(bp)


@dataclass(frozen=True)
class Call:
    """One request, read and allowed. query, body: as described, times as datetimes; what was not sent is missing."""

    member: Membership
    now: datetime
    query: dict[str, Any]
    body: dict[str, Any]

    @property
    def by(self) -> dict[str, Any]:
        """Who does it and when, as services ask for it."""
        return {"by": self.member, "now": self.now}


@dataclass(frozen=True)
class Operation:
    """name: of the view and, in camel case, the operationId; answers: the shape of `data`."""

    name: str
    method: str
    path: str
    summary: str
    tag: str
    scope: Scope
    right: str
    query: Schema | None
    body: Schema | None
    answers: Schema
    status: int


View = Callable[..., Any]
OPERATIONS: list[Operation] = []
_READERS: dict[str, tuple[Operation, View]] = {}
"""Of the addresses that tell of one thing."""


def operation(
    method: str,
    path: str,
    summary: str,
    *,
    right: str,
    answers: Schema,
    scope: Scope | None = None,
    query: Schema | None = None,
    body: Schema | None = None,
    status: int = 200,
) -> Callable[[View], View]:
    """Route a view that takes a Call and the address's values and returns `data`; changes are committed afterwards.

    scope  by default "read" for what only reads and "config" for the rest
    """

    def decorate(view: View) -> View:
        wanted = scope or (Scope.READ if method in READING else Scope.CONFIG)
        tag = path.split("/")[1]
        described = Operation(view.__name__, method, path, summary, tag, wanted, right, query, body, answers, status)
        OPERATIONS.append(described)
        if method == "GET" and query is None:
            _READERS[path] = described, view
        bp.add_url_rule(path, view.__name__, public(_answering(described, view)), methods=[method])
        return view

    return decorate


def _answering(described: Operation, view: View) -> Callable[..., Response]:
    def respond(**values: Any) -> Response:
        admit(described.scope)
        asked = reading.query(described.query)
        sent = {} if described.method in READING else reading.body(described.body)
        call = Call(acting_member(described.right), utcnow(), asked, sent)
        try:
            data = view(call, **values)
            if described.method not in READING:
                db.session.commit()
        except (AppError, StaleDataError) as error:
            if isinstance(error, StaleDataError) or error.api_code == Conflict.api_code:
                problems.show_present(_present(described, values))
            raise
        return answer(data, described.status)

    respond.__name__ = described.name
    return respond


def _present(described: Operation, values: dict[str, Any]) -> Any:
    """What the thing that somebody else changed is like now: as GET tells of it, to whoever may ask. None otherwise."""
    db.session.rollback()
    path = described.path
    while "<" in path:
        found = _READERS.get(path)
        if found is not None:
            known = {name: value for name, value in values.items() if f":{name}>" in path}
            return _read(*found, known)
        path = path.rpartition("/")[0]
    return None


def _read(described: Operation, view: View, values: dict[str, Any]) -> Any:
    caller = whoami()
    if not caller.has_scope(described.scope) or not rights.can(caller.member, described.right):
        return None
    try:
        return view(Call(caller.member, utcnow(), {}, {}), **values)
    except AppError:
        return None
