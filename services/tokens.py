"""Platform access tokens in the database: encrypted, shared by all processes, one refresher at a time.

Every step is a short transaction of its own on a connection of its own; none is open while a token is fetched.
Callers have no transaction open either (they are about to call a platform).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app, g
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from crashpoints import crash_here
from extensions import db
from models import EPOCH, PlatformToken
from platforms.errors import PlatformBusy, PlatformError, recall, remember
from services import leases, vault
from services.clock import utcnow

FRESH = timedelta(seconds=300)
"""A token with less than this left is renewed, while the old one still serves the others."""
LEASE = timedelta(seconds=15)
"""Longer than a token call may take (10 s)."""
RETRY = timedelta(seconds=5)
RETRY_REFUSED = timedelta(minutes=10)
"""After wrong credentials: many calls with a wrong secret get the server's address banned for an hour."""
MEMO_SECONDS = 30
WAIT_SECONDS = 10.0
POLL_SECONDS = 0.05

Fetch = Callable[[], tuple[str, int]]
_MemoKey = tuple[str, int, str]

_refreshed = threading.Condition()


@dataclass(frozen=True)
class _Memo:
    """A token this process read lately; until: monotonic time after which the database is asked again."""

    value: str
    until: float


class DatabaseTokenStore:
    """The tokens of one connection; see platforms.base.TokenStore. Needs an application context."""

    owner_column = "integration_id"
    """Which column of platform_tokens names whose they are."""

    def __init__(self, owner_id: int, tenant_id: int) -> None:
        self.owner_id = owner_id
        self.tenant_id = tenant_id

    def get(self, kind: str, fetch: Fetch) -> str:
        """Return a valid token. Raises the PlatformError of a failed fetch, `unsent`, until it may be tried again."""
        try:
            return self._get(kind, fetch)
        except PlatformError as error:
            error.unsent = True
            raise

    def _get(self, kind: str, fetch: Fetch) -> str:
        memo = self._memos().get(self._memo_key(kind))
        if memo and time.monotonic() < memo.until:
            return memo.value
        _refuse_inside_transaction()
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            now = utcnow()
            row = self._read(kind, now)
            usable = self._open(kind, row) if row and row.value and row.expires_at > now else ""
            if row and usable and row.expires_at - now > FRESH:
                return self._remembered(kind, usable, row.expires_at - now)
            if row and row.retry_at > now:
                if usable:
                    return usable
                raise self._kept_error(row, now)
            if row is None or row.is_free:
                lease = self._claim(kind, now, row.expires_at if row else EPOCH, row.retry_at if row else EPOCH)
                if lease:
                    return self._refresh(kind, fetch, lease, usable)
            elif usable:
                return usable
            with _refreshed:
                _refreshed.wait(POLL_SECONDS)
        raise PlatformBusy("no token in time")

    def renew(self, kind: str, fetch: Fetch) -> str:
        """Fetch now, unless another process is doing just that."""
        _refuse_inside_transaction()
        lease = self._claim(kind, utcnow())  # whatever is stored
        return self._refresh(kind, fetch, lease, "") if lease else self.get(kind, fetch)

    def drop(self, kind: str, value: str) -> None:
        """Forget `value`; what is stored stays if it is another token."""
        self._memos().pop(self._memo_key(kind), None)
        row = self._read(kind, utcnow())
        if row is None or not row.value or self._open(kind, row) != value:
            return
        with db.engine.begin() as connection:
            same = self._where(update(PlatformToken), kind).where(PlatformToken.value == row.value)
            connection.execute(same.values(value=None, expires_at=EPOCH))

    def _refresh(self, kind: str, fetch: Fetch, lease: datetime, usable: str) -> str:
        """Fetch under the lease and store what came of it. An old token that is still valid covers a failure."""
        try:
            value, lifetime = fetch()
            crash_here("worker.token_fetched")
        except PlatformError as error:
            self._store(kind, lease, retry_at=utcnow() + _pause(error), error=remember(error))
            if usable:
                return usable
            raise
        except BaseException:
            self._store(kind, lease)
            raise
        sealed = vault.seal(self.tenant_id, self._field(kind), value)
        now, left = utcnow(), timedelta(seconds=lifetime)
        retry_at = now + RETRY if left <= FRESH else EPOCH  # WeCom may give the old token again until it ends
        self._store(kind, lease, value=sealed, expires_at=now + left, retry_at=retry_at, error=None)
        self._memos().pop(self._memo_key(kind), None)
        return value

    def _claim(self, kind: str, now: datetime, *seen: datetime) -> datetime | None:
        """Become the one who fetches; returns the lease, which fences what is stored under it.

        seen  expires_at and retry_at as they were read: if either has changed, somebody else fetched meanwhile
        """
        with db.engine.begin() as connection:
            self._ensure(connection, kind)
            free = self._where(update(PlatformToken), kind).where(_is_free(now))
            if seen:
                free = free.where(PlatformToken.expires_at == seen[0], PlatformToken.retry_at == seen[1])
            taken = free.values(refreshing_until=leases.until(now + LEASE, LEASE))
            lease: datetime | None = connection.scalar(taken.returning(PlatformToken.refreshing_until))
        return lease

    def _ensure(self, connection: Connection, kind: str) -> None:
        if connection.execute(self._where(select(PlatformToken.id), kind)).first():
            return
        try:
            with connection.begin_nested():
                mine = {self.owner_column: self.owner_id, "tenant_id": self.tenant_id, "kind": kind}
                connection.execute(insert(PlatformToken).values(**mine))
        except IntegrityError:
            pass  # another process made the row

    def _store(self, kind: str, lease: datetime, **values: Any) -> None:
        with db.engine.begin() as connection:
            mine = self._where(update(PlatformToken), kind).where(PlatformToken.refreshing_until == lease)
            connection.execute(mine.values(refreshing_until=EPOCH, **values))
        with _refreshed:
            _refreshed.notify_all()

    def _read(self, kind: str, now: datetime) -> Row[Any] | None:
        with _reading() as connection:
            columns = select(
                PlatformToken.value,
                PlatformToken.expires_at,
                PlatformToken.retry_at,
                PlatformToken.error,
                _is_free(now).label("is_free"),
            )
            return connection.execute(self._where(columns, kind)).first()

    def _where(self, statement: Any, kind: str) -> Any:
        return statement.where(
            PlatformToken.tenant_id == self.tenant_id,
            getattr(PlatformToken, self.owner_column) == self.owner_id,
            PlatformToken.kind == kind,
        )

    def _open(self, kind: str, row: Row[Any]) -> str:
        """The token in clear; one that no key opens (after a key was removed) counts as absent."""
        try:
            return vault.unseal(self.tenant_id, self._field(kind), row.value)
        except vault.SecretUnreadable:
            return ""

    def _remembered(self, kind: str, value: str, left: timedelta) -> str:
        """Keep a fresh token in this process for a moment, so that a burst of messages does not ask for each."""
        seconds = min((left - FRESH).total_seconds(), MEMO_SECONDS)
        self._memos()[self._memo_key(kind)] = _Memo(value, time.monotonic() + seconds)
        return value

    def _kept_error(self, row: Row[Any], now: datetime) -> PlatformError:
        error = recall(row.error) if row.error else PlatformBusy("the last token call failed")
        error.retry_after = row.retry_at - now
        return error

    def _field(self, kind: str) -> str:
        return f"token.{self.owner_id}.{kind}"

    def _memo_key(self, kind: str) -> _MemoKey:
        return self.owner_column, self.owner_id, kind

    def _memos(self) -> dict[_MemoKey, _Memo]:
        memos: dict[_MemoKey, _Memo] = current_app.extensions.setdefault("platform_token_memos", {})
        return memos


class ProviderTokenStore(DatabaseTokenStore):
    """The tokens that a provider has for itself, whichever organisation's connection needs them."""

    owner_column = "provider_id"

    def _field(self, kind: str) -> str:
        return f"token.provider.{self.owner_id}.{kind}"


def forget(integration_id: int, tenant_id: int) -> None:
    """Stage the removal of all tokens of a connection, and of what their fetching last met."""
    _forget(DatabaseTokenStore(integration_id, tenant_id))


def forget_provider(provider_id: int, tenant_id: int) -> None:
    """The same of a provider."""
    _forget(ProviderTokenStore(provider_id, tenant_id))


def after_step_back(step: timedelta, now: datetime) -> None:
    """Stage what a clock that was set back by `step` asks for: no token is thought younger, or waited for longer."""
    ahead = or_(PlatformToken.expires_at > now, PlatformToken.retry_at > now)
    known = select(PlatformToken.id, PlatformToken.expires_at, PlatformToken.retry_at).where(ahead)
    for token_id, expires_at, retry_at in db.session.execute(known.order_by(PlatformToken.id).with_for_update()).all():
        ends = {"expires_at": max(EPOCH, expires_at - step), "retry_at": max(EPOCH, retry_at - step)}
        moved = update(PlatformToken).where(PlatformToken.id == token_id).values(**ends)
        db.session.execute(moved.execution_options(synchronize_session=False))
    longest = leases.until(now + LEASE, LEASE)
    too_long = update(PlatformToken).where(PlatformToken.refreshing_until > longest).values(refreshing_until=longest)
    db.session.execute(too_long.execution_options(synchronize_session=False))


def _forget(store: DatabaseTokenStore) -> None:
    owner = getattr(PlatformToken, store.owner_column)
    db.session.execute(delete(PlatformToken).where(PlatformToken.tenant_id == store.tenant_id, owner == store.owner_id))
    memos = current_app.extensions.get("platform_token_memos", {})
    for key in [key for key in memos if key[:2] == (store.owner_column, store.owner_id)]:
        memos.pop(key, None)


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody fetches it."""
    return leases.has_ended(now, PlatformToken.refreshing_until)


def _refuse_inside_transaction() -> None:
    """A transaction that waits for a platform blocks every writer; on SQLite it would block this one as well."""
    if db.session().in_transaction() and not g.get("reads_only", False):
        raise RuntimeError("commit before calling a platform: a transaction is open")


def _pause(error: PlatformError) -> timedelta:
    """How long nobody asks again: as the platform says, briefly after trouble, long after a refusal."""
    return max(error.retry_after or timedelta(), RETRY if error.retryable else RETRY_REFUSED)


@contextmanager
def _reading() -> Iterator[Connection]:
    """A connection that only reads, so that SQLite's single writer is not kept waiting."""
    before = g.get("reads_only", False)
    g.reads_only = True
    try:
        with db.engine.connect() as connection:
            yield connection
    finally:
        g.reads_only = before
