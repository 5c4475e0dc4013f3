"""An incident's card as every platform is told it, and what a platform answers when it took one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from platforms.people import Recipient

PICTURES = 3
"""Shown on a card; the incident's page names all of them."""


class CardButton(NamedTuple):
    """A button that calls back. key: opaque to the platform, ≤ 128 characters; style: primary|danger|plain.

    action  what it does ("acknowledge", "snooze:120"), for a platform that can only draw links: `url`?do=…
    """

    key: str
    text: str
    style: str = "plain"
    action: str = ""


class Fact(NamedTuple):
    label: str
    value: str


class Picture(NamedTuple):
    """A picture of the alert. address: http(s); alt: what it shows; key: the platform's own name once it has it."""

    address: str
    alt: str = ""
    key: str = ""


@dataclass(frozen=True)
class IncidentCard:
    """An incident as one card shows it, a person's or a group's, before any platform's limits are applied.

    reference   our key of the message (unique, ≤ 128 of 0-9A-Za-z_-@)
    source      "值班铃 · 支付核心"; tone: critical|warning|info|ok|muted
    title       "[严重] db-03 / disk.used>95%"; subtitle: "#1024 · 待处理 · 09:31 触发"
    elapsed     "持续 5 分钟"
    facts       label and value rows; body: lines of the custom area; footer: last row
    pictures    at most PICTURES; of a platform that takes no addresses those that it has
    body_is_markup  a template wrote the body in the platform's own markup, values escaped; else it is plain text
    url         the in-app page of the incident
    buttons     in the order to be shown; menu: choices behind "…"
    footer_label  names the footer where a platform can only show it as a label and value row
    open_label  names the way to `url` where a platform can only draw it as a button
    """

    reference: str
    source: str
    tone: str
    title: str
    subtitle: str
    elapsed: str
    facts: tuple[Fact, ...]
    body: tuple[str, ...]
    footer: str
    url: str
    buttons: tuple[CardButton, ...]
    menu_label: str = ""
    menu: tuple[CardButton, ...] = ()
    footer_label: str = "动态"
    open_label: str = "查看详情"
    body_is_markup: bool = False
    pictures: tuple[Picture, ...] = ()

    @property
    def bare(self) -> IncidentCard:
        """The card without what the alert itself said, for a platform whose review refuses that."""
        return replace(self, facts=(), body=(), body_is_markup=False, pictures=())

    @cached_property
    def as_json(self) -> dict[str, Any]:
        """The same as values of JSON, for keeping an answer; not copied, so not to be changed."""
        parts = ("facts", "buttons", "menu", "pictures")
        return vars(self) | {name: [part._asdict() for part in getattr(self, name)] for name in parts}


@dataclass(frozen=True)
class SentMessage:
    """What identifies a message that the platform took.

    update_code      a right to change it once, where the platform gives such (WeCom response_code)
    truncated_lines  lines of the body that the platform's limits cut off
    was_repeat       the platform says that an earlier, unanswered try had arrived
    lacks_buttons    the application may not send buttons yet, so the card went out without them
    """

    message_id: str
    update_code: str | None = None
    truncated_lines: int = 0
    was_repeat: bool = False
    lacks_buttons: bool = False


@dataclass(frozen=True)
class CardHandle:
    """A card to change: our reference, the platform's message id, and a right to update if it needs one.

    told  who reads a notice of their own on a group's card, which is to go: at most capabilities.notices_per_update
    """

    recipient: Recipient
    reference: str
    message_id: str
    update_code: str | None = None
    told: tuple[str, ...] = ()
