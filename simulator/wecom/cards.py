"""Template cards: what WeCom refuses, and what a person can press on a card as it is now.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import re
from typing import Any

from simulator.wecom.errors import bad_parameter
from simulator.wecom.state import Copy

NOTICES = {"text_notice", "news_notice"}
INTERACTIVE = {"button_interaction", "vote_interaction", "multiple_interaction"}
TASK_ID = re.compile(r"^[0-9A-Za-z_@-]{1,128}$")
MAX_KEY_BYTES = 1024
MAX_OPTION_ID_BYTES = 128

Json = dict[str, Any]


def check(card: Json, *, is_update: bool = False) -> None:
    """Refuse a card with 40058 and the path of the mistake. task_id has its own check at sending."""
    card_type = card.get("card_type")
    if card_type not in NOTICES | INTERACTIVE:
        raise bad_parameter("template_card.card_type invalid")
    _check_common(card)
    if (card_type in INTERACTIVE or card.get("action_menu")) and not is_update and not card.get("task_id"):
        raise bad_parameter("template_card.task_id missing")
    if card_type in NOTICES:
        _check_notice(card)
    elif card_type == "button_interaction":
        _check_buttons(card, is_update=is_update)
    elif card_type == "vote_interaction":
        _check_vote(card)
    else:
        _check_multiple(card)


def can_be_updated(card: Json) -> bool:
    return card.get("card_type") in INTERACTIVE or bool(card.get("action_menu"))


def needs_callback(card: Json) -> bool:
    """Cards that call back need an app with a callback address (43012)."""
    return can_be_updated(card)


def pressable(copy: Copy) -> list[Json]:
    """The buttons and menu items that answer now: `{"key", "text", "menu"?}`; dead ones are absent."""
    if copy.replaced:
        return []
    card = copy.card
    found: list[Json] = []
    if not card.get("replace_text"):
        buttons = [b for b in card.get("button_list") or [] if not b.get("type") and b.get("key")]
        found += [{"key": button["key"], "text": button.get("text", "")} for button in buttons]
        submit = card.get("submit_button")
        if submit:
            found.append({"key": submit["key"], "text": submit.get("text", "")})
    items = (card.get("action_menu") or {}).get("action_list") or []
    return found + [{"key": item["key"], "text": item.get("text", ""), "menu": True} for item in items]


def as_seen(copy: Copy) -> Json:
    """The card as this person sees it now: after a form A update without live buttons and with replace_text."""
    if not copy.replaced:
        return copy.card
    dead = {"button_list", "submit_button", "action_menu"}
    return {key: value for key, value in copy.card.items() if key not in dead} | {"replace_text": copy.replaced}


def _check_common(card: Json) -> None:
    for name in ("source", "main_title", "quote_area", "emphasis_content", "card_action", "action_menu"):
        if card.get(name) is not None and not isinstance(card[name], dict):
            raise bad_parameter(f"template_card.{name} is not an object")
    if "action_menu" in card and card["action_menu"] is not None:
        actions = _items(card["action_menu"], "action_list", 1, 3)
        _check_keys(actions, "action_menu.action_list")
        _require_texts(actions, "action_menu.action_list", "text")
    rows = _items(card, "horizontal_content_list", 0, 6)
    _require_texts(rows, "horizontal_content_list", "keyname")
    for row in rows:
        needed = {1: "url", 2: "media_id", 3: "userid"}.get(row.get("type") or 0)
        if needed and not row.get(needed):
            raise bad_parameter(f"template_card.horizontal_content_list.{needed} missing")
    jumps = _items(card, "jump_list", 0, 3)
    _require_texts(jumps, "jump_list", "title")
    for jump in jumps:
        _check_target(jump, "jump_list")
    if card.get("button_selection"):
        _check_selection(card["button_selection"], "button_selection")


def _check_notice(card: Json) -> None:
    action = card.get("card_action")
    if not action or action.get("type") not in (1, 2):
        raise bad_parameter("template_card.card_action.type must be 1 or 2")
    _check_target(action, "card_action")
    if card["card_type"] == "text_notice" and not _title(card) and not card.get("sub_title_text"):
        raise bad_parameter("template_card.main_title.title and sub_title_text are both empty")
    if card["card_type"] == "news_notice":
        _check_news(card)


def _check_news(card: Json) -> None:
    image, area = card.get("card_image") or {}, card.get("image_text_area") or {}
    if not image.get("url") and not area.get("image_url"):
        raise bad_parameter("template_card.card_image or image_text_area missing")
    ratio = image.get("aspect_ratio")
    if ratio is not None and not 1.3 <= float(ratio) <= 2.25:
        raise bad_parameter("template_card.card_image.aspect_ratio out of range")
    _items(card, "vertical_content_list", 0, 4)


def _check_buttons(card: Json, *, is_update: bool) -> None:
    if not _title(card):
        raise bad_parameter("template_card.main_title.title missing")
    _check_optional_action(card)
    if is_update and card.get("replace_text") and not card.get("button_list"):
        return
    buttons = _items(card, "button_list", 1, 6)
    _require_texts(buttons, "button_list", "text")
    for button in buttons:
        if button.get("type") == 1 and not button.get("url"):
            raise bad_parameter("template_card.button_list.url missing")
    _check_keys([button for button in buttons if button.get("type") != 1], "button_list")


def _check_vote(card: Json) -> None:
    _check_optional_action(card)
    box = card.get("checkbox") or {}
    _check_question(box, "checkbox")
    _check_options(box, "checkbox", 20)
    _check_submit(card)


def _check_multiple(card: Json) -> None:
    if not _title(card):
        raise bad_parameter("template_card.main_title.title missing")
    for selection in _items(card, "select_list", 1, 3):
        _check_selection(selection, "select_list")
    _check_submit(card)


def _check_optional_action(card: Json) -> None:
    action = card.get("card_action") or {}
    if action.get("type") not in (None, 0, 1, 2):
        raise bad_parameter("template_card.card_action.type invalid")
    _check_target(action, "card_action")


def _check_target(item: Json, path: str) -> None:
    """Type 1 opens a url, type 2 a mini program."""
    needed = {1: "url", 2: "appid"}.get(item.get("type") or 0)
    if needed and not item.get(needed):
        raise bad_parameter(f"template_card.{path}.{needed} missing")


def _check_selection(selection: Json, path: str) -> None:
    _check_question(selection, path)
    _check_options(selection, path, 10)


def _check_question(item: Json, path: str) -> None:
    key = item.get("question_key")
    if not key or len(str(key).encode()) > MAX_KEY_BYTES:
        raise bad_parameter(f"template_card.{path}.question_key invalid")


def _check_options(item: Json, path: str, most: int) -> None:
    options = _items(item, "option_list", 1, most)
    ids = [str(option.get("id") or "") for option in options]
    if not all(ids) or len(set(ids)) < len(ids) or any(len(i.encode()) > MAX_OPTION_ID_BYTES for i in ids):
        raise bad_parameter(f"template_card.{path}.option_list.id invalid")


def _check_submit(card: Json) -> None:
    submit = card.get("submit_button")
    if not submit or not submit.get("text"):
        raise bad_parameter("template_card.submit_button missing")
    _check_keys([submit], "submit_button")


def _check_keys(items: list[Json], path: str) -> None:
    keys = [str(item.get("key") or "") for item in items]
    if not all(keys):
        raise bad_parameter(f"template_card.{path}.key missing")
    if any(len(key.encode()) > MAX_KEY_BYTES for key in keys):
        raise bad_parameter(f"template_card.{path}.key exceed max length {MAX_KEY_BYTES}")
    if len(set(keys)) < len(keys):
        raise bad_parameter(f"template_card.{path}.key duplicate")


def _require_texts(items: list[Json], path: str, name: str) -> None:
    if not all(item.get(name) for item in items):
        raise bad_parameter(f"template_card.{path}.{name} missing")


def _items(holder: Json, name: str, least: int, most: int) -> list[Json]:
    """A list of objects with an allowed length."""
    items = holder.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise bad_parameter(f"template_card.{name} is not a list of objects")
    if not least <= len(items) <= most:
        raise bad_parameter(f"template_card.{name} size must be {least} to {most}")
    return items


def _title(card: Json) -> str:
    return str((card.get("main_title") or {}).get("title") or "")
