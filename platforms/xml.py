"""XML of platforms that speak it: read without what makes it dangerous, written with CDATA."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, fromstring

INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


DECLARES = re.compile("<!(?:DOCTYPE|ENTITY)")


def parsed(source: bytes) -> Element:
    """The tree of a document in UTF-8, whatever encoding it claims.

    One that declares anything is refused: without declarations there are no entities, and nothing to load or to blow
    up. Raises ValueError, and ParseError for what is no XML.
    """
    text = source.decode()
    if DECLARES.search(text):
        raise ValueError("declarations are not allowed")
    # Nothing is left of what defusedxml refuses, and that parses in Python.
    return fromstring(text)  # noqa: S314  # nosec B314


def text_element(name: str, text: str) -> str:
    """<name><![CDATA[text]]></name>; what XML cannot hold is left out, and the text cannot end its section."""
    valid = text if text.isprintable() else INVALID.sub("", text)
    if "]]>" in valid:
        valid = valid.replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{valid}]]></{name}>"


def element(name: str, *children: str) -> str:
    """<name>…</name> around children that are XML already."""
    return f"<{name}>{''.join(children)}</{name}>"
