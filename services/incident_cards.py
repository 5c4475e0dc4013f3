"""What one person's card says about an incident: texts, facts and buttons, in the organisation's language."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from extensions import db
from models import Delivery, Incident, Integration, Progress, Severity, Tenant
from platforms import PLATFORMS
from platforms.base import CardButton, Fact, IncidentCard
from services import card_keys, integrations, responders
from services.incident_changes import acknowledged_text, closed_text
from services.instance import current_settings
from services.wording import clock_time, listed, say, speaking
from texts import N_, Text

PRODUCT = N_("值班铃")
SNOOZE_MINUTES = 120
LONGER_SNOOZES = ((240, N_("屏蔽 4 小时")), (720, N_("屏蔽 12 小时")), (1440, N_("屏蔽 24 小时")))
TONES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.INFO: "info", Severity.OK: "ok"}
REASONS = {
    "escalate": N_("[升级]"),
    "reopen": N_("[重新打开]"),
    "snooze_expired": N_("[屏蔽到期]"),
}
CUSTOM_AREA = (
    ("resource", N_("资源：%(value)s")),
    ("check", N_("检查项：%(value)s")),
    ("metric", N_("指标：%(value)s")),
    ("trigger_value", N_("触发值：%(value)s")),
    ("region", N_("地域：%(value)s")),
    ("cluster", N_("集群：%(value)s")),
    ("service", N_("服务：%(value)s")),
    ("env", N_("环境：%(value)s")),
)
LINE_LENGTH = 160
NAMES_SHOWN = 5


def build(
    incident: Incident,
    *,
    integration: Integration,
    delivery: Delivery,
    now: datetime,
    is_superseded: bool = False,
    refreshed_at: datetime | None = None,
) -> IncidentCard:
    """The card of `delivery` as it should look now, before any platform's limits.

    is_superseded  a newer card of the same person exists: this one only says so
    refreshed_at   the person asked for the present state then: the footer answers that
    """
    tenant = db.session.get_one(Tenant, incident.tenant_id)
    with speaking(tenant):
        footer = say(N_("请查看最新卡片")) if is_superseded else _footer(incident, now)
        if refreshed_at is not None:
            footer = footer or say(Text(N_("更新于 %(at)s"), at=refreshed_at))
        snoozes_shown = incident.is_open and not incident.is_snoozed(now) and not is_superseded
        return IncidentCard(
            reference=delivery.reference,
            source=_source(incident),
            tone=_tone(incident, now),
            title=_title(incident, delivery),
            subtitle=_subtitle(incident, now),
            elapsed=_elapsed(incident, now),
            facts=tuple(_facts(incident, now)),
            body=tuple(_body(incident)),
            footer=footer,
            footer_label=say(N_("动态")),
            url=integrations.incident_url(integration, incident.num),
            buttons=tuple(_buttons(incident, integration, delivery, now, is_superseded)),
            menu_label=say(N_("更多屏蔽时长")) if snoozes_shown else "",
            menu=tuple(_menu(delivery)) if snoozes_shown else (),
        )


def _source(incident: Incident) -> str:
    product = say(PRODUCT)
    return f"{product} · {incident.channel.name}" if incident.channel else product


def _tone(incident: Incident, now: datetime) -> str:
    if not incident.is_open:
        return "ok"
    return "muted" if incident.is_snoozed(now) else TONES[incident.severity]


def _title(incident: Incident, delivery: Delivery) -> str:
    return f"{_reason(delivery)}[{say(incident.severity.label)}] {incident.title}"


def _reason(delivery: Delivery) -> str:
    """Why this message came, if not for the first time: "[升级] "."""
    notification = delivery.notification
    if notification is None:
        return ""
    if notification.cause == "repeat":
        return say(Text(N_("[再次通知 %(number)s]"), number=notification.times - 1)) + " "
    reason = REASONS.get(notification.cause)
    return say(reason) + " " if reason else ""


def _subtitle(incident: Incident, now: datetime) -> str:
    started = say(Text(N_("%(at)s 触发"), at=clock_time(incident.started_at, now)))
    return f"#{incident.num} · {say(incident.progress.label)} · {started}"


def _elapsed(incident: Incident, now: datetime) -> str:
    """ "持续 5 分钟"; until it was closed."""
    return say(Text(N_("持续 %(duration)s"), duration=duration_text((incident.closed_at or now) - incident.started_at)))


def duration_text(length: timedelta) -> Text:
    """A length of time in its two largest units, rounded down; at least one minute."""
    minutes = max(1, int(length.total_seconds()) // 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return Text(N_("%(days)s 天 %(hours)s 小时"), days=days, hours=hours_left)
    if hours:
        return Text(N_("%(hours)s 小时 %(minutes)s 分钟"), hours=hours, minutes=minutes_left)
    return Text(N_("%(minutes)s 分钟"), minutes=minutes)


def _facts(incident: Incident, now: datetime) -> Iterable[Fact]:
    if incident.channel:
        yield Fact(say(N_("协作空间")), incident.channel.name)
    yield Fact(say(N_("严重程度")), say(incident.severity.label))
    yield Fact(say(N_("处理进度")), say(incident.progress.label))
    yield Fact(say(N_("触发时间")), clock_time(incident.started_at, now))
    if people := responders.current(incident):
        names = listed(person.user.name for person in people[:NAMES_SHOWN])
        yield Fact(say(N_("处理人员")), names + ("…" if len(people) > NAMES_SHOWN else ""))
    if incident.alert_count:
        yield Fact(say(N_("关联告警")), str(incident.alert_count))


def _body(incident: Incident) -> list[str]:
    """The built-in text: a line for each known label that is there; without any, the description."""
    found = [(text, incident.labels[name]) for name, text in CUSTOM_AREA if incident.labels.get(name)]
    lines = [say(Text(text, value=" ".join(str(value).split()))) for text, value in found]
    lines = lines or [line.strip() for line in incident.description.splitlines() if line.strip()][: len(CUSTOM_AREA)]
    return [line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…" for line in lines]


def _footer(incident: Incident, now: datetime) -> str:
    """The last thing that somebody did and that still holds; empty while nobody has done anything."""
    if incident.progress is Progress.CLOSED:
        return say(closed_text(incident))
    if incident.is_snoozed(now):
        by = incident.snoozed_by
        if by is None:
            return say(Text(N_("屏蔽至 %(until)s"), until=incident.snoozed_until))
        return say(Text(N_("屏蔽至 %(until)s (%(name)s)"), until=incident.snoozed_until, name=by.name))
    acknowledged = acknowledged_text(incident)
    return say(acknowledged) if acknowledged else ""


def _buttons(
    incident: Incident, integration: Integration, delivery: Delivery, now: datetime, is_superseded: bool
) -> Iterable[CardButton]:
    if incident.is_open and not is_superseded:
        yield from _actions(incident, delivery, now)
    if PLATFORMS[integration.platform].capabilities.has_refresh_button:
        yield _button(delivery, "refresh", N_("状态刷新"))


def _actions(incident: Incident, delivery: Delivery, now: datetime) -> Iterable[CardButton]:
    if incident.is_snoozed(now):
        yield _button(delivery, "wake", N_("取消屏蔽"), "primary")
        yield _button(delivery, "close", N_("直接关闭"), "danger")
        return
    if not _has_acknowledged(incident, delivery.user_id):
        yield _button(delivery, "acknowledge", N_("开始处理"), "primary")
    yield _button(delivery, "close", N_("直接关闭"), "danger")
    yield _button(delivery, f"snooze:{SNOOZE_MINUTES}", N_("屏蔽 2 小时"))


def _has_acknowledged(incident: Incident, user_id: int | None) -> bool:
    return any(person.user_id == user_id for person in responders.acknowledged(incident))


def _menu(delivery: Delivery) -> Iterable[CardButton]:
    for minutes, text in LONGER_SNOOZES:
        yield _button(delivery, f"snooze:{minutes}", text)


def _button(delivery: Delivery, action: str, text: str, style: str = "plain") -> CardButton:
    key = card_keys.make(current_settings().secret_key, action, delivery.reference)
    return CardButton(key, say(text), style)
