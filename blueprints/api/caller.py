"""Who calls the API: the bearer token of each request, its scopes, and when it was last used."""

from __future__ import annotations

import logging
from datetime import datetime

from flask import g, request
from sqlalchemy.exc import SQLAlchemyError

from blueprints.envelope import RefusedRequest
from extensions import begin_write, db, read_only
from models import Membership
from services import api_tokens, rights
from services.api_tokens import Caller, Scope
from services.clock import utcnow

BEARER = "Bearer "
TOKEN_CHARS = 200

log = logging.getLogger(__name__)


def admit(scope: Scope) -> None:
    """Check the token and its scope before anything else is read. Raises RefusedRequest 401 or 403.

    This is a reading transaction that ends here: guessing tokens or sending a body slowly holds no write lock.
    """
    now = utcnow()
    with read_only():
        caller = _caller(now)
        is_use_new = api_tokens.is_use_to_be_noted(caller.token, now=now)
        token_id, tenant_id = caller.token.id, caller.token.tenant_id
        is_in_scope = caller.has_scope(scope)
    if not is_in_scope:
        raise RefusedRequest(403, "AccessDenied", f"this token lacks the scope {scope.value!r}")
    if is_use_new:
        note_use(token_id, tenant_id, now)


def acting_member(right: str) -> Membership:
    """The member that the request acts for, read in the transaction of the view. Raises AccessDenied."""
    member = _caller(utcnow()).member
    rights.require(member, right)
    g.member = member  # answers speak the language and the zone of the owner's organisation
    return member


def _caller(now: datetime) -> Caller:
    header = request.headers.get("Authorization", "")
    text = header.removeprefix(BEARER).strip() if header.startswith(BEARER) else ""
    caller = api_tokens.verify(text, now=now) if 0 < len(text) <= TOKEN_CHARS else None
    if caller is None:
        message = "a valid API token is required: Authorization: Bearer <token>"
        raise RefusedRequest(401, "Unauthorized", message, {"WWW-Authenticate": "Bearer"})
    return caller


def note_use(token_id: int, tenant_id: int, now: datetime) -> None:
    """Write down when a token was used. A full disk or a locked database costs this note, not the answer."""
    reads_only = g.get("reads_only", False)
    begin_write()
    try:
        api_tokens.note_use(token_id, tenant_id, now=now)
        db.session.commit()
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("The use of an API token could not be noted: %s", type(error).__name__)
    finally:
        g.reads_only = reads_only
