"""Dispatch policies: who is told, through what, in what levels and with what delays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select

from errors import Conflict, InvalidInput, NotFound
from extensions import db
from models import Alert, Channel, DispatchPolicy, Membership, Template, Tenant
from services import audit, filters, groups, ownership, responders, visibility
from services.policy_levels import Level, TimeWindow
from services.statements import Statement
from texts import N_

MAX_NAME, MAX_DESCRIPTION = 39, 500
MAX_PRIORITY, MAX_DELAY_SECONDS, MAX_LEVELS = 200, 3600, 10
PREVIEW_DAYS, PREVIEW_ALERTS = 7, 5000
PRIORITY_DISTANCE = 10
AUDITED = (
    *("name", "description", "priority", "is_enabled", "delay_seconds"),
    *("time_windows", "filters", "levels"),
)
_OF_CHANNEL = (
    DispatchPolicy.tenant_id == bindparam("tenant_id"),
    DispatchPolicy.channel_id == bindparam("channel_id"),
)
_IN_CHANNEL = select(DispatchPolicy).where(*_OF_CHANNEL).order_by(DispatchPolicy.priority, DispatchPolicy.id)
_VALUES_IN_CHANNEL = Statement(
    select(
        DispatchPolicy.id,
        DispatchPolicy.name,
        DispatchPolicy.priority,
        DispatchPolicy.is_enabled,
        DispatchPolicy.delay_seconds,
        DispatchPolicy.time_windows,
        DispatchPolicy.filters,
        DispatchPolicy.levels,
        DispatchPolicy.template_id,
    )
    .where(*_OF_CHANNEL)
    .order_by(DispatchPolicy.priority, DispatchPolicy.id)
)


@dataclass(slots=True)
class PolicyValues:
    """A policy as plain values, with the names that the row of the session has; for every new incident."""

    id: int
    name: str
    priority: int
    is_enabled: bool
    delay_seconds: int
    time_windows: list[Any]
    filters: list[Any]
    levels: list[Any]
    template_id: int | None


@dataclass(frozen=True)
class Draft:
    """A policy as somebody writes it, checked. Built by `draft`."""

    name: str
    description: str
    priority: int
    is_enabled: bool
    delay_seconds: int
    time_windows: tuple[TimeWindow, ...]
    groups: filters.Groups
    levels: tuple[Level, ...]
    template_id: int | None = None


@dataclass(frozen=True)
class Rule:
    """A policy that is in force at a moment, ready to be tried on many alerts."""

    policy: DispatchPolicy | PolicyValues
    groups: filters.Groups


@dataclass(frozen=True)
class Preview:
    """How many of the last 7 days' alerts match; `is_capped`: only the newest PREVIEW_ALERTS were looked at."""

    matching: int
    looked_at: int
    is_capped: bool


def draft(
    *,
    name: str,
    levels: Sequence[Any],
    description: str = "",
    priority: int = 100,
    is_enabled: bool = True,
    delay_seconds: int = 0,
    time_windows: Sequence[Any] = (),
    filter_groups: Sequence[Any] = (),
    template_id: int | None = None,
) -> Draft:
    """Check what was written; levels, windows and filters are JSON values. Raises InvalidInput naming the field."""
    name, description = name.strip(), description.strip()
    if not name:
        raise InvalidInput("name", N_("请填写策略名称"))
    if len(name) > MAX_NAME:
        raise InvalidInput("name", N_("应为 1–39 个字符"))
    if len(description) > MAX_DESCRIPTION:
        raise InvalidInput("description", N_("不能超过 500 个字符"))
    if not 0 <= priority <= MAX_PRIORITY:
        raise InvalidInput("priority", N_("应为 0–200"))
    if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
        raise InvalidInput("delay_seconds", N_("应为 0–3600 秒"))
    if not 1 <= len(levels) <= MAX_LEVELS:
        raise InvalidInput("levels", N_("应有 1–10 个环节"))
    return Draft(
        name=name,
        description=description,
        priority=priority,
        is_enabled=is_enabled,
        delay_seconds=delay_seconds,
        time_windows=tuple(TimeWindow.from_json(window) for window in time_windows),
        groups=filters.parse(filter_groups),
        levels=tuple(Level.from_json(level) for level in levels),
        template_id=template_id,
    )


def in_channel(channel: Channel) -> list[DispatchPolicy]:
    """The policies of a channel in the order in which they are tried."""
    return list(db.session.scalars(_IN_CHANNEL, {"tenant_id": channel.tenant_id, "channel_id": channel.id}))


def values_in_channel(channel_id: int, *, tenant_id: int) -> list[PolicyValues]:
    """The same as plain values."""
    db.session.flush()
    found = _VALUES_IN_CHANNEL.rows(db.session.connection(), {"tenant_id": tenant_id, "channel_id": channel_id})
    return [PolicyValues(*row) for row in found]


def get(policy_id: int, *, viewer: Membership) -> DispatchPolicy:
    """Raises NotFound also for policies of other organisations and of channels that the viewer may not see."""
    policy = db.session.scalar(
        select(DispatchPolicy).where(DispatchPolicy.tenant_id == viewer.tenant_id, DispatchPolicy.id == policy_id)
    )
    if policy is None or not visibility.sees_channel(policy.channel, viewer):
        raise NotFound()
    return policy


def create(channel: Channel, written: Draft, *, by: Membership, now: datetime) -> DispatchPolicy:
    """Raises AccessDenied; InvalidInput if the name is taken or a level names strangers or others' groups."""
    ownership.require(channel, by)
    _check_name_is_free(channel, written.name, None)
    _check_people(channel.tenant_id, written.levels)
    _check_groups(channel.tenant_id, written.levels, kept=())
    _check_template(channel.tenant_id, written.template_id)
    policy = DispatchPolicy(tenant_id=channel.tenant_id, channel_id=channel.id, channel=channel, created_at=now)
    _write(policy, written)
    db.session.add(policy)
    db.session.flush()
    audit.record("policy.created", by=by, target=_named(policy), now=now, **_told(written))
    return policy


def update(
    policy: DispatchPolicy, written: Draft, *, by: Membership, now: datetime, version: int | None = None
) -> None:
    """Change a policy; dispatches that run keep their snapshot.

    version  what the editor saw. Raises Conflict if somebody changed it since, AccessDenied, InvalidInput as `create`.
    """
    ownership.require(policy.channel, by)
    if version is not None and version != policy.version:
        raise Conflict()
    _check_name_is_free(policy.channel, written.name, policy.id)
    _check_people(policy.tenant_id, written.levels)
    _check_groups(policy.tenant_id, written.levels, kept=levels_of(policy))
    _check_template(policy.tenant_id, written.template_id)
    before = _values(policy)
    _write(policy, written)
    db.session.flush()
    if changed := audit.difference(before, _values(policy)):
        audit.record("policy.changed", by=by, target=_named(policy), now=now, changed=changed)


def delete(policy: DispatchPolicy, *, by: Membership, now: datetime) -> None:
    """Raises AccessDenied. Dispatches that run keep their snapshot."""
    ownership.require(policy.channel, by)
    audit.record("policy.deleted", by=by, target=_named(policy), now=now)
    db.session.delete(policy)
    db.session.flush()


def set_enabled(policy: DispatchPolicy, is_enabled: bool, *, by: Membership, now: datetime) -> None:
    """Disabled policies are skipped. Raises AccessDenied. Safe to repeat."""
    ownership.require(policy.channel, by)
    if policy.is_enabled is is_enabled:
        return
    policy.is_enabled = is_enabled
    db.session.flush()
    audit.record("policy.enabled" if is_enabled else "policy.disabled", by=by, target=_named(policy), now=now)


def move(policy: DispatchPolicy, *, places: int, by: Membership, now: datetime) -> bool:
    """Try a policy earlier (places -1) or later (1) than its neighbour; False if it stands at that end already.

    The channel's priorities are numbered anew, evenly, so that the order holds whatever they were. Raises AccessDenied.
    """
    ownership.require(policy.channel, by)
    ordered = in_channel(policy.channel)
    here = ordered.index(policy)
    there = here + places
    if not 0 <= there < len(ordered):
        return False
    ordered.insert(there, ordered.pop(here))
    distance = max(1, min(PRIORITY_DISTANCE, MAX_PRIORITY // len(ordered)))
    for number, each in enumerate(ordered, 1):
        each.priority = min(number * distance, MAX_PRIORITY)
    db.session.flush()
    order = [each.name for each in ordered]
    audit.record("policy.moved", by=by, target=_named(policy), now=now, before=here + 1, after=there + 1, order=order)
    return True


def duplicate(policy: DispatchPolicy, *, name: str, by: Membership, now: datetime) -> DispatchPolicy:
    """A disabled copy right behind the original, under a free name that begins with `name`. Raises AccessDenied."""
    ownership.require(policy.channel, by)
    taken = {each.name for each in in_channel(policy.channel)}
    names = (f"{name[: MAX_NAME - 4]}{suffix}" for suffix in ["", *(f" {number}" for number in range(2, 1000))])
    copy = DispatchPolicy(
        tenant_id=policy.tenant_id,
        channel_id=policy.channel_id,
        channel=policy.channel,
        name=next(free for free in names if free not in taken),
        description=policy.description,
        priority=policy.priority,
        is_enabled=False,
        time_windows=list(policy.time_windows),
        filters=list(policy.filters),
        delay_seconds=policy.delay_seconds,
        levels=list(policy.levels),
        template_id=policy.template_id,
        created_at=now,
    )
    db.session.add(copy)
    db.session.flush()
    audit.record("policy.created", by=by, target=_named(copy), now=now, copy_of=policy.name)
    return copy


def levels_of(policy: DispatchPolicy | PolicyValues) -> tuple[Level, ...]:
    return tuple(Level.stored(level) for level in policy.levels)


def match(
    policies: Iterable[DispatchPolicy | PolicyValues], facts: filters.Facts, at: datetime, zone: ZoneInfo
) -> DispatchPolicy | PolicyValues | None:
    """The first enabled policy, lower priority first, whose windows (in `zone`) and filters fit. Pure."""
    found = first_fitting(rules(policies, at, zone), facts)
    return found.policy if found else None


def rules(policies: Iterable[DispatchPolicy | PolicyValues], at: datetime, zone: ZoneInfo) -> list[Rule]:
    """The enabled policies whose windows (in `zone`) hold, in the order in which they are tried. Pure."""
    local = at.astimezone(zone)
    tried = sorted(
        (policy for policy in policies if policy.is_enabled and _is_open(policy, local)),
        key=lambda policy: (policy.priority, policy.id),
    )
    return [Rule(policy, filters.parse(policy.filters)) for policy in tried]


def first_fitting(rules: Iterable[Rule], facts: filters.Facts) -> Rule | None:
    return next((rule for rule in rules if filters.matches(rule.groups, facts)), None)


def snapshot(policy: DispatchPolicy | PolicyValues) -> dict[str, Any]:
    """What an incident keeps, so that later edits do not change a running dispatch; its template is looked up."""
    return {
        "id": policy.id,
        "name": policy.name,
        "delay_seconds": policy.delay_seconds,
        "template_id": policy.template_id,
        "levels": [level.to_json() for level in levels_of(policy)],
    }


def zone_of(tenant: Tenant) -> ZoneInfo:
    return ZoneInfo(tenant.timezone)


def preview(groups: filters.Groups, *, channel: Channel, now: datetime) -> Preview:
    """How many of the channel's alerts of the last 7 days match."""
    newest = db.session.scalars(
        select(Alert)
        .where(
            Alert.tenant_id == channel.tenant_id,
            Alert.channel_id == channel.id,
            Alert.last_event_at >= now - timedelta(days=PREVIEW_DAYS),
        )
        .order_by(Alert.id.desc())
        .limit(PREVIEW_ALERTS + 1)
    ).all()
    looked_at = newest[:PREVIEW_ALERTS]
    matching = sum(filters.matches(groups, facts_of_alert(alert)) for alert in looked_at)
    return Preview(matching, len(looked_at), len(newest) > PREVIEW_ALERTS)


def facts_of_alert(alert: Alert) -> filters.Facts:
    return filters.Facts(alert.severity, alert.title, alert.description, alert.source_id, alert.labels)


def _is_open(policy: DispatchPolicy | PolicyValues, local: datetime) -> bool:
    windows = [TimeWindow.from_json(window) for window in policy.time_windows]
    return not windows or any(window.holds(local) for window in windows)


def _write(policy: DispatchPolicy, written: Draft) -> None:
    policy.name, policy.description = written.name, written.description
    policy.priority, policy.is_enabled = written.priority, written.is_enabled
    policy.delay_seconds = written.delay_seconds
    policy.time_windows = [window.to_json() for window in written.time_windows]
    policy.filters = filters.to_json(written.groups)
    policy.levels = [level.to_json() for level in written.levels]
    policy.template_id = written.template_id


def _values(policy: DispatchPolicy) -> dict[str, Any]:
    template = db.session.get(Template, policy.template_id) if policy.template_id else None
    return {name: getattr(policy, name) for name in AUDITED} | {"template": template.name if template else ""}


def _told(written: Draft) -> dict[str, Any]:
    return {"is_enabled": written.is_enabled, "priority": written.priority, "levels": len(written.levels)}


def _named(policy: DispatchPolicy) -> str:
    """The policy as an administrator would name it."""
    return f"{policy.channel.name} / {policy.name}"


def _check_name_is_free(channel: Channel, name: str, own_id: int | None) -> None:
    taken = db.session.scalar(
        select(DispatchPolicy.id).where(
            DispatchPolicy.tenant_id == channel.tenant_id,
            DispatchPolicy.channel_id == channel.id,
            DispatchPolicy.name == name,
        )
    )
    if taken not in {None, own_id}:
        raise InvalidInput("name", N_("该协作空间中已有同名策略"))


def _check_people(tenant_id: int, levels: Iterable[Level]) -> None:
    for level in levels:
        if level.user_ids:
            responders.people(tenant_id, level.user_ids)


def _check_groups(tenant_id: int, levels: Iterable[Level], *, kept: Iterable[Level]) -> None:
    """Groups must be this organisation's; what the policy named before may stay though it is gone."""
    wanted = {group_id for level in levels for group_id in level.group_ids}
    wanted -= {group_id for level in kept for group_id in level.group_ids}
    if len(groups.known(tenant_id, wanted)) < len(wanted):
        raise InvalidInput("group_ids", N_("所选群聊不在本组织"))


def _check_template(tenant_id: int, template_id: int | None) -> None:
    if template_id is None:
        return
    mine = select(Template.id).where(Template.tenant_id == tenant_id, Template.id == template_id)
    if db.session.scalar(mine) is None:
        raise InvalidInput("template_id", N_("没有这个模板"))
