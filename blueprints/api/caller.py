"""Who calls the API: the bearer token of each request, its scopes, and when it was last used."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from flask import g, request
from limits import RateLimitItemPerMinute
from sqlalchemy.exc import SQLAlchemyError

from blueprints.seating import seat
from blueprints.token_rates import seconds_to_wait
from errors import AppError
from extensions import begin_write, db, read_only
from models import Membership
from services import api_tokens, rights
from services.api_tokens import Caller, Scope
from services.clock import utcnow
from texts import N_, Text

BEARER = "Bearer "
TOKEN_CHARS = 200
PER_MINUTE = RateLimitItemPerMinute(600)

log = logging.getLogger(__name__)


class TokenRequired(AppError):
    code = "api.token_required"
    api_code = "Unauthorized"
    message = N_("需要有效的 API 令牌：Authorization: Bearer <令牌>")
    status = 401


class OutOfScope(AppError):
    code = "api.out_of_scope"
    api_code = "AccessDenied"
    message = N_("这个令牌没有「%(scope)s」的权限范围")
    hint = N_("请在个人中心新建一个有此权限范围的令牌。")
    status = 403


class TooMany(AppError):
    code = "api.too_many"
    api_code = "RequestTooFrequently"
    message = N_("请求过于频繁")
    hint = N_("请按 Retry-After 所示的秒数稍后再试。")
    status = 429

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__()
        self.retry_after = retry_after


def whoami() -> Caller:
    """The token of this request and its owner, once admitted."""
    return _caller(utcnow())


def admit(scope: Scope) -> None:
    """Check the token, its rate and its scope before anything else is read.

    Raises TokenRequired, why its owner may not act (OrganisationFrozen …), TooMany, OutOfScope.

    This is a reading transaction that ends here: guessing tokens or sending a body slowly holds no write lock.
    """
    now = utcnow()
    with read_only():
        caller = _caller(now)
        is_use_new = api_tokens.is_use_to_be_noted(caller.token, now=now)
        token_id, tenant_id = caller.token.id, caller.token.tenant_id
        is_in_scope = caller.has_scope(scope)
    if wait := seconds_to_wait(PER_MINUTE, "api", str(token_id)):
        raise TooMany(timedelta(seconds=wait))
    if not is_in_scope:
        raise OutOfScope(scope=Text(scope.label))
    if is_use_new:
        note_use(token_id, tenant_id, now)


def acting_member(right: str) -> Membership:
    """The member that the request acts for, read in the transaction of the view. Raises AccessDenied."""
    member = _caller(utcnow()).member
    rights.require(member, right)
    if right.startswith("incident.") and "/incidents" in request.path:
        seat(member)
    g.member = member  # answers speak the language and the zone of the owner's organisation
    return member


def _caller(now: datetime) -> Caller:
    header = request.headers.get("Authorization", "")
    text = header.removeprefix(BEARER).strip() if header.startswith(BEARER) else ""
    caller = api_tokens.find(text, now=now) if 0 < len(text) <= TOKEN_CHARS else None
    if caller is None:
        raise TokenRequired
    if not rights.is_in_force(caller.member):
        raise rights.refusal(caller.member)
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
