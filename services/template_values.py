"""The variables of message templates: what an incident looks like to whoever writes one.

What every card shows anyway is at hand. The rest (`More`) is read by a statement of its own, and only for a template
that names it, so that cards which do not show it cost nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, and_, bindparam, select

from models import Alert, Delivery, Incident, Responder, Tenant, User
from services.incident_decisions import current
from services.statements import Statement
from services.template_engine import Compiled
from services.template_run import MAX_VALUE, Trusted
from texts import N_

MAX_ALERTS = 50
LONGEST_TEXT = MAX_VALUE // 2

VARIABLES: Mapping[str, str] = {
    "incident.id": N_("内部编号"),
    "incident.num": N_("故障编号，如 1024"),
    "incident.title": N_("标题"),
    "incident.description": N_("描述"),
    "incident.severity": N_("严重程度：Critical、Warning、Info"),
    "incident.status": N_("告警的当前状态：Critical、Warning、Info、Ok"),
    "incident.progress": N_("处理进度：Triggered、Processing、Closed"),
    "incident.detail_url": N_("故障详情页的地址"),
    "incident.ack_url": N_("可以开始处理的页面地址"),
    "incident.start_time": N_("触发时间"),
    "incident.last_time": N_("最近一次事件的时间"),
    "incident.end_time": N_("恢复时间"),
    "incident.ack_time": N_("首次开始处理的时间"),
    "incident.close_time": N_("关闭时间"),
    "incident.snoozed_until": N_("屏蔽到什么时间"),
    "incident.labels": N_("标签，如 incident.labels.resource"),
    "incident.fields": N_("自定义字段"),
    "incident.images": N_("图片的地址"),
    "incident.alert_count": N_("关联告警的数量"),
    "incident.active_alert_count": N_("未恢复的告警数量"),
    "incident.event_count": N_("事件的数量"),
    "incident.is_flapping": N_("是否在抖动"),
    "incident.is_in_storm": N_("是否处于告警风暴"),
    "incident.impact": N_("影响"),
    "incident.root_cause": N_("根因"),
    "incident.resolution": N_("解决办法"),
    "incident.creator": N_("创建人：name、email"),
    "incident.closer": N_("关闭人：name、email"),
    "incident.responders": N_("处理人员：name、email、assigned_at、acked_at"),
    "incident.alerts": N_("告警：title、description、severity、status、start_time、last_time、labels"),
    "assignment.kind": N_("分派方式"),
    "assignment.policy_name": N_("分派策略的名称"),
    "assignment.level": N_("第几个环节，从 1 数起"),
    "channel.id": N_("协作空间的编号"),
    "channel.name": N_("协作空间的名称"),
    "tenant.name": N_("组织的名称"),
    "tenant.locale": N_("组织的语言"),
    "tenant.timezone": N_("组织的时区"),
    "notification.fire_type": N_("首次通知为 fire，再次通知为 refire"),
    "notification.times": N_("同一环节的第几次通知"),
    "notification.cause": N_("通知的原因"),
    "recipient.name": N_("接收人的名字"),
}
"""What a template can name, with a word on each."""
_DETAILS = (
    "incident.status",
    "incident.last_time",
    "incident.end_time",
    "incident.images",
    "incident.active_alert_count",
    "incident.event_count",
    "incident.impact",
    "incident.root_cause",
    "incident.resolution",
    "incident.creator",
    "incident.closer",
    "channel.id",
    "tenant.name",
    "recipient.name",
)
Values = dict[str, Any]


class Told(Protocol):
    """The message: card_contents.Message."""

    @property
    def cause(self) -> str: ...
    @property
    def times(self) -> int: ...


class Home(Protocol):
    @property
    def locale(self) -> str: ...
    @property
    def timezone(self) -> str: ...


@dataclass
class More:
    """What only some templates show. responders: (e-mail, assigned at) by user id."""

    details: Values = field(default_factory=dict)
    responders: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    alerts: list[Values] = field(default_factory=list)


# --- reading ------------------------------------------------------------------------------------------------------

_CREATOR, _CLOSER = User.__table__.alias("creator"), User.__table__.alias("closer")
_READ_DETAILS = Statement(
    select(
        Incident.status,
        Incident.last_event_at,
        Incident.recovered_at,
        Incident.images,
        Incident.active_alert_count,
        Incident.event_count,
        Incident.impact,
        Incident.root_cause,
        Incident.resolution,
        _CREATOR.c.real_name,
        _CREATOR.c.username,
        _CREATOR.c.email,
        _CLOSER.c.email,
        Incident.channel_id,
        Tenant.name,
        Delivery.recipient_name,
    )
    .join(Tenant, Tenant.id == Incident.tenant_id)
    .outerjoin(_CREATOR, _CREATOR.c.id == Incident.created_by_id)
    .outerjoin(_CLOSER, _CLOSER.c.id == Incident.closed_by_id)
    .outerjoin(
        Delivery, and_(Delivery.reference == bindparam("reference"), Delivery.tenant_id == bindparam("tenant_id"))
    )
    .where(Incident.id == bindparam("incident_id"), Incident.tenant_id == bindparam("tenant_id"))
)
_READ_RESPONDERS = Statement(
    select(Responder.user_id, User.email, Responder.assigned_at)
    .join(User, User.id == Responder.user_id)
    .where(Responder.incident_id == bindparam("incident_id"), Responder.tenant_id == bindparam("tenant_id"))
)
_READ_ALERTS = Statement(
    select(
        Alert.title,
        Alert.description,
        Alert.severity,
        Alert.status,
        Alert.started_at,
        Alert.last_event_at,
        Alert.labels,
    )
    .where(Alert.incident_id == bindparam("incident_id"), Alert.tenant_id == bindparam("tenant_id"))
    .order_by(Alert.id)
    .limit(MAX_ALERTS)
)


def read_more(on: Connection, compiled: Compiled, incident: Any, reference: str) -> More:
    """What the template names beyond what every card shows: no statement for most, at most three."""
    known = {"incident_id": incident.id, "tenant_id": incident.tenant_id}
    more = More()
    if compiled.uses(*_DETAILS):
        for row in _READ_DETAILS.rows(on, known | {"reference": reference}):
            more.details = _details(row)
    if compiled.uses("incident.responders"):
        found = _READ_RESPONDERS.rows(on, known)
        more.responders = {user_id: (email or "", assigned_at) for user_id, email, assigned_at in found}
    if compiled.uses("incident.alerts"):
        more.alerts = [_alert(row) for row in _READ_ALERTS.rows(on, known)]
    return more


def _details(row: Any) -> Values:
    status, last_at, recovered_at, images, active, events, impact, cause, resolution = row[:9]
    real_name, username, email, closer_email, channel_id, tenant, recipient = row[9:]
    return {
        "status": status.value,
        "last_time": last_at,
        "end_time": recovered_at,
        "images": [str(image.get("src", "")) for image in images],
        "active_alert_count": active,
        "event_count": events,
        "impact": impact,
        "root_cause": cause,
        "resolution": resolution,
        "creator": {"name": real_name or username, "email": email or ""} if username else None,
        "closer_email": closer_email or "",
        "channel_id": channel_id,
        "tenant_name": tenant,
        "recipient_name": recipient or "",
    }


def _alert(row: Any) -> Values:
    title, description, severity, status, started_at, last_at, labels = row
    return {
        "title": title,
        "description": _cut(description),
        "severity": severity.value,
        "status": status.value,
        "start_time": started_at,
        "last_time": last_at,
        "labels": _texts(labels),
    }


# --- as a template sees it ----------------------------------------------------------------------------------------


def of_incident(incident: Any, told: Told, tenant: Home, url: str, more: More) -> Values:
    """All variables of a card. incident: a row of the session or IncidentValues; url: of its page."""
    details = more.details
    assignment = incident.assignment
    return {
        "incident": _incident(incident, url, more),
        "assignment": {
            "kind": assignment.get("kind", ""),
            "policy_name": assignment.get("policy", {}).get("name", ""),
            "level": assignment["level"] + 1 if "level" in assignment else None,
        },
        "channel": {"id": details.get("channel_id"), "name": incident.channel.name if incident.channel else ""},
        "tenant": {"name": details.get("tenant_name", ""), "locale": tenant.locale, "timezone": tenant.timezone},
        "notification": {
            "fire_type": "refire" if told.cause == "repeat" else "fire",
            "times": told.times,
            "cause": told.cause,
        },
        "recipient": {"name": details.get("recipient_name", "")},
    }


def _incident(incident: Any, url: str, more: More) -> Values:
    own = ("status", "last_time", "end_time", "images", "active_alert_count", "event_count")
    texts = ("impact", "root_cause", "resolution", "creator")
    closer = incident.closed_by
    return {
        "id": incident.id,
        "num": incident.num,
        "title": incident.title,
        "description": _cut(incident.description),
        "severity": incident.severity.value,
        "progress": incident.progress.value,
        "detail_url": Trusted(url),
        "ack_url": Trusted(url),
        "start_time": incident.started_at,
        "ack_time": incident.acknowledged_at,
        "close_time": incident.closed_at,
        "snoozed_until": incident.snoozed_until if incident.is_open else None,
        "labels": _texts(incident.labels),
        "fields": {},
        "alert_count": incident.alert_count,
        "is_flapping": incident.is_flapping,
        "is_in_storm": False,
        "closer": {"name": closer.name, "email": more.details.get("closer_email", "")} if closer else None,
        "responders": [_responder(person, more) for person in current(incident)],
        "alerts": more.alerts,
    } | {name: more.details.get(name) for name in (*own, *texts)}


def _responder(person: Any, more: More) -> Values:
    email, assigned_at = more.responders.get(person.user_id, ("", None))
    return {
        "name": person.user.name,
        "email": email,
        "assigned_at": assigned_at,
        "acked_at": person.acknowledged_at,
    }


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _texts(labels: Mapping[str, Any]) -> dict[str, str]:
    """Labels in one line each."""
    return {name: _cut(" ".join(str(value).split())) for name, value in labels.items()}
