"""A card as the client's templates draw it: what each component says, opens and sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from simulator.feishu import cards, richtext
from simulator.feishu.components import BUTTON_TYPES, COLOURS

Json = dict[str, Any]


class CardView:
    """A card with what its texts refer to. names: who an id in a mention is."""

    def __init__(self, card: Json, names: Mapping[str, str], inside: richtext.OpenLink) -> None:
        self.card, self.names, self.inside = card, names, inside
        self.header: Json = card.get("header") or {}
        self.elements = cards.elements_of(card)

    @property
    def colour(self) -> str:
        given = str(self.header.get("template") or "default")
        return given if given in COLOURS else "default"

    @property
    def link(self) -> str:
        """Where a click on the card leads, "" for nowhere."""
        link = self.card.get("card_link") or {}
        url = link.get("pc_url") or link.get("url") or ""
        return self.inside(str(url)) if url else ""

    def say(self, text: Any) -> Markup | str:
        """A text object or a markdown component as HTML."""
        if not isinstance(text, dict):
            return ""
        content = str(text.get("content") or "")
        if text.get("tag") == "plain_text":
            return content
        return richtext.markdown(content, self.names, self.inside)

    def tone(self, text: Any) -> str:
        """Classes for the size and colour of a text."""
        if not isinstance(text, dict):
            return ""
        size, colour = str(text.get("text_size") or ""), str(text.get("text_color") or "")
        names = [f"size-{size}"] if size in ("notation", "heading", "xx-large", "x-large") else []
        return " ".join([*names, *([f"fs-{colour}"] if colour in richtext.COLOURS else [])])

    def key(self, element: Json) -> str:
        """What pressing a button sends, "" when it calls nobody."""
        if element.get("disabled") or element.get("form_action_type") == "reset":
            return ""
        value = cards.callback_value(element)
        if value is None:
            return ""
        return cards.key_of(value) if value else str(element.get("name") or "")

    def opens(self, element: Json) -> str:
        """The address inside the client that a button opens, "" for none."""
        for behaviour in element.get("behaviors") or []:
            if behaviour.get("type") == "open_url":
                return self.inside(str(behaviour.get("pc_url") or behaviour.get("default_url") or ""))
        url = (element.get("multi_url") or {}).get("pc_url") or element.get("url")
        return self.inside(str(url)) if url else ""

    def options(self, element: Json) -> list[cards.Pressable]:
        return cards.pressable({"schema": "2.0", "body": {"elements": [element]}})

    def style(self, element: Json) -> str:
        kind = str(element.get("type") or "default")
        if kind == "text":
            return "fs-text-button"
        return f"fs-{kind.replace('_', '-')}" if kind in BUTTON_TYPES else "fs-default"
