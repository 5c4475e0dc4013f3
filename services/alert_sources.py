"""Monitoring systems that push here, and the keys that let them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update
from sqlalchemy.orm import contains_eager, selectinload

from errors import InvalidInput, NotFound
from extensions import db
from models import AlertSource, Channel, Flapping, IntegrationKey, Membership, Tenant, TenantStatus
from services import audit, channels, rights, vault
from services.instance import current_settings
from services.statements import Statement, among
from services.visibility import visible_channels
from sources import SOURCES
from texts import N_

NAME_CHARS = 40
KEY_BYTES = 32
OVERLAP = timedelta(hours=24)
"""How long a replaced key still works, so that the monitoring system can be changed without losing alerts."""
_BY_KEY = Statement(
    select(
        AlertSource.id,
        AlertSource.tenant_id,
        AlertSource.type,
        AlertSource.options,
        AlertSource.is_enabled,
        (Tenant.status == TenantStatus.ACTIVE).label("is_tenant_active"),
    )
    .join(IntegrationKey, IntegrationKey.source_id == AlertSource.id)
    .join(Tenant, Tenant.id == AlertSource.tenant_id)
    .where(
        IntegrationKey.key_hash == bindparam("key_hash"),
        or_(IntegrationKey.expires_at.is_(None), IntegrationKey.expires_at > bindparam("now")),
    )
)
_VALUES = (
    select(
        AlertSource.id,
        AlertSource.tenant_id,
        AlertSource.channel_id,
        AlertSource.name,
        Channel.is_enabled,
        Channel.close_timeout_minutes,
        Channel.flapping,
        Tenant.timezone,
    )
    .join(Channel, Channel.id == AlertSource.channel_id)
    .join(Tenant, Tenant.id == AlertSource.tenant_id)
    .where(AlertSource.id == bindparam("id"), Channel.tenant_id == AlertSource.tenant_id)
)
_FOR_PUSH = Statement(_VALUES.where(AlertSource.is_enabled.is_(True), Tenant.status == TenantStatus.ACTIVE))
_HELD = Statement(_VALUES.with_for_update(of=AlertSource, key_share=True))
_HELD_ALL = Statement(
    select(AlertSource.id)
    .where(among(AlertSource.id, "ids"))
    .order_by(AlertSource.tenant_id, AlertSource.id)
    .with_for_update(key_share=True)
)
_MAY_PUSH = (
    select(IntegrationKey.key_hash)
    .join(AlertSource, AlertSource.id == IntegrationKey.source_id)
    .join(Tenant, Tenant.id == AlertSource.tenant_id)
    .where(
        or_(IntegrationKey.expires_at.is_(None), IntegrationKey.expires_at > bindparam("now")),
        AlertSource.is_enabled.is_(True),
        Tenant.status == TenantStatus.ACTIVE,
    )
)
_OPEN_KEYS = Statement(_MAY_PUSH.where(among(IntegrationKey.key_hash, "key_hashes")))
_OPEN_KEY = Statement(_MAY_PUSH.where(IntegrationKey.key_hash == bindparam("key_hash")))
_SOURCES: Any = AlertSource.__table__
_COUNT = Statement(
    update(_SOURCES)
    .where(_SOURCES.c.id == bindparam("of_id"), _SOURCES.c.tenant_id == bindparam("of_tenant"))
    .values(event_count=_SOURCES.c.event_count + bindparam("more"), last_event_at=bindparam("at"))
)
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {"standard": {}, "prometheus": {"title": ("name", "summary")}}


@dataclass(frozen=True)
class Opened:
    """A source as its key shows it."""

    id: int
    tenant_id: int
    type: str
    options: dict[str, Any]
    is_enabled: bool
    is_tenant_active: bool


@dataclass(slots=True)
class ChannelState:
    """What a channel does with new alerts. close_timeout_minutes: 0 for never."""

    is_enabled: bool
    close_timeout_minutes: int
    flapping: Flapping


@dataclass(slots=True)
class Home:
    """The organisation's part in it."""

    timezone: str


@dataclass(slots=True)
class SourceValues:
    """A source as plain values, with the names that the row of the session has: for storing what it pushed."""

    id: int
    tenant_id: int
    channel_id: int
    name: str
    channel: ChannelState
    tenant: Home


def create(
    channel_id: int,
    type: str,
    name: str,
    *,
    by: Membership,
    now: datetime,
    options: Mapping[str, Any] | None = None,
) -> AlertSource:
    """Make a source of a kind in `sources.SOURCES` with its first key. Raises InvalidInput, AccessDenied."""
    rights.require(by, "integration.edit")
    if type not in SOURCES:
        raise InvalidInput("type", N_("请选择告警来源的类型"))
    channel = channels.get(channel_id, viewer=by)
    source = AlertSource(tenant_id=by.tenant_id, channel=channel, type=type, created_at=now, is_enabled=True)
    _write(source, name, options or {})
    db.session.add(source)
    _add_key(source, now)
    db.session.flush()
    audit.record("alert_source.created", by=by, target=source.name, type=type, now=now)
    return source


def edit(source: AlertSource, *, name: str, channel_id: int, options: Mapping[str, Any], by: Membership) -> None:
    """Rename, move to another channel (alerts that are open stay where they are), set options. Raises InvalidInput."""
    rights.require(by, "integration.edit")
    before = _values(source)
    source.channel = channels.get(channel_id, viewer=by)
    _write(source, name, options)
    db.session.flush()
    if changed := audit.difference(before, _values(source)):
        audit.record("alert_source.changed", by=by, target=source.name, changed=changed)


def _values(source: AlertSource) -> dict[str, Any]:
    return {"name": source.name, "channel": source.channel.name, "options": source.options}


def set_enabled(source: AlertSource, is_enabled: bool, *, by: Membership) -> None:
    """A disabled source refuses pushes with 403; what it brought so far stays."""
    rights.require(by, "integration.edit")
    source.is_enabled = is_enabled
    audit.record("alert_source.enabled" if is_enabled else "alert_source.disabled", by=by, target=source.name)


def delete(source: AlertSource, *, confirmation: str, by: Membership) -> None:
    """Delete a source and its keys; its alerts and incidents stay. Raises InvalidInput unless its name was typed.

    What it accepted and nobody took goes with it: see stored_pushes.delete_source().
    """
    rights.require(by, "integration.edit")
    if confirmation.strip() != source.name:
        raise InvalidInput("confirm_name", N_("请输入完整的名称以确认删除"))
    db.session.delete(source)
    audit.record("alert_source.deleted", by=by, target=source.name)
    db.session.flush()


def rotate(source: AlertSource, *, by: Membership, now: datetime) -> datetime:
    """Give a source a new key; the present one works until the returned time, older ones end at once."""
    rights.require(by, "integration.edit")
    ends_at = now + OVERLAP
    for key in source.keys[1:]:
        db.session.delete(key)
    source.keys[0].expires_at = ends_at
    db.session.flush()
    _add_key(source, now)
    db.session.flush()
    db.session.refresh(source, ["keys"])
    audit.record("alert_source.key_rotated", by=by, target=source.name, old_ends_at=ends_at.isoformat(), now=now)
    return ends_at


def end_old_keys(source: AlertSource, *, by: Membership) -> None:
    """End the overlap of a rotation now: the monitoring system has the new key."""
    rights.require(by, "integration.edit")
    for key in source.keys[1:]:
        db.session.delete(key)
    audit.record("alert_source.old_keys_ended", by=by, target=source.name)
    db.session.flush()
    db.session.refresh(source, ["keys"])


def all_for(viewer: Membership) -> list[AlertSource]:
    """The sources in channels that the viewer sees, by name."""
    statement = (
        select(AlertSource)
        .join(AlertSource.channel)
        .options(contains_eager(AlertSource.channel))
        .where(AlertSource.tenant_id == viewer.tenant_id, visible_channels(viewer))
        .order_by(AlertSource.name)
    )
    return list(db.session.scalars(statement))


def get(source_id: int, *, viewer: Membership) -> AlertSource:
    """One source with its channel and keys. Raises NotFound, also for those of others."""
    statement = (
        select(AlertSource)
        .join(AlertSource.channel)
        .options(contains_eager(AlertSource.channel), selectinload(AlertSource.keys))
        .where(AlertSource.id == source_id, AlertSource.tenant_id == viewer.tenant_id, visible_channels(viewer))
    )
    source = db.session.scalars(statement).one_or_none()
    if source is None:
        raise NotFound
    return source


def find_by_key(key: str, *, now: datetime) -> Opened | None:
    """The source that a key opens. Looked up by hash: that takes the same time for any key."""
    found = _BY_KEY.rows(db.session.connection(), {"key_hash": hash_of(key), "now": now})
    return Opened(*found[0]) if found else None


def for_push(source_id: int) -> SourceValues | None:
    """The source with its channel and organisation, for storing what it pushed.

    None if it was deleted or disabled a moment ago.
    """
    return _read(_FOR_PUSH, source_id)


def hold(source_id: int) -> SourceValues | None:
    """The source with its channel and organisation, for taking what it pushed before; None if it was deleted.

    Until the transaction ends nobody else takes its pushes, while new ones may still be stored. It may be disabled
    by now: what was accepted counts.
    """
    return _read(_HELD, source_id)


def hold_all(source_ids: Collection[int]) -> None:
    """Lock these sources until the transaction ends, in the order in which everybody does.

    Whoever opens incidents of several pushes calls this before: the organisation's counter of incidents is locked by
    the first of them, and who holds a source may be waiting for that.
    """
    on = db.session.connection()
    if source_ids and on.dialect.name != "sqlite":  # there, a transaction that may write holds everything
        _HELD_ALL.later(on, {"ids": list(source_ids)})


def open_keys(connection: Connection, key_hashes: Iterable[str], *, now: datetime) -> set[str]:
    """Those of these keys that may push at this moment."""
    asked = sorted(set(key_hashes))
    if connection.dialect.name == "sqlite":  # where asking once for each is quicker than putting a list together
        return {key_hash for key_hash in asked if _OPEN_KEY.rows(connection, {"key_hash": key_hash, "now": now})}
    return {key_hash for (key_hash,) in _OPEN_KEYS.rows(connection, {"key_hashes": asked, "now": now})}


def count_push(source: AlertSource | SourceValues, *, events: int, rejections: list[str], now: datetime) -> None:
    """Stage the counters of a push. Call it last: its row is locked from here until the commit."""
    on = db.session.connection()
    if events:
        _COUNT.run(on, {"of_id": source.id, "of_tenant": source.tenant_id, "more": events, "at": now})
    if rejections:
        count_rejections(on, source.id, rejections, now=now)


def count_rejections(connection: Connection, source_id: int, rejections: list[str], *, now: datetime) -> None:
    """Note elements of a push that were refused while others of it were taken."""
    error = _error("InvalidParameter", rejections[0], now)
    values = {"rejected_count": AlertSource.rejected_count + len(rejections), "last_error": error}
    connection.execute(update(AlertSource).where(AlertSource.id == source_id).values(values))


def count_refusal(source_id: int, tenant_id: int, *, code: str, message: str, now: datetime) -> None:
    """Stage that a whole push was refused, and why, for the page of the source."""
    values = {"rejected_count": AlertSource.rejected_count + 1, "last_error": _error(code, message, now)}
    _update(source_id, tenant_id, values)


def push_url(source: AlertSource) -> str:
    """The address to enter in the monitoring system. It holds the key: only for those with integration.edit."""
    return f"{push_address(source)}?integration_key={current_key(source)}"


def push_address(source: AlertSource) -> str:
    """The address without the key, for senders that put the key into a header."""
    return f"{current_settings().public_url}/event/push/alert/{source.type}"


def current_key(source: AlertSource) -> str:
    """The newest key, in clear."""
    key = source.keys[0]
    return vault.unseal(source.tenant_id, vault.push_key_field(key.key_hash), key.key_cipher)


def _read(statement: Statement, source_id: int) -> SourceValues | None:
    db.session.flush()
    found = statement.rows(db.session.connection(), {"id": source_id})
    if not found:
        return None
    id, tenant_id, channel_id, name, is_enabled, close_timeout_minutes, flapping, timezone = found[0]
    channel = ChannelState(is_enabled, close_timeout_minutes, flapping)
    return SourceValues(id, tenant_id, channel_id, name, channel, Home(timezone))


def _add_key(source: AlertSource, now: datetime) -> None:
    key = f"k_{secrets.token_urlsafe(KEY_BYTES)}"
    db.session.add(
        IntegrationKey(
            tenant_id=source.tenant_id,
            source=source,
            key_hash=hash_of(key),
            key_cipher=vault.seal(source.tenant_id, vault.push_key_field(hash_of(key)), key),
            created_at=now,
        )
    )


def hash_of(key: str) -> str:
    """What a key is looked up by."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _write(source: AlertSource, name: str, options: Mapping[str, Any]) -> None:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_CHARS:
        raise InvalidInput("name", N_("应为 1–40 个字符"))
    taken = select(AlertSource.id).where(AlertSource.tenant_id == source.tenant_id, AlertSource.name == name)
    with db.session.no_autoflush:
        if db.session.scalar(taken.where(AlertSource.id != (source.id or 0))) is not None:
            raise InvalidInput("name", N_("已有同名的告警来源"))
    allowed = OPTIONS[source.type]
    for option, value in options.items():
        if value not in allowed.get(option, ()):
            raise InvalidInput("options", N_("请从列出的选项中选择"))
    source.name, source.options = name, dict(options)


def _error(code: str, message: str, now: datetime) -> dict[str, str]:
    return {"code": code, "message": message, "at": now.isoformat()}


def _update(source_id: int, tenant_id: int, values: dict[str, Any]) -> None:
    statement = update(AlertSource).where(AlertSource.id == source_id, AlertSource.tenant_id == tenant_id)
    db.session.execute(statement.values(values).execution_options(synchronize_session=False))
