"""The XML of callbacks and passive replies. What comes from outside is read without entities or DTD."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

# CamelCase names whose JSON form is not simply snake_case.
_NAMES = {"KeyName": "keyname", "UserId": "userid", "AppId": "appid", "PagePath": "pagepath"}
_LISTS = {"action_list", "horizontal_content_list", "vertical_content_list", "jump_list", "button_list"}
_LISTS |= {"option_list", "select_list"}
_NUMBERS = {"type", "style", "desc_color", "mode"}


class XmlError(ValueError):
    """Not the XML that was expected."""


def parse(text: bytes | str) -> Element:
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise XmlError(str(error)) from error
    return root


def text_of(root: Element, path: str) -> str:
    return (root.findtext(path) or "").strip()


def envelope(to: str, agent_id: str, encrypted: str) -> bytes:
    """The body of a callback."""
    parts = [element("ToUserName", to), element("AgentID", agent_id), element("Encrypt", encrypted)]
    return f"<xml>{''.join(parts)}</xml>".encode()


def element(name: str, value: str | int) -> str:
    """Numbers stand bare, text in CDATA."""
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    return f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"


def card_of(root: Element) -> dict[str, Any]:
    """The `<TemplateCard>` of a passive reply as the JSON of a card."""
    return _object(root)


def _object(node: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for child in node:
        name = _json_name(child.tag)
        value = _object(child) if len(child) else _value(name, (child.text or "").strip())
        if name in _LISTS:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _json_name(tag: str) -> str:
    return _NAMES.get(tag) or re.sub(r"(?<!^)(?=[A-Z])", "_", tag).lower()


def _value(name: str, text: str) -> str | int:
    return int(text) if name in _NUMBERS and text.isdigit() else text
