"""Bearer tokens of the product API: made by a person, never more powerful than that person."""

from __future__ import annotations

import enum
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from errors import AppError, InvalidInput, NotFound
from extensions import db
from models import ApiToken, Membership
from services import audit, rights
from texts import N_

PREFIX = "dby_"
TOKEN_BYTES = 32
SHOWN_CHARS = 10
NAME_CHARS = 60
TOKENS_PER_USER = 5
USED_EVERY = timedelta(minutes=1)
"""How often `last_used_at` is written at most."""


class Scope(enum.StrEnum):
    READ = "read"
    HANDLE = "handle"
    CONFIG = "config"
    SYNC = "sync"
    SEND = "send"

    @property
    def label(self) -> str:
        return {
            "read": N_("读取"),
            "handle": N_("处理故障"),
            "config": N_("修改配置"),
            "sync": N_("同步通讯录"),
            "send": N_("发送消息"),
        }[self.value]


class TooManyTokens(AppError):
    code = "api_token.too_many"
    api_code = "InvalidParameter"
    message = N_("每位用户最多可创建 5 个令牌")
    hint = N_("请先删除不再使用的令牌。")
    status = 400


@dataclass(frozen=True)
class Caller:
    """Who calls the API: a valid token and the membership that it acts for."""

    token: ApiToken
    member: Membership

    def has_scope(self, scope: Scope) -> bool:
        return scope.value in self.token.scopes


def create(
    name: str, scopes: Iterable[str], *, by: Membership, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a token; the text returned beside it is shown once and never again.

    name  1-60 characters; scopes: at least one of Scope; expires_at: aware, in the future, or None for never.
    Raises InvalidInput, TooManyTokens, AccessDenied.
    """
    rights.require(by, "api_token.own")
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_CHARS:
        raise InvalidInput("name", N_("应为 1–60 个字符"))
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("expires_at", N_("应晚于当前时间"))
    text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    token = ApiToken(
        tenant_id=by.tenant_id,
        user_id=by.user_id,
        user=by.user,
        name=name,
        prefix=text[:SHOWN_CHARS],
        token_hash=_hash(text),
        scopes=_known(scopes),
        expires_at=expires_at,
        created_at=now,
    )
    _hold(by)
    if len(own(by)) >= TOKENS_PER_USER:
        raise TooManyTokens
    db.session.add(token)
    db.session.flush()
    until = expires_at.isoformat() if expires_at else ""
    about: dict[str, Any] = {"prefix": token.prefix, "scopes": token.scopes, "until": until}
    audit.record("api_token.created", by=by, target=name, now=now, **about)
    return token, text


def own(member: Membership) -> list[ApiToken]:
    """A person's tokens in this organisation, newest first."""
    statement = (
        select(ApiToken)
        .where(ApiToken.tenant_id == member.tenant_id, ApiToken.user_id == member.user_id)
        .order_by(ApiToken.id.desc())
    )
    return list(db.session.scalars(statement))


def revoke(token_id: int, *, by: Membership) -> None:
    """Delete a token, one's own or, for administrators, anybody's; it stops working at once. Raises NotFound."""
    statement = select(ApiToken).where(ApiToken.tenant_id == by.tenant_id, ApiToken.id == token_id)
    token = db.session.scalar(statement)
    if token is None or (token.user_id != by.user_id and not rights.can(by, "api_token.others")):
        raise NotFound
    db.session.delete(token)
    audit.record("api_token.revoked", by=by, target=token.name, prefix=token.prefix, owner=token.user.username)


def verify(text: str, *, now: datetime) -> Caller | None:
    """The caller behind a token's text; None if it is unknown or expired, or its owner may not act any more."""
    found = find(text, now=now)
    return found if found is not None and rights.is_in_force(found.member) else None


def find(text: str, *, now: datetime) -> Caller | None:
    """The same, also if the owner may not act now: the organisation is frozen, the membership is not in force."""
    statement = (
        select(ApiToken, Membership)
        .join(
            Membership,
            (Membership.tenant_id == ApiToken.tenant_id) & (Membership.user_id == ApiToken.user_id),
        )
        .where(ApiToken.token_hash == _hash(text))
    )
    found = db.session.execute(statement).one_or_none()
    if found is None:
        return None
    token, member = found
    has_expired = token.expires_at is not None and token.expires_at <= now
    return None if has_expired else Caller(token, member)


def is_use_to_be_noted(token: ApiToken, *, now: datetime) -> bool:
    return token.last_used_at is None or now - token.last_used_at >= USED_EVERY


def note_use(token_id: int, tenant_id: int, *, now: datetime) -> None:
    """Stage when a token was last used."""
    statement = update(ApiToken).where(ApiToken.id == token_id, ApiToken.tenant_id == tenant_id)
    db.session.execute(statement.values(last_used_at=now).execution_options(synchronize_session=False))


def _hold(member: Membership) -> None:
    """Let one person's tokens be made one after the other: all of several at once would count the same."""
    db.session.execute(select(Membership.id).where(Membership.id == member.id).with_for_update(key_share=True))


def _known(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    if not wanted or not wanted <= {scope.value for scope in Scope}:
        raise InvalidInput("scopes", N_("请至少选择一项有效的权限"))
    return [scope.value for scope in Scope if scope.value in wanted]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
