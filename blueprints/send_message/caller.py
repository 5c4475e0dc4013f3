"""Who sends: the API token or the session in X-Access-Token, and the organisation in X-Tenant-Id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import g, request
from limits import RateLimitItemPerMinute
from sqlalchemy import select

from blueprints.access import person_of_cookie
from blueprints.api.caller import TOKEN_CHARS, note_use
from blueprints.row_numbers import row_id
from blueprints.send_message.answers import NO_RIGHT, TOKEN, TOO_FREQUENT, Refused
from blueprints.token_rates import seconds_to_wait
from extensions import db, read_only
from models import Membership
from services import api_tokens, rights, single_sign_on
from services.api_tokens import Scope

PER_MINUTE = RateLimitItemPerMinute(60)
DEFAULT_TENANT = "0"
LONGEST_SESSION = 4000


@dataclass(frozen=True)
class Caller:
    """Whose request this is.

    tenant_id  the one organisation that an API token acts in; None: a session, which may name any of its person's
    """

    key: str
    user_id: int
    tenant_id: int | None
    may_send: bool
    is_session: bool = False


def admit(*, now: datetime) -> Caller:
    """Look at the token and count the request, before anything else of it is read. Raises Refused 401, 429.

    A reading transaction that ends here: guessing holds no write lock.
    """
    text = request.headers.get("X-Access-Token", "").strip()
    with read_only():
        found = _of_token(text, now) or _of_session(text)
    if found is None:
        raise Refused("Token失效，请重新登录!", code=TOKEN, http=401)
    if wait := seconds_to_wait(PER_MINUTE, "send_message", found.key):
        raise Refused("请求过于频繁", code=TOO_FREQUENT, http=429, wait=wait)
    return found


def member(caller: Caller) -> Membership:
    """The membership that the request acts with. Raises Refused: no such organisation, or the caller's is not there."""
    named = request.headers.get("X-Tenant-Id", "").strip() or DEFAULT_TENANT
    tenant_id = row_id(named)
    if tenant_id is None or caller.tenant_id not in {None, tenant_id}:
        raise Refused("租户不存在！")
    wanted = select(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == caller.user_id)
    found = db.session.scalar(wanted)
    if found is None or not rights.is_in_force(found):
        raise Refused("租户不存在！")
    by_sso = caller.tenant_id is not None
    if caller.is_session and not single_sign_on.may_enter(found, came_by_sso=by_sso):
        raise Refused("租户不存在！")
    g.member = found
    return found


def require(caller: Caller, sender: Membership, right: str) -> None:
    """Raises Refused unless both the token's scope and its person's rights allow it."""
    if not caller.may_send or not rights.can(sender, right):
        raise Refused("没有权限", code=NO_RIGHT)


def _of_token(text: str, now: datetime) -> Caller | None:
    if not 0 < len(text) <= TOKEN_CHARS:
        return None
    found = api_tokens.verify(text, now=now)
    if found is None:
        return None
    token = found.token
    caller = Caller(f"token:{token.id}", token.user_id, token.tenant_id, found.has_scope(Scope.SEND))
    if api_tokens.is_use_to_be_noted(token, now=now):
        note_use(token.id, token.tenant_id, now)
    return caller


def _of_session(text: str) -> Caller | None:
    if not 0 < len(text) <= LONGEST_SESSION:
        return None
    found = person_of_cookie(text)
    if found is None or found[0].must_change_password:
        return None
    person, confined_to = found
    return Caller(f"session:{person.id}", person.id, confined_to, True, is_session=True)
