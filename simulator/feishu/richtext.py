"""Feishu's Markdown and its tags as safe HTML: everything is escaped, then the known marks return.

https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/rich-text
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping

from markupsafe import Markup, escape

OpenLink = Callable[[str], str]

FIRST_KEPT = 0xE000  # private use: stands for a character written as an entity, which is never markup
COLOURS = {"red", "green", "grey", "blue", "orange", "purple", "yellow", "turquoise", "carmine", "violet", "indigo"}

_ENTITY = re.compile(r"&(?:#(\d{1,6})|#x([0-9a-fA-F]{1,5})|(lt|gt|amp|quot|apos|nbsp));")
_MENTION = re.compile(
    r"&lt;at\s+(?:id|ids|email|user_id)=(?:&#34;|&#39;)?([^\s&]+?)(?:&#34;|&#39;)?\s*&gt;(.*?)&lt;/at&gt;"
)
_FONT = re.compile(r"&lt;font color=(?:&#34;|&#39;)?([a-z-]+)(?:&#34;|&#39;)?\s*&gt;(.*?)&lt;/font&gt;", re.DOTALL)
_TAG = re.compile(
    r"&lt;text_tag color=(?:&#34;|&#39;)?([a-z-]+)(?:&#34;|&#39;)?\s*&gt;(.*?)&lt;/text_tag&gt;", re.DOTALL
)
_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")
_STYLES = (
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"~~(.+?)~~"), r"<del>\1</del>"),
    (re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)"), r"<em>\1</em>"),
    (re.compile(r"&lt;br\s*/?&gt;"), "<br>"),
)


def markdown(content: str, names: Mapping[str, str], inside: OpenLink) -> Markup:
    """The markup of a card, line by line. names: who a mentioned id is; inside: an address within the client."""
    kept, text = _keep_entities(content)
    lines = [_line(line, names, inside) for line in str(escape(text)).split("\n")]
    return Markup(_restore("".join(lines), kept))  # noqa: S704 - escaped above


def text(content: str, names: Mapping[str, str], inside: OpenLink) -> Markup:
    """A text message: line breaks, mentions and links."""
    line = _inline(str(escape(content)), names, inside, styles=())
    return Markup(line.replace("\n", "<br>"))  # noqa: S704 - escaped above


def _line(line: str, names: Mapping[str, str], inside: OpenLink) -> str:
    if line.strip() in ("---", "***", "&lt;hr&gt;"):
        return "<hr>"
    shown = _inline(line, names, inside, styles=_STYLES)
    if heading := re.match(r"(#{1,6})\s+(.*)", shown):
        return f'<strong class="md-heading">{heading[2]}</strong>'
    if shown.startswith("&gt; "):
        return f'<span class="md-quote">{shown[5:]}</span>'
    if item := re.match(r"\s*(?:[-*+]|(\d+)\.)\s+(.*)", shown):
        return f'<span class="md-item">{f"{item[1]}." if item[1] else "•"} {item[2]}</span>'
    return f'<span class="md-line">{shown or "&nbsp;"}</span>'


def _inline(
    line: str, names: Mapping[str, str], inside: OpenLink, styles: tuple[tuple[re.Pattern[str], str], ...]
) -> str:
    line = _MENTION.sub(lambda found: _mention(found[1], found[2], names), line)
    line = _LINK.sub(lambda found: _anchor(found[2], found[1], inside), line)
    for pattern, replacement in styles:
        line = pattern.sub(replacement, line)
    line = _FONT.sub(lambda found: f'<span class="fs-{_colour(found[1])}">{found[2]}</span>', line)
    return _TAG.sub(lambda found: f'<span class="fs-tag fs-bg-{_colour(found[1])}">{found[2]}</span>', line)


def _mention(given: str, label: str, names: Mapping[str, str]) -> str:
    who = "所有人" if given == "all" else names.get(given, label or given)
    return f'<span class="fs-at">@{escape(who)}</span>'


def _colour(name: str) -> str:
    return name if name in COLOURS else "grey"


def _anchor(url: str, label: str, inside: OpenLink) -> str:
    """A link that opens inside the client; url comes escaped."""
    target = escape(inside(html.unescape(url)))
    return f'<a href="{target}" target="_blank" rel="noopener">{label}</a>'


def _keep_entities(content: str) -> tuple[list[str], str]:
    """Characters written as entities, and the text with a stand-in for each."""
    kept: list[str] = []

    def stand_in(found: re.Match[str]) -> str:
        kept.append(html.unescape(found[0]))
        return chr(FIRST_KEPT + len(kept) - 1)

    cleared = "".join(c for c in content if not FIRST_KEPT <= ord(c) <= 0xF8FF)
    return kept, _ENTITY.sub(stand_in, cleared)


def _restore(shown: str, kept: list[str]) -> str:
    return re.sub(
        "[\ue000-\uf8ff]",
        lambda found: str(escape(kept[ord(found[0]) - FIRST_KEPT])) if ord(found[0]) - FIRST_KEPT < len(kept) else "",
        shown,
    )
