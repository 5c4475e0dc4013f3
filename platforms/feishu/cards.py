"""IncidentCard → Feishu card, JSON 2.0.

https://open.feishu.cn/document/feishu-cards/card-json-v2-structure and its pages on each component
"""

from __future__ import annotations

import re
from typing import Any

import json_text
from platforms.base import CardButton, IncidentCard, Picture
from platforms.errors import ContentRefused
from platforms.shortening import ELLIPSIS, plain, shorten, shorten_to_width

TITLE_CHARACTERS = 120
SOURCE_CHARACTERS = 60
TAG_CHARACTERS = 20
TAGS = 3
LINE_CHARACTERS = 300
BODY_LINES = 30
BODY_BYTES = 12 * 1024
"""Of the custom area as it is sent, escapes included: what is left of the platform's 30 KB is room for the rest."""
CARD_BYTES = 28 * 1024
"""Of a card as it travels, quoted twice; the platform refuses 30 KB and adds a little itself."""
MOST_QUOTED = 4
"""Bytes of one character of JSON text once it is quoted again: 😀 has four, a quotation mark becomes two."""
FACTS = 8
FACT_LABEL_COLUMNS = 24
FACT_VALUE_COLUMNS = 80
BUTTONS = 6
BUTTON_COLUMNS = 40
MENU_ITEMS = 6
KEY_CHARACTERS = 128
URL_BYTES = 2048

COLOURS = {"critical": "red", "warning": "orange", "info": "yellow", "ok": "green", "muted": "grey"}
STYLES = {"primary": "primary_filled", "danger": "danger", "plain": "default"}
MARKDOWN = re.compile(r"""[&<>*_~\[\]()#`\\!\-+:"'$/|=]""")
"""Every character with which Feishu's Markdown begins something: mentions, links, emphasis, code, emoji, colours."""

Json = dict[str, Any]


def as_json(card: IncidentCard) -> Json:
    """The card object. Raises ContentRefused for a card that Feishu could not take."""
    elements = [_note(_moment(card)), *_facts(card)]
    if lines := body_lines(card):
        elements += [{"tag": "hr"}, {"tag": "markdown", "content": "\n".join(lines)}]
    elements += [_picture(picture) for picture in card.pictures if picture.key]
    elements += _interaction(card)
    if footer := shorten(plain(card.footer), LINE_CHARACTERS):
        elements.append(_note(footer))
    drawn: Json = {
        "schema": "2.0",
        "config": {"update_multi": True, "width_mode": "fill", "summary": {"content": _title(card)}},
        "header": _header(card),
        "body": {"direction": "vertical", "elements": elements},
    }
    if card.url.startswith(("https://", "http://")) and card.url.isascii() and len(card.url) <= URL_BYTES:
        drawn["card_link"] = {"url": card.url}
    content = as_content(drawn)
    if MOST_QUOTED * len(content) > CARD_BYTES and len(as_content({"content": content}).encode()) > CARD_BYTES:
        raise ContentRefused("card larger than Feishu takes")
    return drawn


def as_content(card: Any) -> str:
    """The card, or a part of it, as messages carry it: JSON in a string."""
    return json_text.written(card)


def escaped(text: str) -> str:
    """`text` so that Feishu's Markdown shows it as it is."""
    return MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", text)


def body_lines(card: IncidentCard) -> list[str]:
    """The lines of the custom area that are sent: at most 30, each and all of them of a bounded length."""
    lines, left = [], BODY_BYTES
    for line in _lines(card)[:BODY_LINES]:
        fitting = _fitting(line, left, card.body_is_markup)
        if not fitting and line:
            break
        lines.append(fitting)
        left -= _octets(fitting)
    return lines


def truncated_lines(card: IncidentCard) -> int:
    """How many lines of the custom area are not shown, or not in full."""
    whole = [line if card.body_is_markup else escaped(line) for line in _lines(card)]
    return len(whole) - sum(line == shown for line, shown in zip(whole, body_lines(card), strict=False))


def _fitting(line: str, octets: int, is_markup: bool) -> str:
    """A line as Markdown, cut with … to 300 characters and `octets` bytes; markup is shown whole or not at all."""
    if is_markup:
        return next((text for text in (line, ELLIPSIS) if _octets(text) <= octets), "")
    kept = shorten(line, LINE_CHARACTERS)
    while _octets(escaped(kept)) > octets:
        if len(kept) <= 1:
            return ""
        kept = shorten(kept, len(kept) // 2)
    return escaped(kept)


def _octets(line: str) -> int:
    """What a line takes on the wire, where JSON quotes it twice."""
    return len(as_content(as_content(line)).encode())


def _lines(card: IncidentCard) -> list[str]:
    """The body line by line; blank ones at either end say nothing."""
    lines = [line for part in card.body for line in part.splitlines() or [""]]
    lines = [
        line.encode("utf-8", "replace").decode().rstrip() if card.body_is_markup else plain(line) for line in lines
    ]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        del lines[0]
    return lines


def _title(card: IncidentCard) -> str:
    return shorten(plain(card.title), TITLE_CHARACTERS) or "-"


def _header(card: IncidentCard) -> Json:
    """Title, source, and number and state as labels in the title's colour."""
    colour = COLOURS.get(card.tone, "blue")
    header: Json = {"template": colour, "title": _text(_title(card))}
    if source := shorten(plain(card.source), SOURCE_CHARACTERS):
        header["subtitle"] = _text(source)
    labels = [shorten(label, TAG_CHARACTERS) for label in _parts(card.subtitle)[:-1]][:TAGS]
    if labels:
        header["text_tag_list"] = [{"tag": "text_tag", "text": _text(label), "color": colour} for label in labels]
    return header


def _moment(card: IncidentCard) -> str:
    """What the header's labels leave of the second line: when it began and for how long."""
    parts = [*_parts(card.subtitle)[-1:], plain(card.elapsed)]
    return shorten(" · ".join(part for part in parts if part), LINE_CHARACTERS) or "-"


def _parts(subtitle: str) -> list[str]:
    return [part for part in plain(subtitle).split(" · ") if part]


def _facts(card: IncidentCard) -> list[Json]:
    """Facts side by side, two in a row."""
    facts = [fact for fact in card.facts if fact.label and fact.value][:FACTS]
    if not facts:
        return []
    cells = [f"**{_cell(fact.label, FACT_LABEL_COLUMNS)}**\n{_cell(fact.value, FACT_VALUE_COLUMNS)}" for fact in facts]
    columns = [_column({"tag": "markdown", "content": cell}) | {"width": "weighted", "weight": 1} for cell in cells]
    return [{"tag": "column_set", "flex_mode": "bisect", "columns": columns}]


def _cell(text: str, columns: int) -> str:
    return escaped(shorten_to_width(plain(text), columns)) or "-"


def _picture(picture: Picture) -> Json:
    alt = _text(shorten(plain(picture.alt), LINE_CHARACTERS))
    return {"tag": "img", "img_key": picture.key, "alt": alt, "scale_type": "fit_horizontal", "preview": True}


def _interaction(card: IncidentCard) -> list[Json]:
    """Buttons in a row that wraps, and behind them the menu; keys are unique over both."""
    buttons, menu = card.buttons[:BUTTONS], card.menu[:MENU_ITEMS]
    keys = [_key(button) for button in (*buttons, *menu)]
    if len(set(keys)) < len(keys):
        raise ContentRefused("button keys are not unique")
    columns = [_column(_button(button, card.reference)) for button in buttons]
    if menu:
        options = [{"text": _text(_label(item)), "value": item.key} for item in menu]
        behaviors = _calls_back(reference=card.reference)
        columns.append(_column({"tag": "overflow", "options": options, "behaviors": behaviors}))
    return [{"tag": "column_set", "flex_mode": "flow", "columns": columns}] if columns else []


def _button(button: CardButton, reference: str) -> Json:
    return {
        "tag": "button",
        "type": STYLES.get(button.style, STYLES["plain"]),
        "text": _text(_label(button)),
        "behaviors": _calls_back(key=button.key, reference=reference),
    }


def _calls_back(**value: str) -> list[Json]:
    """What a press brings back; an object, since the platform's own libraries take nothing else."""
    return [{"type": "callback", "value": value}]


def _label(button: CardButton) -> str:
    return shorten_to_width(plain(button.text), BUTTON_COLUMNS) or "-"


def _key(button: CardButton) -> str:
    if not button.key or len(button.key) > KEY_CHARACTERS:
        raise ContentRefused("button key")
    return button.key


def _column(element: Json) -> Json:
    return {"tag": "column", "width": "auto", "elements": [element]}


def _note(text: str) -> Json:
    return {"tag": "div", "text": _text(text) | {"text_size": "notation", "text_color": "grey"}}


def _text(content: str) -> Json:
    return {"tag": "plain_text", "content": content}
