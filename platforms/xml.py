"""Writing XML for platforms that want CDATA, which the standard library's writer cannot produce."""

from __future__ import annotations

import re

INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text_element(name: str, text: str) -> str:
    """<name><![CDATA[text]]></name>; what XML cannot hold is left out, and the text cannot end its section."""
    valid = text if text.isprintable() else INVALID.sub("", text)
    if "]]>" in valid:
        valid = valid.replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{valid}]]></{name}>"


def element(name: str, *children: str) -> str:
    """<name>…</name> around children that are XML already."""
    return f"<{name}>{''.join(children)}</{name}>"
