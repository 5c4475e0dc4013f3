"""The card of a person or group about an incident: texts, facts, buttons, in the organisation's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from models import Severity
from platforms.base import CardButton, Fact, IncidentCard, Picture
from services import card_keys
from services.card_contents import LABELS, LINE_LENGTH, NAMES_SHOWN, Content
from services.durations import duration_text
from services.instance import current_settings
from services.wording import clock_time, listed, say, speaking
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


def draw(shown: Content) -> IncidentCard:
    """The card that says this, before any platform's limits; asks no database."""
    make = _maker(shown)
    with speaking(shown):
        snoozes_shown = shown.is_open and not shown.is_snoozed and not shown.is_superseded
        return IncidentCard(
            reference=shown.reference,
            source=_source(shown),
            tone=_tone(shown),
            title=f"{_reason(shown)}[{say(shown.severity.label)}] {shown.title}",
            subtitle=_subtitle(shown),
            elapsed=_elapsed(shown),
            facts=tuple(_facts(shown)),
            body=tuple(_body(shown)),
            body_is_markup=shown.is_markup,
            footer=_footer(shown),
            footer_label=say(N_("动态")),
            open_label=say(N_("查看详情")),
            url=shown.url,
            buttons=tuple(_buttons(shown, make)),
            menu_label=say(N_("更多屏蔽时长")) if snoozes_shown else "",
            menu=tuple(_menu(make)) if snoozes_shown else (),
            pictures=tuple(Picture(**picture) for picture in shown.pictures),
        )


def _source(shown: Content) -> str:
    product = say(PRODUCT)
    return product if shown.channel is None else f"{product} · {shown.channel}"


def _tone(shown: Content) -> str:
    if not shown.is_open:
        return "ok"
    return "muted" if shown.is_snoozed else TONES[shown.severity]


def _reason(shown: Content) -> str:
    """Why this message came, if not for the first time: "[升级] "."""
    if shown.cause == "repeat":
        return say(Text(N_("[再次通知 %(number)s]"), number=shown.times - 1)) + " "
    reason = REASONS.get(shown.cause)
    return say(reason) + " " if reason else ""


def _subtitle(shown: Content) -> str:
    started = say(Text(N_("%(at)s 触发"), at=clock_time(shown.started_at, shown.at)))
    state = [say(shown.progress.label), *([say(N_("抖动中"))] if shown.is_flapping else [])]
    return " · ".join((f"#{shown.num}", *state, started))


def _elapsed(shown: Content) -> str:
    """ "持续 5 分钟"; until it was closed."""
    length = (shown.ended_at or shown.at) - shown.started_at
    return say(Text(N_("持续 %(duration)s"), duration=duration_text(length)))


def _facts(shown: Content) -> Iterable[Fact]:
    if shown.channel is not None:
        yield Fact(say(N_("协作空间")), shown.channel)
    yield Fact(say(N_("严重程度")), say(shown.severity.label))
    yield Fact(say(N_("处理进度")), say(shown.progress.label))
    yield Fact(say(N_("触发时间")), clock_time(shown.started_at, shown.at))
    if people := shown.people:
        yield Fact(say(N_("处理人员")), listed(people[:NAMES_SHOWN]) + ("…" if len(people) > NAMES_SHOWN else ""))
    if shown.alert_count:
        yield Fact(say(N_("关联告警")), str(shown.alert_count))


def _body(shown: Content) -> list[str]:
    """What a template wrote, whole: a platform cuts it itself, and counts. Else the built-in text."""
    if shown.is_written:
        return shown.lines
    said = [say(Text(LABELS[name], value=value)) for name, value in shown.labels]
    lines = said or shown.lines
    return [line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…" for line in lines]


def _footer(shown: Content) -> str:
    if shown.is_superseded:
        return say(N_("请查看最新卡片"))
    done = shown.done
    if done is None and shown.refreshed_at is not None:
        done = Text(N_("更新于 %(at)s"), at=shown.refreshed_at)
    return _said_at(done, shown.at) if done else ""


def _said_at(text: Text, at: datetime) -> str:
    """Say it with times as one says them on the day of `at`."""
    times = {name: clock_time(value, at) for name, value in text.params.items() if isinstance(value, datetime)}
    return say(Text(text.message, **(text.params | times)))


def _buttons(shown: Content, make: Make) -> Iterable[CardButton]:
    if shown.is_open and not shown.is_superseded:
        yield from _actions(shown, make)
    if shown.can_refresh:
        yield make("refresh", N_("状态刷新"))


def _actions(shown: Content, make: Make) -> Iterable[CardButton]:
    if shown.is_snoozed:
        yield make("wake", N_("取消屏蔽"), "primary")
        yield make("close", N_("直接关闭"), "danger")
        return
    if shown.may_take_on:
        yield make("acknowledge", N_("开始处理"), "primary")
    yield make("close", N_("直接关闭"), "danger")
    yield make(f"snooze:{SNOOZE_MINUTES}", N_("屏蔽 2 小时"))


def _menu(make: Make) -> Iterable[CardButton]:
    for minutes, text in LONGER_SNOOZES:
        yield make(f"snooze:{minutes}", text)


def _maker(shown: Content) -> Make:
    """What makes the buttons of a message's card; the key that signs them is looked up once."""
    secret = current_settings().secret_key

    def make(action: str, text: str, style: str = "plain") -> CardButton:
        return CardButton(card_keys.make(secret, action, shown.reference), say(text), style, action)

    return make
