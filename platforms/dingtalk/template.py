"""Our card template as the card builder (卡片平台) imports it: card_template.json in the builder's envelope.

card_template.json is what the builder edits: components, variables and example values. Every company imports it once
and gets a template id of its own. https://open.dingtalk.com/document/development/card-template-building-and-publishing
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE_NAME = "dutybell-dingtalk-card.json"
SOURCE = Path(__file__).with_name("card_template.json")


@cache
def exported() -> str:
    """The file to import: the builder wants its data as a JSON text within JSON."""
    editor_data = json.dumps(_editor_data(), ensure_ascii=False, separators=(",", ":"))
    return json.dumps({"editorData": editor_data, "widgetInfo": "", "type": "im", "mode": "card"}, ensure_ascii=False)


def variables() -> dict[str, bool]:
    """The template's variables, and whether each is private to a viewer."""
    return {variable["name"]: variable["private"] for variable in _editor_data()["variableList"]}


def _editor_data() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(SOURCE.read_text(encoding="utf-8"))
    return content
