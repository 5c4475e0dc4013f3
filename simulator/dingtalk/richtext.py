"""DingTalk's Markdown as safe HTML: everything is escaped, then the known marks return.

https://open.dingtalk.com/document/development/robot-message-type
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

OpenLink = Callable[[str], str]

FIRST_KEPT = 0xE000  # private use: stands for a character after a backslash, which is no mark

_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~>])")
_MARKS = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)"), r"<em>\1</em>"),
)
_LINK = re.compile(r"!?\[([^\]]*)\]\(((?:https?|dingtalk)://[^)\s]+)\)")


def markdown(content: str, inside: OpenLink) -> Markup:
    """Line by line; inside: the link that opens an address within the client."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[1])
        return chr(FIRST_KEPT + len(kept) - 1)

    lines = str(escape(_ESCAPED.sub(keep, content))).split("\n")
    shown = "".join(_line(line.strip(), inside, kept) for line in lines)
    return Markup(_restored(shown, [str(escape(each)) for each in kept]))  # noqa: S704 - escaped above


def text(content: str) -> Markup:
    return Markup(str(escape(content)).replace("\n", "<br>"))  # noqa: S704 - escaped


def _line(line: str, inside: OpenLink, kept: list[str]) -> str:
    line = _LINK.sub(lambda found: _anchor(_restored(found[2], kept), found[1], inside), line)
    for pattern, mark in _MARKS:
        line = pattern.sub(mark, line)
    if heading := re.match(r"(#{1,6})\s+(.*)", line):
        return f'<strong class="md-heading">{heading[2]}</strong>'
    if line.startswith("&gt;"):
        return f'<span class="md-quote">{line[4:].strip()}</span>'
    if item := re.match(r"(?:[-*+]|(\d+)\.)\s+(.*)", line):
        return f'<span class="md-line">{f"{item[1]}." if item[1] else "•"} {item[2]}</span>'
    return f'<span class="md-line">{line}</span>' if line else ""


def _anchor(url: str, label: str, inside: OpenLink) -> str:
    """A link that opens inside the client; url comes escaped."""
    target = escape(inside(Markup(url).unescape()))  # noqa: S704 - unescaped only to be quoted again
    return f'<a href="{target}" target="_blank" rel="noopener">{label}</a>'


def _restored(line: str, kept: list[str]) -> str:
    for number, letter in enumerate(kept):
        line = line.replace(chr(FIRST_KEPT + number), letter)
    return line
