"""What the card of a person or group says about an incident: texts, facts, buttons, in the organisation's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from extensions import db
from models import Delivery, Incident, Integration, Progress, Severity, Tenant
from platforms import PLATFORMS
from platforms.base import CardButton, Fact, IncidentCard
from services import card_bodies, card_keys, integrations, pictures
from services.card_bodies import Wording
from services.durations import duration_text
from services.incident_decisions import State, acknowledged, acknowledged_text, closed_text, current
from services.incident_values import IncidentValues
from services.instance import current_settings
from services.wording import Home, clock_time, listed, say, speaking
from texts import N_, Text

Make = Callable[..., CardButton]
"""A button of one message's card: its action, its words, and its style if it is not plain."""

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


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Shown(State, Protocol):
    """An incident as a card shows it: a row of the session, or what a press has read of it."""

    @property
    def num(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def alert_count(self) -> int: ...
    @property
    def images(self) -> list[dict[str, Any]]: ...
    @property
    def is_flapping(self) -> bool: ...
    @property
    def channel(self) -> Named | None: ...


@dataclass(frozen=True)
class Message:
    """The delivery that a card is: its reference, whose it is, why it was sent ("" if for no particular reason).

    is_group  everybody in a group sees it and may press: it belongs to nobody
    """

    reference: str
    user_id: int | None
    cause: str = ""
    times: int = 1
    is_group: bool = False


def build(
    incident: Incident,
    *,
    integration: Integration,
    delivery: Delivery,
    now: datetime,
    is_superseded: bool = False,
    is_stale: bool = False,
    refreshed_at: datetime | None = None,
    written: Wording | None = None,
) -> IncidentCard:
    """The card of `delivery` as it should look now, before any platform's limits. Raises TakesLonger.

    is_superseded  a newer card of the same person or group exists: this one only says so
    is_stale       an earlier update of it has failed
    refreshed_at   the person asked for the present state then: the footer answers that
    written        what TakesLonger.write() gave meanwhile
    """
    tenant = db.session.get_one(Tenant, incident.tenant_id)
    told = delivery.notification
    message = Message(delivery.reference, delivery.user_id, told.cause if told else "", told.times if told else 1)
    message = replace(message, is_group=delivery.group_chat_id is not None)
    wording = written or wording_of(db.session.connection(), incident, message, integration)
    if wording is not None:
        wording.is_hurried = True
        wording.take_up(delivery.rendered)
    shown = {"is_superseded": is_superseded, "is_stale": is_stale}
    card = draw(incident, message, integration, tenant, now, **shown, wording=wording)
    if wording is not None and (wording.problem is not None or "error" in delivery.rendered):
        kept = {name: value for name, value in delivery.rendered.items() if name != "error"}
        delivery.rendered = kept | wording.as_rendered()
    return card if refreshed_at is None else answering_refresh(card, tenant, refreshed_at)


def wording_of(
    on: Connection, incident: Incident | IncidentValues, message: Message, integration: Integration
) -> Wording | None:
    """What writes the custom area of a card there; None: the built-in text."""
    name = incident.template if isinstance(incident, IncidentValues) else card_bodies.name_of(on, incident)
    kind = PLATFORMS[integration.platform].capabilities.channel_kind
    return card_bodies.wording(on, incident, name, kind=kind, reference=message.reference)


def answering_refresh(card: IncidentCard, tenant: Home, at: datetime) -> IncidentCard:
    """The card with the time in its footer, where there is nothing else to say."""
    with speaking(tenant):
        return replace(card, footer=card.footer or say(Text(N_("更新于 %(at)s"), at=at)))


def draw(
    incident: Shown,
    delivery: Message,
    integration: Integration,
    tenant: Home,
    now: datetime,
    *,
    is_superseded: bool = False,
    is_stale: bool = False,
    wording: Wording | None = None,
) -> IncidentCard:
    """The same from what was read already; asks no database.

    wording  what writes the custom area; why it could not, if so, is noted there
    """
    capabilities = PLATFORMS[integration.platform].capabilities
    url = integrations.incident_url(integration, incident.num)
    make = _maker(delivery)
    with speaking(tenant):
        written = card_bodies.write(wording, incident, delivery, tenant, url=url, capabilities=capabilities, now=now)
        footer = say(N_("请查看最新卡片")) if is_superseded else _footer(incident, now)
        snoozes_shown = incident.is_open and not incident.is_snoozed(now) and not is_superseded
        return IncidentCard(
            reference=delivery.reference,
            source=_source(incident),
            tone=_tone(incident, now),
            title=_title(incident, delivery),
            subtitle=_subtitle(incident, now),
            elapsed=_elapsed(incident, now),
            facts=tuple(_facts(incident, now)),
            body=tuple(_body(incident) if written is None else written),
            body_is_markup=written is not None and capabilities.escape_body is not None,
            footer=footer,
            footer_label=say(N_("动态")),
            open_label=say(N_("查看详情")),
            url=url,
            buttons=tuple(
                _buttons(incident, integration, delivery, now, make, is_superseded=is_superseded, is_stale=is_stale)
            ),
            menu_label=say(N_("更多屏蔽时长")) if snoozes_shown else "",
            menu=tuple(_menu(make)) if snoozes_shown else (),
            pictures=pictures.shown(incident.images, integration),
        )


def _source(incident: Shown) -> str:
    product = say(PRODUCT)
    return f"{product} · {incident.channel.name}" if incident.channel else product


def _tone(incident: Shown, now: datetime) -> str:
    if not incident.is_open:
        return "ok"
    return "muted" if incident.is_snoozed(now) else TONES[incident.severity]


def _title(incident: Shown, delivery: Message) -> str:
    return f"{_reason(delivery)}[{say(incident.severity.label)}] {incident.title}"


def _reason(delivery: Message) -> str:
    """Why this message came, if not for the first time: "[升级] "."""
    if delivery.cause == "repeat":
        return say(Text(N_("[再次通知 %(number)s]"), number=delivery.times - 1)) + " "
    reason = REASONS.get(delivery.cause)
    return say(reason) + " " if reason else ""


def _subtitle(incident: Shown, now: datetime) -> str:
    started = say(Text(N_("%(at)s 触发"), at=clock_time(incident.started_at, now)))
    state = [say(incident.progress.label), *([say(N_("抖动中"))] if incident.is_flapping else [])]
    return " · ".join((f"#{incident.num}", *state, started))


def _elapsed(incident: Shown, now: datetime) -> str:
    """ "持续 5 分钟"; until it was closed."""
    return say(Text(N_("持续 %(duration)s"), duration=duration_text((incident.closed_at or now) - incident.started_at)))


def _facts(incident: Shown, now: datetime) -> Iterable[Fact]:
    if incident.channel:
        yield Fact(say(N_("协作空间")), incident.channel.name)
    yield Fact(say(N_("严重程度")), say(incident.severity.label))
    yield Fact(say(N_("处理进度")), say(incident.progress.label))
    yield Fact(say(N_("触发时间")), clock_time(incident.started_at, now))
    if people := current(incident):
        names = listed(person.user.name for person in people[:NAMES_SHOWN])
        yield Fact(say(N_("处理人员")), names + ("…" if len(people) > NAMES_SHOWN else ""))
    if incident.alert_count:
        yield Fact(say(N_("关联告警")), str(incident.alert_count))


def _body(incident: Shown) -> list[str]:
    """The built-in text: a line for each known label that is there; without any, the description."""
    found = [(text, incident.labels[name]) for name, text in CUSTOM_AREA if incident.labels.get(name)]
    lines = [say(Text(text, value=" ".join(str(value).split()))) for text, value in found]
    lines = lines or [line.strip() for line in incident.description.splitlines() if line.strip()][: len(CUSTOM_AREA)]
    return [line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…" for line in lines]


def _footer(incident: Shown, now: datetime) -> str:
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
    incident: Shown,
    integration: Integration,
    delivery: Message,
    now: datetime,
    make: Make,
    *,
    is_superseded: bool,
    is_stale: bool,
) -> Iterable[CardButton]:
    if incident.is_open and not is_superseded:
        yield from _actions(incident, delivery, now, make)
    if PLATFORMS[integration.platform].capabilities.has_refresh_button or is_stale:
        yield make("refresh", N_("状态刷新"))


def _actions(incident: Shown, delivery: Message, now: datetime, make: Make) -> Iterable[CardButton]:
    if incident.is_snoozed(now):
        yield make("wake", N_("取消屏蔽"), "primary")
        yield make("close", N_("直接关闭"), "danger")
        return
    if _may_take_on(incident, delivery):
        yield make("acknowledge", N_("开始处理"), "primary")
    yield make("close", N_("直接关闭"), "danger")
    yield make(f"snooze:{SNOOZE_MINUTES}", N_("屏蔽 2 小时"))


def _may_take_on(incident: Shown, delivery: Message) -> bool:
    """Whether 开始处理 is offered: to a person who has not, to a group while nobody has."""
    if delivery.is_group:
        return incident.progress is Progress.TRIGGERED
    return not any(person.user_id == delivery.user_id for person in acknowledged(incident))


def _menu(make: Make) -> Iterable[CardButton]:
    for minutes, text in LONGER_SNOOZES:
        yield make(f"snooze:{minutes}", text)


def _maker(delivery: Message) -> Make:
    """What makes the buttons of a message's card; the key that signs them is looked up once."""
    secret = current_settings().secret_key

    def make(action: str, text: str, style: str = "plain") -> CardButton:
        return CardButton(card_keys.make(secret, action, delivery.reference), say(text), style, action)

    return make
