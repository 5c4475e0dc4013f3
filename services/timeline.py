"""The operation record of an incident: what happened, who did it, through what, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from extensions import db
from models import Incident, Membership, Severity, TimelineEntry
from services import audit
from services.statements import inserting
from texts import N_, Text

ENTRIES_SHOWN = 500
AUDITED_VIA = frozenset({"console", "h5", "api"})
AUDITED_DETAIL = ("kind", "old", "new", "people", "level", "minutes", "until", "reason")

_ROWS = inserting(TimelineEntry, "tenant_id", "incident_id", "type", "actor_id", "actor_name", "via", "at", "detail")


def record(
    incident: Incident,
    type: str,
    *,
    by: Membership | None = None,
    via: str,
    at: datetime,
    actor_name: str = "",
    **detail: Any,
) -> TimelineEntry:
    """Append one entry; the incident must have its id.

    type        a word of the domain, a key of SENTENCES
    actor_name  for people of a platform who have no account here; else the member's name is kept
    detail      JSON values; aware datetimes are stored as ISO texts
    """
    actor = {"actor_id": by.user_id if by else None, "actor_name": by.user.name if by else actor_name}
    about = {"tenant_id": incident.tenant_id, "incident_id": incident.id, "at": at}
    entry = TimelineEntry(**about, **actor, type=type, via=via, detail=stored_detail(detail))
    db.session.add(entry)
    if by is not None and via in AUDITED_VIA:
        _audit(incident, entry, by)
    return entry


def _audit(incident: Incident, entry: TimelineEntry, by: Membership) -> None:
    """Have the organisation's audit record say, too, what a person did here; who said what stays on the incident."""
    told = {name: entry.detail[name] for name in AUDITED_DETAIL if name in entry.detail}
    audit.record(f"incident.{entry.type}", by=by, target=f"#{incident.num} {incident.title}", now=entry.at, **told)


def write(on: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append entries, given with all their columns but the id."""
    _ROWS.later_each(on, rows)


def prepare(on: Connection) -> None:
    _ROWS.prepare(on)


def stored_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values: times as ISO texts."""
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in detail.items()}


def entries(incident: Incident) -> list[TimelineEntry]:
    """The newest ENTRIES_SHOWN entries, oldest first."""
    newest = (
        select(TimelineEntry)
        .where(TimelineEntry.tenant_id == incident.tenant_id, TimelineEntry.incident_id == incident.id)
        .order_by(TimelineEntry.at.desc(), TimelineEntry.id.desc())
        .limit(ENTRIES_SHOWN)
    )
    return list(reversed(db.session.scalars(newest).all()))


def last_id(incident: Incident) -> int:
    """The id of the incident's newest entry, 0 where there is none."""
    mine = (TimelineEntry.tenant_id == incident.tenant_id, TimelineEntry.incident_id == incident.id)
    return db.session.scalar(select(func.max(TimelineEntry.id)).where(*mine)) or 0


def comments_after(incident_id: int, entry_id: int, *, tenant_id: int, at_most: int) -> list[TimelineEntry]:
    """Comments that were written after an entry, in the order of their ids."""
    mine = (TimelineEntry.tenant_id == tenant_id, TimelineEntry.incident_id == incident_id)
    later = select(TimelineEntry).where(*mine, TimelineEntry.type == "comment", TimelineEntry.id > entry_id)
    return list(db.session.scalars(later.order_by(TimelineEntry.id).limit(at_most)))


def last_at(incident: Incident, types: tuple[str, ...]) -> datetime | None:
    """When the incident last saw an entry of these types."""
    return db.session.scalar(
        select(TimelineEntry.at)
        .where(
            TimelineEntry.tenant_id == incident.tenant_id,
            TimelineEntry.incident_id == incident.id,
            TimelineEntry.type.in_(types),
        )
        .order_by(TimelineEntry.at.desc(), TimelineEntry.id.desc())
        .limit(1)
    )


def describe(entry: TimelineEntry) -> Text:
    """What happened, as one sentence with its actor; how and when are shown beside it."""
    return SENTENCES.get(entry.type, _other)(entry)


def _actor(entry: TimelineEntry) -> str | Text:
    return entry.actor_name or Text(N_("系统"))


def _named(message: str) -> Callable[[TimelineEntry], Text]:
    """A sentence of the actor and of what `detail` holds."""

    def say(entry: TimelineEntry) -> Text:
        return Text(message, **_shown(entry.detail) | {"name": _actor(entry)})

    return say


def _shown(detail: dict[str, Any]) -> dict[str, Any]:
    """Values as a reader wants them: times as times, levels counted from 1."""
    shown = {key: value for key, value in detail.items() if key not in {"message", "name"}}
    if until := detail.get("until"):
        shown["until"] = datetime.fromisoformat(until)
    if detail.get("level") is not None:
        shown["level"] = detail["level"] + 1
    return shown


def _other(entry: TimelineEntry) -> Text:
    return Text(N_("%(name)s 执行了操作 %(type)s"), name=_actor(entry), type=entry.type)


def _new(entry: TimelineEntry) -> Text:
    if entry.via == "event":
        return Text(N_("告警触发，故障已创建"))
    return Text(N_("%(name)s 创建了故障"), name=_actor(entry))


def _assign(entry: TimelineEntry) -> Text:
    """kind in detail: assign | reopen | snooze_expired | escalate | reassign; without policy or people: no match."""
    kind, shown = entry.detail.get("kind", "assign"), _shown(entry.detail)
    if kind == "escalate" and entry.actor_id is None:
        return Text(N_("已自动升级到环节 %(level)s：%(people)s"), **shown)
    if kind == "escalate":
        return Text(N_("%(name)s 升级到环节 %(level)s：%(people)s"), name=_actor(entry), **shown)
    if kind == "reassign":
        return Text(N_("%(name)s 重新分派给 %(people)s"), name=_actor(entry), **shown)
    if entry.detail.get("policy"):
        return Text(N_("按分派策略「%(policy)s」分派"), **shown)
    if entry.detail.get("people"):
        return Text(N_("分派给 %(people)s"), **shown)
    return Text(N_("未匹配到分派策略"))


CAUSES = {
    "assign": N_("发送分派通知"),
    "reassign": N_("发送重新分派通知"),
    "escalate": N_("发送升级通知"),
    "reopen": N_("发送重新打开通知"),
    "snooze_expired": N_("发送屏蔽到期通知"),
    "add_responder": N_("通知新增的处理人员"),
    "repeat": N_("发送循环通知"),
}


def _notify(entry: TimelineEntry) -> Text:
    detail = _shown(entry.detail)
    what = Text(CAUSES.get(detail.get("cause", ""), N_("发送通知")))
    if detail.get("level") is None:
        return what
    if detail.get("cause") == "repeat":
        again = detail["times"] - 1 if isinstance(detail["times"], int) else detail["times"]
        return Text(N_("%(what)s（环节 %(level)s，再次通知 %(times)s）"), what=what, level=detail["level"], times=again)
    return Text(N_("%(what)s（环节 %(level)s）"), what=what, level=detail["level"])


def _close(entry: TimelineEntry) -> Text:
    if entry.via == "event":
        return Text(N_("告警已恢复，故障自动关闭"))
    if entry.via == "timeout":
        return Text(N_("超过设定时长，故障自动关闭"))
    return Text(N_("%(name)s 关闭了故障"), name=_actor(entry))


def _wake(entry: TimelineEntry) -> Text:
    if entry.actor_id is None:
        return Text(N_("屏蔽到期，故障恢复提醒"))
    return Text(N_("%(name)s 取消了屏蔽"), name=_actor(entry))


def _severity(entry: TimelineEntry) -> Text:
    old, new = (Text(Severity(entry.detail[key]).label) for key in ("old", "new"))
    if entry.actor_id is None:
        return Text(N_("严重程度随告警由 %(old)s 变为 %(new)s"), old=old, new=new)
    return Text(N_("%(name)s 将严重程度由 %(old)s 改为 %(new)s"), name=_actor(entry), old=old, new=new)


def _war_room(created: str, failed: str) -> Callable[[TimelineEntry], Text]:
    """Of a room that was made or not: who is in it, who is missing and why, or why there is none."""

    def say(entry: TimelineEntry) -> Text:
        detail = entry.detail
        known = {"name": _actor(entry), "room": detail.get("room", ""), "platform": Text(detail.get("platform", ""))}
        if reason := detail.get("reason"):
            return Text(failed, **known, reason=_reason(reason))
        return Text(created, **known)

    return say


def _reason(stored: Mapping[str, Any]) -> Text:
    message, params = stored["message"], stored.get("params", {})
    return Text(message, **params)


def _war_room_dismiss(entry: TimelineEntry) -> Text:
    how = entry.detail.get("how")
    sentences = {
        "dissolved": N_("%(name)s 结束了作战室「%(room)s」，群聊已解散"),
        "renamed": N_("%(name)s 结束了作战室「%(room)s」，群聊已改名并停止更新"),
        "gone": N_("作战室「%(room)s」的群聊已不存在"),
    }
    return Text(sentences.get(str(how), sentences["renamed"]), name=_actor(entry), room=entry.detail.get("room", ""))


def _war_room_member(entry: TimelineEntry) -> Text:
    joined, missing = entry.detail.get("joined") or [], entry.detail.get("missing") or []
    absent = [Text(N_("%(name)s（%(reason)s）"), name=one["name"], reason=Text(one["reason"])) for one in missing]
    if joined and absent:
        return Text(N_("%(people)s 进入作战室；未能加入：%(missing)s"), people=joined, missing=absent)
    if joined:
        return Text(N_("%(people)s 进入作战室"), people=joined)
    return Text(N_("未能加入作战室：%(missing)s"), missing=absent)


def _flapping(entry: TimelineEntry) -> Text:
    if entry.detail.get("mode") == "mute":
        return Text(
            N_(
                "一小时内状态变化达 %(changes)s 次，标记为抖动，%(minutes)s 分钟内不再循环通知；"
                "状态不变满 %(quiet)s 分钟后结束"
            ),
            **entry.detail,
        )
    return Text(N_("一小时内状态变化达 %(changes)s 次，标记为抖动；状态不变满 %(quiet)s 分钟后结束"), **entry.detail)


STEPS = {
    "policy_step": N_("按分派策略通知或升级"),
    "snooze_expiry": N_("结束屏蔽"),
    "auto_close": N_("超时自动关闭"),
    "flapping_end": N_("结束抖动标记"),
}


def _step_failed(entry: TimelineEntry) -> Text:
    return Text(N_("系统未能执行「%(step)s」，请联系运维人员查看日志"), step=Text(STEPS.get(entry.detail["step"], "")))


SENTENCES: dict[str, Callable[[TimelineEntry], Text]] = {
    "new": _new,
    "assign": _assign,
    "add_responder": _named(N_("%(name)s 添加了处理人员 %(people)s")),
    "notify": _notify,
    "snooze": _named(N_("%(name)s 屏蔽至 %(until)s")),
    "wake": _wake,
    "ack": _named(N_("%(name)s 开始处理")),
    "unack": _named(N_("%(name)s 取消了认领")),
    "comment": _named(N_("%(name)s 评论：%(text)s")),
    "close": _close,
    "recover": _named(N_("关联告警已全部恢复")),
    "reopen": _named(N_("%(name)s 重新打开了故障：%(reason)s")),
    "title": _named(N_("%(name)s 将标题由「%(old)s」改为「%(new)s」")),
    "description": _named(N_("%(name)s 修改了描述")),
    "severity": _severity,
    "impact": _named(N_("%(name)s 更新了影响范围")),
    "root_cause": _named(N_("%(name)s 更新了故障根因")),
    "resolution": _named(N_("%(name)s 更新了解决办法")),
    "card_refresh": _named(N_("%(name)s 刷新了卡片状态")),
    "card_stale": _named(N_("卡片无法自动更新，等待 %(recipient)s 点击状态刷新")),
    "flapping_mute": _flapping,
    "step_failed": _step_failed,
    "war_room_create": _war_room(
        N_("%(name)s 创建了作战室「%(room)s」（%(platform)s）"),
        N_("%(name)s 创建作战室「%(room)s」失败（%(platform)s）：%(reason)s"),
    ),
    "war_room_member": _war_room_member,
    "war_room_dismiss": _war_room_dismiss,
    "truncated": _named(N_("告警来源另有 %(count)s 条告警未随本次推送送达")),
}
