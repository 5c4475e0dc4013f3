"""Cards: what Feishu refuses (as 230099 with a sub-code), and what a person can press on a card as it is now.

https://open.feishu.cn/document/feishu-cards/card-json-v2-structure and card-json-structure (1.0)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from simulator.feishu import components
from simulator.feishu.errors import CardRefused

Json = dict[str, Any]
KnowsPerson = Callable[[str], bool]

ELEMENT_ID = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,19}$")
IMAGE_KEY = re.compile(r"^img_[A-Za-z0-9_-]{3,}$")
MENTION = re.compile(r"<at\s+(id|ids|email)=[\"']?([^\s\"'>]+)[\"']?\s*>")
ADDRESS = re.compile(r"^[!-~]+$")  # printable ASCII: everything else is percent-encoded
URL_FIELDS = {"url", "default_url", "pc_url", "ios_url", "android_url"}


def is_v2(card: Json) -> bool:
    return card.get("schema") == "2.0"


def is_shared(card: Json) -> bool:
    """Is it the same card for everybody (update_multi)? Schema 2.0 knows no other, 1.0 has to say so."""
    return bool((card.get("config") or {}).get("update_multi", is_v2(card)))


def says_update_multi(card: Json) -> bool:
    """Whether `update_multi: true` stands in the card itself, as updates demand it."""
    return (card.get("config") or {}).get("update_multi") is True


def elements_of(card: Json) -> list[Json]:
    """The components at a card's root: the body's, the first language's, or those of schema 1.0."""
    holder = card.get("body") if is_v2(card) else card
    found = (holder or {}).get("elements")
    if found is None and isinstance(card.get("i18n_elements"), dict):
        found = next(iter(card["i18n_elements"].values()), [])
    return found if isinstance(found, list) else []


def check(card: Any, knows: KnowsPerson, has_image: Callable[[str], bool] = bool) -> None:
    """Refuse a card that cannot be shown. Raises CardRefused.

    knows  whether an id may be mentioned; has_image: whether the application was given such an image_key
    """
    if not isinstance(card, dict):
        raise CardRefused(200621)
    _Check(knows, is_v2=is_v2(card), has_image=has_image).card(card)


# --- what can be pressed ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pressable:
    """A button, a menu item or a selection's option that calls back.

    key    what control calls press by: the value's `key` or `k`, else the value as it is written
    tag    button, overflow or select_static; value: the object that travels; option: the chosen one of a menu
    form   the name of the form that it submits, "" outside
    """

    key: str
    text: str
    tag: str
    value: Any = None
    option: str = ""
    name: str = ""
    form: str = ""


def pressable(card: Json) -> list[Pressable]:
    """Everything on the card that calls back now; what is disabled is absent."""
    return list(_pressable(elements_of(card), ""))


def form_of(card: Json, name: str) -> Json | None:
    return next(
        (item for item in walk(elements_of(card)) if item.get("tag") == "form" and item.get("name") == name), None
    )


def walk(elements: Any) -> Iterator[Json]:
    """Every component below, containers before their contents."""
    for element in elements if isinstance(elements, list) else []:
        if not isinstance(element, dict):
            continue
        yield element
        for name in ("elements", "columns", "actions"):
            yield from walk(element.get(name))
        if isinstance(element.get("extra"), dict):
            yield from walk([element["extra"]])


def callback_value(element: Json) -> Any:
    """What a component sends: its callback behaviour's value, or that of schema 1.0; None when it calls nobody."""
    for behaviour in element.get("behaviors") or []:
        if behaviour.get("type") == "callback":
            return behaviour.get("value", {})
    if element.get("form_action_type") == "submit":
        return element.get("value", {})
    return element.get("value")


def key_of(value: Any) -> str:
    """What a button is called by: its value's `key` or `k`, a text itself, else the value as compact JSON."""
    if isinstance(value, dict):
        named = value.get("key") or value.get("k")
        return str(named) if named else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _pressable(elements: list[Json], form: str) -> Iterator[Pressable]:
    for element in elements:
        if not isinstance(element, dict) or element.get("disabled"):
            continue
        tag = str(element.get("tag"))
        if tag == "button":
            yield from _button(element, form)
        elif tag in ("overflow", "select_static"):
            yield from _options(element, tag)
        inner = str(element.get("name") or "") if tag == "form" else form
        for name in ("elements", "columns", "actions"):
            yield from _pressable(element.get(name) or [], inner)
        if isinstance(element.get("extra"), dict):
            yield from _pressable([element["extra"]], inner)


def _button(element: Json, form: str) -> Iterator[Pressable]:
    value = callback_value(element)
    if value is None or element.get("form_action_type") == "reset":
        return
    text, name = str((element.get("text") or {}).get("content") or ""), str(element.get("name") or "")
    is_submit = element.get("form_action_type") == "submit"
    yield Pressable(key_of(value) if value else name, text, "button", value, name=name, form=form if is_submit else "")


def _options(element: Json, tag: str) -> Iterator[Pressable]:
    """An option is called by its own value; what the behaviour adds travels beside it."""
    value = callback_value(element)
    for option in element.get("options") or []:
        if isinstance(option, dict) and option.get("value") is not None:
            text = str((option.get("text") or {}).get("content") or "")
            chosen = str(option["value"])
            yield Pressable(_option_key(chosen), text, tag, value, chosen, str(element.get("name") or ""))


def _option_key(chosen: str) -> str:
    """The `key` inside an option's value where that is JSON, else the value."""
    try:
        return key_of(json.loads(chosen)) if chosen.startswith("{") else chosen
    except ValueError:
        return chosen


# --- what is refused -------------------------------------------------------------------------------------------------


@dataclass
class _Check:
    """One pass over a card. Schema 1.0 ignores properties it does not know, 2.0 refuses them."""

    knows: KnowsPerson
    is_v2: bool
    has_image: Callable[[str], bool] = bool
    count: int = 0
    tables: int = 0
    ids: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def card(self, card: Json) -> None:
        if not card:
            return  # a blank card is legal
        if self.is_v2:
            self.only(card, components.TOP, "ROOT")
            self.only(card.get("config") or {}, components.CONFIG, "ROOT -> config")
            self.only(card.get("body") or {}, components.BODY, "ROOT -> body")
        elif card.get("schema") not in (None, "1.0"):
            raise CardRefused(200621, "ROOT -> schema")
        if (card.get("config") or {}).get("update_multi", True) is False and self.is_v2:
            raise CardRefused(200621, "ROOT -> config -> update_multi")
        self.header(card.get("header"))
        self.urls(card.get("card_link") or {}, "ROOT -> card_link")
        path = "ROOT -> body -> elements" if self.is_v2 else "ROOT -> elements"
        for position, element in enumerate(self.listed(elements_of(card), path)):
            self.element(element, f"{path} -> [{position}]", depth=1, form="")

    def header(self, header: Any) -> None:
        if header is None:
            return
        path = "ROOT -> header"
        self.only(header, components.HEADER, path)
        title = header.get("title")
        if not isinstance(title, dict):
            raise CardRefused(200621, f"{path} -> title")
        self.text(title, f"{path} -> title")
        if header.get("subtitle") is not None:
            self.text(header["subtitle"], f"{path} -> subtitle")
        if header.get("template") not in (None, *components.COLOURS):
            raise CardRefused(200621, f"{path} -> template")
        for tag in self.listed(header.get("text_tag_list") or [], path):
            self.element(tag, f"{path} -> text_tag_list", depth=1, form="")

    def element(self, element: Any, path: str, *, depth: int, form: str) -> None:
        if not isinstance(element, dict):
            raise CardRefused(200621, path)
        tag = str(element.get("tag"))
        path = f"{path}(tag: {tag})"
        self.known(element, tag, path)
        self.counted(tag, path, depth)
        self.identified(element, path)
        self.contents(element, tag, path)
        if form and tag in components.INTERACTIVE:
            self.named(element, path)
        inner, deeper = (path if tag == "form" else form), depth + (tag in components.CONTAINERS)
        if tag == "form":
            self.form(element, path, is_root=depth == 1)
        for name in ("elements", "columns", "actions"):
            for position, child in enumerate(self.listed(element.get(name) or [], path)):
                self.element(child, f"{path} -> {name} -> [{position}]", depth=deeper, form=inner)

    def known(self, element: Json, tag: str, path: str) -> None:
        if not self.is_v2:
            return
        if tag in components.WITHDRAWN:
            raise CardRefused(200861, path, value=f"unsupported tag {tag}")
        if tag not in components.COMPONENTS:
            raise CardRefused(200621, path, value=f"unknown tag {tag}")
        self.only(element, components.COMPONENTS[tag] | components.ANYWHERE, path)

    def counted(self, tag: str, path: str, depth: int) -> None:
        self.count += 1
        self.tables += tag == "table"
        if self.count > components.MAX_ELEMENTS and self.is_v2:
            raise CardRefused(11310, path)
        if self.tables > components.MAX_TABLES or depth > components.MAX_DEPTH:
            raise CardRefused(11310, path)

    def identified(self, element: Json, path: str) -> None:
        given = element.get("element_id")
        if given is None:
            return
        if not ELEMENT_ID.match(str(given)) or given in self.ids:
            raise CardRefused(200621, f"{path} -> element_id")
        self.ids.add(given)

    def contents(self, element: Json, tag: str, path: str) -> None:
        """What the one component demands of its own fields."""
        if tag in ("markdown", "plain_text", "lark_md"):
            self.text(element, path)
        if tag in ("div", "text_tag"):
            for part in [element.get("text"), *(field.get("text") for field in element.get("fields") or [])]:
                if part is not None:
                    self.text(part, f"{path} -> text")
        key = str(element.get("img_key") or "")
        if tag == "img" and not (IMAGE_KEY.match(key) and self.has_image(key)):
            raise CardRefused(200570, f"{path} -> img_key")
        if tag == "button":
            self.button(element, path)
        if tag in ("overflow", "select_static"):
            self.options(element, path, is_unique=tag == "select_static")
        if tag == "input":
            length = element.get("max_length", components.MAX_INPUT)
            if not isinstance(length, int) or not 1 <= length <= components.MAX_INPUT:
                raise CardRefused(200621, f"{path} -> max_length")
        if tag in components.INTERACTIVE | {"interactive_container"}:
            self.behaviours(element, path)

    def text(self, text: Any, path: str) -> None:
        """A text object: a content, and mentions of people who exist where it is markup."""
        if not isinstance(text, dict) or not isinstance(text.get("content", ""), str):
            raise CardRefused(200621, path)
        if text.get("tag") not in ("plain_text", "lark_md", "markdown"):
            raise CardRefused(200621, f"{path} -> tag")
        if text["tag"] == "plain_text":
            return
        for kind, given in MENTION.findall(text.get("content", "")):
            wanted = given.split(",") if kind == "ids" else [given]
            if not all(who == "all" or self.knows(who) for who in wanted):
                raise CardRefused(100290, path, value=given)

    def button(self, button: Json, path: str) -> None:
        text = button.get("text")
        if text is not None:
            self.text(text, f"{path} -> text")
            if len(text.get("content", "")) > components.MAX_TEXT:
                raise CardRefused(200621, f"{path} -> text")
        if text is None and button.get("icon") is None:
            raise CardRefused(200621, f"{path} -> text")
        if self.is_v2 and button.get("type") not in (None, *components.BUTTON_TYPES):
            raise CardRefused(200621, f"{path} -> type")
        confirm = button.get("confirm")
        if confirm is not None and not (isinstance(confirm, dict) and confirm.get("title")):
            raise CardRefused(200621, f"{path} -> confirm")
        self.urls(button, path)

    def options(self, element: Json, path: str, *, is_unique: bool) -> None:
        options = self.listed(element.get("options") or [], path)
        values = [str(option.get("value")) for option in options if isinstance(option, dict)]
        if len(values) < len(options) or (is_unique and len(set(values)) < len(values)):
            raise CardRefused(200621, f"{path} -> options")
        for option in options:
            self.text(option.get("text"), f"{path} -> options")
            if len(option["text"].get("content", "")) > components.MAX_TEXT:
                raise CardRefused(200621, f"{path} -> options")

    def behaviours(self, element: Json, path: str) -> None:
        for behaviour in self.listed(element.get("behaviors") or [], path):
            kind = behaviour.get("type") if isinstance(behaviour, dict) else None
            if kind not in ("callback", "open_url", "form_action"):
                raise CardRefused(200621, f"{path} -> behaviors")
            if kind == "callback" and not isinstance(behaviour.get("value", {}), dict):
                raise CardRefused(200621, f"{path} -> behaviors -> value")
            if kind == "open_url" and not any(behaviour.get(name) for name in URL_FIELDS):
                raise CardRefused(200621, f"{path} -> behaviors -> default_url")
            self.urls(behaviour, f"{path} -> behaviors")

    def form(self, form: Json, path: str, *, is_root: bool) -> None:
        """At the root of a 2.0 card, with a button that submits; no form and no table inside."""
        inside = list(walk(form.get("elements")))
        if (self.is_v2 and not is_root) or any(item.get("tag") in ("form", "table") for item in inside):
            raise CardRefused(200621, path)
        ways = {item.get("form_action_type") or item.get("action_type") for item in inside}
        if not ways & {"submit", "form_submit"}:
            raise CardRefused(200621, path, message="form has no submit button")

    def named(self, element: Json, path: str) -> None:
        """A name is demanded at the click (200530); two equal ones are refused at once."""
        name = element.get("name")
        if name and name in self.names:
            raise CardRefused(200621, f"{path} -> name")
        self.names.add(str(name))

    def urls(self, holder: Any, path: str) -> None:
        for name in URL_FIELDS & set(holder if isinstance(holder, dict) else ()):
            url = holder[name]
            if url and (urlsplit(str(url)).scheme not in ("http", "https") or not ADDRESS.match(str(url))):
                raise CardRefused(200621, f"{path} -> {name}", value=str(url))

    def only(self, holder: Any, known: set[str], path: str) -> None:
        if not isinstance(holder, dict):
            raise CardRefused(200621, path)
        unknown = sorted(set(holder) - known)
        if self.is_v2 and unknown:
            raise CardRefused(200621, path, value=f"unknown property {unknown[0]}")

    def listed(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise CardRefused(200621, path)
        return value
