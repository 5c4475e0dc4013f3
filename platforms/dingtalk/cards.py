"""IncidentCard → the variables of our card template, or a message with links where no template can be used.

The template is card_template.json beside this module; VARIABLES and PRIVATE_VARIABLES are exactly its variables.
https://open.dingtalk.com/document/development/create-and-deliver-cards, …/robot-message-type
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import json_text
from platforms.base import CardButton, IncidentCard, Recipient
from platforms.dingtalk.client import checked_chat, checked_user, is_user
from platforms.errors import ContentRefused
from platforms.shortening import plain, shorten

OUT_TRACK_ID = re.compile(r"[0-9A-Za-z_@-]{1,64}")
VARIABLES = ("source", "title", "subtitle", "facts", "body", "footer", "buttons", "menu")
PRIVATE_VARIABLES = ("notice",)
VALUE_BYTES = 1024
"""Documented for one value; all of them together may have 100 KB."""
SOURCE_CHARACTERS = 40
TITLE_CHARACTERS = 120
SUBTITLE_CHARACTERS = 80
FOOTER_CHARACTERS = 120
FACTS = 10
FACT_LABEL_CHARACTERS = 12
FACT_VALUE_CHARACTERS = 60
BODY_LINES = 20
BODY_LINE_CHARACTERS = 200
BUTTONS = 4
MENU_ITEMS = 3
LABEL_CHARACTERS = 12
KEY_BYTES = 128
ALT_CHARACTERS = 40
PRIVATE_READERS = 20
"""In privateData of one call. https://open.dingtalk.com/document/development/interactive-card-update-interface"""
LINKS = 5
"""A message has at most five buttons, all of them links."""
MARKS = {"critical": "🔴", "warning": "🟠", "info": "🔵", "ok": "🟢", "muted": "⚪"}
COLOURS = {"primary": "blue", "danger": "red", "plain": "gray"}
MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+!|~>-]")
NEXT_LINE = "  \n"

Json = dict[str, Any]


def creation(card: IncidentCard, to: Recipient, *, template_id: str, route_key: str, robot_code: str) -> Json:
    """The body of createAndDeliver for one person or one group. Raises ContentRefused, RecipientUnreachable."""
    title = _title(card)
    space: Json = {"supportForward": False, "lastMessageI18n": {"ZH_CN": title}}
    space["notification"] = {"alertContent": title, "notificationOff": False}
    made: Json = {
        "cardTemplateId": template_id,
        "outTrackId": _out_track_id(card.reference),
        "userIdType": 1,
        "callbackType": "HTTP",
        "callbackRouteKey": route_key,
        "cardData": {"cardParamMap": variables(card)},
    }
    if to.is_group:
        made["openSpaceId"] = f"dtv1.card//IM_GROUP.{checked_chat(to.external_id)}"
        return made | {"imGroupOpenSpaceModel": space, "imGroupOpenDeliverModel": {"robotCode": robot_code}}
    made["openSpaceId"] = f"dtv1.card//IM_ROBOT.{checked_user(to.external_id)}"
    deliver = {"spaceType": "IM_ROBOT", "robotCode": robot_code}
    return made | {"imRobotOpenSpaceModel": space, "imRobotOpenDeliverModel": deliver}


def update(card: IncidentCard, to: Recipient, told: Sequence[str] = ()) -> Json:
    """The body of a change that everybody sees. Notices of single people go: the card says by now what is so.

    told  who has one on a group's card; ids that are none are left out, or DingTalk would take nothing
    """
    changes: Json = {
        "outTrackId": _out_track_id(card.reference),
        "userIdType": 1,
        "cardData": {"cardParamMap": variables(card)},
        "cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True},
    }
    readers = list(filter(is_user, told)) if to.is_group else [checked_user(to.external_id)]
    if readers:
        changes["privateData"] = {reader: {"cardParamMap": {"notice": ""}} for reader in readers[:PRIVATE_READERS]}
    return changes


def reply(card: IncidentCard | None, notice: str) -> Json:
    """The answer to a press, seen by whoever pressed. notice: why it was refused; "" takes an earlier one away."""
    answer: Json = {
        "cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True},
        "userPrivateData": {"cardParamMap": {"notice": _value(escape(plain(notice)))}},
    }
    return answer | ({"cardData": {"cardParamMap": variables(card)}} if card else {})


def variables(card: IncidentCard) -> dict[str, str]:
    """Every public variable of the template; all of them are strings, lists as JSON."""
    keys = [_key(button) for button in (*card.buttons, *card.menu)]
    if len(set(keys)) < len(keys):
        raise ContentRefused("button keys are not unique")
    return {
        "source": shorten(plain(card.source), SOURCE_CHARACTERS),
        "title": _title(card),
        "subtitle": _linked(card),
        "facts": _value(NEXT_LINE.join(_facts(card))),
        "body": _body(card),
        "footer": shorten(plain(card.footer), FOOTER_CHARACTERS),
        "buttons": _drawn(card.buttons[:BUTTONS]),
        "menu": _drawn(card.menu[:MENU_ITEMS]),
    }


def escape(text: str) -> str:
    """Any text so that it is no Markdown."""
    return MARKDOWN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    """What a template of the same would give in three times as long."""
    return f"\\{found[0]}"


def body_lines(card: IncidentCard) -> list[str]:
    """The lines of the custom area as Markdown, no more than DingTalk takes."""
    if card.body_is_markup:
        return _lines(card)[:BODY_LINES]
    return [escape(shorten(plain(line), BODY_LINE_CHARACTERS)) for line in _lines(card)[:BODY_LINES]]


def truncated_lines(card: IncidentCard) -> int:
    """How many lines of the custom area are not shown, or not in full."""
    whole = _lines(card) if card.body_is_markup else [escape(plain(line)) for line in _lines(card)]
    shown = _value(NEXT_LINE.join(body_lines(card))).split(NEXT_LINE)
    return len(whole) - sum(1 for line, kept in zip(whole, shown, strict=False) if line == kept)


# --- without a template -------------------------------------------------------------------------------------------


def message(card: IncidentCard) -> tuple[str, dict[str, str]]:
    """A robot message that says the same: msgKey and values. Its buttons are links to pages that ask once more.

    Choices of the menu that do not fit are left to the incident's page.
    """
    links = [(_label(button), action_url(card.url, button.action)) for button in card.buttons if button.action]
    links = [(card.open_label, card.url), *links][:LINKS]
    text = {"title": _title(card), "text": _markdown(card)}
    if len(links) == 1:
        return "sampleActionCard", text | {"singleTitle": links[0][0], "singleURL": links[0][1]}
    for number, (title, url) in enumerate(links, start=1):
        text |= {f"actionTitle{number}": title, f"actionURL{number}": url}
    return f"sampleActionCard{len(links)}", text


def action_url(url: str, action: str) -> str:
    """The in-app page that asks whether to do `action` ("acknowledge", "snooze:120"), after signing in."""
    verb, _, minutes = action.partition(":")
    query = f"do={quote(verb)}" + (f"&minutes={quote(minutes)}" if minutes else "")
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _markdown(card: IncidentCard) -> str:
    head = f"### {escape(_title(card))}"
    subtitle = escape(" · ".join(part for part in (plain(card.subtitle), plain(card.elapsed)) if part))
    parts = [
        head,
        subtitle,
        NEXT_LINE.join(_facts(card)),
        _body(card),
        escape(card.footer),
    ]
    return "\n\n".join(part for part in parts if part)


# --- parts --------------------------------------------------------------------------------------------------------


def _out_track_id(reference: str) -> str:
    if not OUT_TRACK_ID.fullmatch(reference):
        raise ContentRefused("outTrackId")
    return reference


def _title(card: IncidentCard) -> str:
    mark = MARKS.get(card.tone, "")
    return shorten(f"{mark} {plain(card.title) or '-'}".strip(), TITLE_CHARACTERS)


def _linked(card: IncidentCard) -> str:
    """Number, state and times, leading to the incident's page."""
    both = " · ".join(part for part in (plain(card.subtitle), plain(card.elapsed)) if part)
    text = escape(shorten(both or plain(card.title), SUBTITLE_CHARACTERS))
    return f"[{text}]({_address(card.url)})" if card.url.startswith(("https://", "http://")) else text


def _facts(card: IncidentCard) -> list[str]:
    return [
        f"**{escape(shorten(plain(fact.label), FACT_LABEL_CHARACTERS))}** {_fact_value(fact.value)}"
        for fact in card.facts[:FACTS]
        if fact.label and fact.value
    ]


def _fact_value(value: str) -> str:
    return escape(shorten(plain(value), FACT_VALUE_CHARACTERS))


def _body(card: IncidentCard) -> str:
    """The custom area, and below it as many pictures as there is room for: a word counts more than a picture."""
    text = _value(NEXT_LINE.join(body_lines(card)))
    for picture in card.pictures:
        drawn = f"![{escape(shorten(plain(picture.alt), ALT_CHARACTERS))}]({_address(picture.address)})"
        more = f"{text}\n\n{drawn}" if text else drawn
        if len(more.encode()) <= VALUE_BYTES:
            text = more
    return text


def _address(url: str) -> str:
    """An address as Markdown takes it for a link or a picture, whatever stands in it."""
    return quote(url, safe=":/?&=%#~+,;@")


def _lines(card: IncidentCard) -> list[str]:
    """The body line by line; blank ones at either end say nothing."""
    lines = [line.rstrip() for part in card.body for line in part.splitlines() or [""]]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        del lines[0]
    return lines


def _drawn(buttons: tuple[CardButton, ...]) -> str:
    """The value of a button group's variable."""
    return json_text.written([_button(button) for button in buttons])


def _button(button: CardButton) -> Json:
    request = {"actionId": button.action or "press", "params": {"key": button.key}}
    return {
        "text": _label(button),
        "color": COLOURS.get(button.style, "gray"),
        "status": "normal",
        "event": {"type": "sendCardRequest", "params": request},
    }


def _label(button: CardButton) -> str:
    return shorten(plain(button.text), LABEL_CHARACTERS) or "-"


def _key(button: CardButton) -> str:
    if not button.key or len(button.key.encode()) > KEY_BYTES:
        raise ContentRefused("button key")
    return button.key


def _value(text: str) -> str:
    return shorten(text, len(text), VALUE_BYTES)
