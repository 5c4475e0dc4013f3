"""IncidentCard → WeCom template card, as JSON for calls and as XML for the answer to a press.

https://developer.work.weixin.qq.com/document/path/90236 (button_interaction), path/90241 (XML form)
"""

from __future__ import annotations

import re
from typing import Any

from platforms.base import CardButton, IncidentCard
from platforms.errors import ContentRefused
from platforms.shortening import ELLIPSIS, plain, shorten, shorten_to_width
from platforms.xml import element, text_element

TASK_ID = re.compile(r"[0-9A-Za-z_@-]{1,128}")
SOURCE_CHARACTERS = 20
TITLE_CHARACTERS = 36
SUBTITLE_CHARACTERS = 44
BODY_LINES = 8
BODY_LINE_CHARACTERS = 160
BODY_CHARACTERS = 640
BODY_ADVISED_CHARACTERS = 160
"""Of the whole area: as many the client shows without folding it."""
FACTS = 6
# Advised in Chinese characters, which take two columns each; as many Latin letters would leave half the room empty.
FACT_KEY_COLUMNS = 2 * 5
FACT_VALUE_COLUMNS = 2 * 30
BUTTON_COLUMNS = 2 * 10
BUTTONS = 6
MENU_ITEMS = 3
TEXT_CARD_TITLE, TEXT_CARD_BODY, TEXT_CARD_BUTTON = 128, 512, 4
"""Of a text card: bytes of the title and of the description, characters of the button."""
KEY_BYTES = 1024
URL_BYTES = 2048

GREY, BLACK, RED, GREEN = range(4)
COLOURS = {"critical": RED, "warning": BLACK, "info": GREY, "ok": GREEN, "muted": GREY}
STYLES = {"primary": 1, "danger": 2, "plain": 4}
"""1 is the filled button, 2 and 3 are coloured words, 4 is the quiet one."""

Json = dict[str, Any]


def as_json(card: IncidentCard) -> Json:
    """The `template_card` object. Raises ContentRefused for a card that WeCom could not take.

    A card without buttons becomes a text_notice, since a button card must have one.
    """
    drawn: Json = {
        "card_type": "button_interaction" if card.buttons else "text_notice",
        "source": {
            "desc": shorten(plain(card.source), SOURCE_CHARACTERS),
            "desc_color": COLOURS.get(card.tone, GREY),
        },
        "main_title": {"title": shorten(plain(card.title), TITLE_CHARACTERS) or "-", "desc": _subtitle(card)},
        "task_id": _task_id(card.reference),
    }
    lines = body_lines(card)
    if lines:
        drawn["sub_title_text"] = "\n".join(lines)
    if rows := _rows(card):
        drawn["horizontal_content_list"] = rows
    if action := _action(card):
        drawn["card_action"] = action
    return drawn | _interaction(card)


def as_text_card(card: IncidentCard) -> Json:
    """The `textcard` object for a group chat, which takes no button cards: the same news, and a link.

    https://developer.work.weixin.qq.com/document/path/90248
    """
    rows = [f"{plain(fact.label)}：{plain(fact.value)}" for fact in card.facts]
    shown = [plain(card.subtitle), *rows, *body_lines(card), plain(card.footer)]
    described = "\n".join(line for line in shown if line)
    return {
        "title": shorten(plain(card.title), TEXT_CARD_TITLE, TEXT_CARD_TITLE) or "-",
        "description": shorten(described, TEXT_CARD_BODY, TEXT_CARD_BODY) or "-",
        "url": card.url,
        "btntxt": shorten(card.open_label, TEXT_CARD_BUTTON),
    }


def body_lines(card: IncidentCard) -> list[str]:
    """The lines of the custom area that WeCom shows; the last ends in … where others are left out."""
    lines = _fitting(card)
    if len(lines) < len(_lines(card)) and not lines[-1].endswith(ELLIPSIS):
        lines[-1] = shorten(lines[-1] + ELLIPSIS, BODY_LINE_CHARACTERS)
    return lines


def _fitting(card: IncidentCard) -> list[str]:
    """At most 8 lines, each and all of them of a bounded length."""
    lines, left = [], BODY_CHARACTERS
    for line in _lines(card)[:BODY_LINES]:
        if left <= 0:
            break
        lines.append(shorten(line, min(BODY_LINE_CHARACTERS, left)))
        left -= len(lines[-1])
    return lines


def truncated_lines(card: IncidentCard) -> int:
    """How many lines of the custom area are not shown, or not in full."""
    lines, shown = _lines(card), _fitting(card)
    return len(lines) - sum(1 for line, kept in zip(lines, shown, strict=False) if line == kept)


def as_reply_xml(card: IncidentCard) -> str:
    """The <TemplateCard> of an answer to a press: the same card in the reply's CamelCase names."""
    drawn = as_json(card)
    source, title = drawn["source"], drawn["main_title"]
    return element(
        "TemplateCard",
        text_element("CardType", drawn["card_type"]),
        element("Source", text_element("Desc", source["desc"]), f"<DescColor>{source['desc_color']}</DescColor>"),
        _menu_xml(drawn),
        element("MainTitle", text_element("Title", title["title"]), text_element("Desc", title["desc"])),
        text_element("SubTitleText", drawn.get("sub_title_text", "")),
        *[_row_xml(row) for row in drawn.get("horizontal_content_list", ())],
        _action_xml(drawn),
        *[_button_xml(button) for button in drawn.get("button_list", ())],
    )


def _menu_xml(drawn: Json) -> str:
    menu = drawn.get("action_menu")
    if not menu:
        return ""
    items = [
        element("ActionList", text_element("Text", item["text"]), text_element("Key", item["key"]))
        for item in menu["action_list"]
    ]
    return element("ActionMenu", text_element("Desc", menu["desc"]), *items)


def _row_xml(row: Json) -> str:
    shown = text_element("KeyName", row["keyname"]), text_element("Value", row["value"])
    return element("HorizontalContentList", *shown)


def _action_xml(drawn: Json) -> str:
    if "card_action" not in drawn:
        return ""
    return element("CardAction", "<Type>1</Type>", text_element("Url", drawn["card_action"]["url"]))


def _button_xml(button: Json) -> str:
    style = f"<Style>{button['style']}</Style>"
    return element("ButtonList", text_element("Text", button["text"]), style, text_element("Key", button["key"]))


def _task_id(reference: str) -> str:
    if not TASK_ID.fullmatch(reference):
        raise ContentRefused("task_id")
    return reference


def _subtitle(card: IncidentCard) -> str:
    """Number, state and time, then how long; the state matters more, so the duration gives way."""
    subtitle, elapsed = plain(card.subtitle), plain(card.elapsed)
    both = f"{subtitle} · {elapsed}" if subtitle and elapsed else subtitle or elapsed
    return both if len(both) <= SUBTITLE_CHARACTERS else shorten(subtitle or elapsed, SUBTITLE_CHARACTERS)


def _lines(card: IncidentCard) -> list[str]:
    """The body line by line; blank ones at either end say nothing."""
    lines = [plain(line) for part in card.body for line in part.splitlines() or [""]]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        del lines[0]
    return lines


def _rows(card: IncidentCard) -> list[Json]:
    """Facts as rows; the footer is the last one and takes the place of a fact when there are too many."""
    rows = [_row(fact.label, fact.value) for fact in card.facts if fact.label and fact.value]
    if not card.footer:
        return rows[:FACTS]
    return [*rows[: FACTS - 1], _row(card.footer_label, card.footer)]


def _row(label: str, value: str) -> Json:
    return {
        "keyname": shorten_to_width(plain(label), FACT_KEY_COLUMNS) or "-",
        "value": shorten_to_width(plain(value), FACT_VALUE_COLUMNS),
    }


def _action(card: IncidentCard) -> Json | None:
    """Opens the incident's page. An address that WeCom would refuse is left out, unless the card needs one."""
    if card.url.startswith(("https://", "http://")) and len(card.url.encode()) <= URL_BYTES:
        return {"type": 1, "url": card.url}
    if not card.buttons:
        raise ContentRefused("card without buttons and without a page")
    return None


def _interaction(card: IncidentCard) -> Json:
    """Buttons and menu; keys are unique over both."""
    if not card.buttons:
        return {}
    buttons, menu = card.buttons[:BUTTONS], card.menu[:MENU_ITEMS]
    keys = [_key(button) for button in (*buttons, *menu)]
    if len(set(keys)) < len(keys):
        raise ContentRefused("button keys are not unique")
    drawn: Json = {
        "button_list": [
            {"text": _label(button), "style": STYLES.get(button.style, STYLES["plain"]), "key": button.key}
            for button in buttons
        ]
    }
    if menu:
        items = [{"text": _label(item), "key": item.key} for item in menu]
        drawn["action_menu"] = {"desc": plain(card.menu_label), "action_list": items}
    return drawn


def _label(button: CardButton) -> str:
    return shorten_to_width(plain(button.text), BUTTON_COLUMNS) or "-"


def _key(button: CardButton) -> str:
    if not button.key or len(button.key.encode()) > KEY_BYTES:
        raise ContentRefused("button key")
    return button.key
