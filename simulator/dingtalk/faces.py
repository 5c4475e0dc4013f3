"""What a viewer sees of a card: variables, and the buttons that its button groups are made of.

A template either says which variables are groups of buttons, or they are known by their shape: a JSON list of objects
with a text and an event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.dingtalk.context import DingTalk
from simulator.dingtalk.state import Card, Template

CALLS_BACK = "sendCardRequest"
OPENS = "openLink"


@dataclass(frozen=True)
class Button:
    """One button. key: what tells presses apart, "" for a link; action and params go into the callback."""

    text: str
    key: str = ""
    color: str = "gray"
    url: str = ""
    is_alive: bool = True
    action: str = ""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Face:
    """A card as one person sees it: variables that are texts, and buttons by variable."""

    texts: dict[str, str]
    groups: dict[str, list[Button]]

    @property
    def buttons(self) -> list[Button]:
        """Those that call back and can be pressed."""
        return [button for group in self.groups.values() for button in group if button.key and button.is_alive]


def face(world: DingTalk, card: Card, userid: str) -> Face:
    seen = card.seen_by(userid)
    groups = {name: found for name, value in seen.items() if (found := _buttons(value)) is not None}
    return Face({name: value for name, value in seen.items() if name not in groups}, groups)


@dataclass(frozen=True)
class Block:
    """One part of a card, from top to bottom. kind: text, markdown or buttons; variable: what it shows."""

    kind: str
    variable: str
    is_bold: bool = False
    is_small: bool = False


def blocks(template: Template | None, seen: Face) -> list[Block]:
    """The parts in the order of the template; without a definition, texts as they were sent and then the buttons."""
    definition = template.definition if template else {}
    found = list(_blocks(_editor(definition), seen)) if definition else []
    if found:
        return found
    return [Block("markdown", name) for name in seen.texts] + [Block("buttons", name) for name in seen.groups]


def variables(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The variableList of a builder's export. Raises ValueError, KeyError or TypeError for anything else."""
    found = _editor(definition)["variableList"]
    if not isinstance(found, list):
        raise ValueError("variableList is no list")
    return found


def _editor(definition: dict[str, Any]) -> dict[str, Any]:
    """What the builder edits: a text inside its export, or the export itself."""
    editor = definition.get("editorData", definition)
    return json.loads(editor) if isinstance(editor, str) else editor


def _blocks(editor: dict[str, Any], seen: Face) -> Iterator[Block]:
    names = {variable.get("name") for variable in editor.get("variableList", [])}
    for part in _components((editor.get("schema") or {}).get("componentsTree") or []):
        about = _object(part.get("props"))
        kind = "text" if "Text" in str(part.get("componentName")) else "markdown"
        for name in dict.fromkeys(name for text in _leaves(about) for name in _mentioned(text) if name in names):
            if name in seen.groups:
                yield Block("buttons", name)
            elif name in seen.texts:
                yield Block(kind, name, about.get("bold") is True, int(about.get("customFontSize") or 15) < 14)


def _components(tree: Any) -> Iterator[dict[str, Any]]:
    """The components that hold no others, in order."""
    for part in tree if isinstance(tree, list) else []:
        if isinstance(part, dict) and part.get("children"):
            yield from _components(part["children"])
        elif isinstance(part, dict):
            yield part


def _leaves(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for value in part.values():
            yield from _leaves(value)
    elif isinstance(part, list):
        for value in part:
            yield from _leaves(value)
    elif isinstance(part, str):
        yield part


def _mentioned(text: str) -> Iterator[str]:
    """A value that is a variable's name, and the names inside ${…}."""
    yield text
    yield from re.findall(r"\$\{(?:data\.)?(\w+)", text)


def _buttons(value: str) -> list[Button] | None:
    """The buttons of a variable, None for a text."""
    try:
        items = json.loads(value)
    except ValueError:
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) and "text" in item for item in items):
        return None
    return [_button(item) for item in items]


def _button(item: dict[str, Any]) -> Button:
    event = _object(item.get("event"))
    about = _object(event.get("params"))
    is_alive = item.get("status", "normal") == "normal"
    color = str(item.get("color") or "gray")
    if event.get("type") == OPENS:
        return Button(str(item["text"]), color=color, url=str(about.get("url") or ""), is_alive=is_alive)
    params = _object(about.get("params"))
    action = str(about.get("actionId") or "")
    key = str(params.get("key") or action) if event.get("type") == CALLS_BACK else ""
    return Button(str(item["text"]), key, color, is_alive=is_alive, action=action, params=params)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
