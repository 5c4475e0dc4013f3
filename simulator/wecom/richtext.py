"""Text, markdown and text-card descriptions as safe HTML: everything is escaped, then the few allowed marks return."""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

OpenLink = Callable[[str], str]

_LINK = re.compile(r"&lt;a href=(?:&#34;|&#39;)(https?://.*?)(?:&#34;|&#39;)[^&]*?&gt;(.*?)&lt;/a&gt;", re.DOTALL)
_MARKDOWN_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")
_BLOCK = re.compile(r"&lt;div class=&#34;(gray|normal|highlight)&#34;&gt;(.*?)&lt;/div&gt;", re.DOTALL)
_COLOUR = re.compile(r"&lt;font color=&#34;(info|comment|warning)&#34;&gt;(.*?)&lt;/font&gt;", re.DOTALL)


def text(content: str, inside: OpenLink) -> Markup:
    """A text message: line breaks and links."""
    return Markup(_links(str(escape(content)), inside).replace("\n", "<br>"))  # noqa: S704 - escaped above


def description(content: str) -> Markup:
    """The description of a text card: `<br>` and three kinds of `<div>`."""
    escaped = _BLOCK.sub(r'<span class="tc-\1">\2</span><br>', str(escape(content)))
    return Markup(re.sub(r"&lt;br\s*/?&gt;|\n", "<br>", escaped))  # noqa: S704 - escaped above


def markdown(content: str, inside: OpenLink) -> Markup:
    """WeCom's subset: headings, bold, links, code, quotes, three colours."""
    lines = [_markdown_line(str(escape(line)), inside) for line in content.split("\n")]
    return Markup("".join(lines))  # noqa: S704 - escaped line by line


def _markdown_line(line: str, inside: OpenLink) -> str:
    line = re.sub(r"`([^`]+)`", r"<code>\1</code>", line)
    line = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", line)
    line = _COLOUR.sub(r'<span class="md-\1">\2</span>', line)
    line = _MARKDOWN_LINK.sub(lambda found: _anchor(found[2], found[1], inside), line)
    if heading := re.match(r"(#{1,6})\s+(.*)", line):
        return f'<strong class="md-heading">{heading[2]}</strong>'
    if line.startswith("&gt;"):
        return f'<span class="md-quote">{line[4:].strip()}</span>'
    return f'<span class="md-line">{line or "&nbsp;"}</span>'


def _links(escaped: str, inside: OpenLink) -> str:
    return _LINK.sub(lambda found: _anchor(found[1], found[2], inside), escaped)


def _anchor(url: str, label: str, inside: OpenLink) -> str:
    """A link that opens inside the client; url comes escaped."""
    target = escape(inside(Markup(url).unescape()))  # noqa: S704 - unescaped only to be quoted again
    return f'<a href="{target}" target="_blank" rel="noopener">{label}</a>'
