"""Check templates and our own scripts for what the browser or htmx 4 would silently ignore or refuse.

    python scripts/check_templates.py [folder or file ...]     default: templates simulator/templates static/js

Refused: inline scripts, styles and handlers (the content security policy blocks them); htmx 2 words that htmx 4
dropped or gave another meaning; htmx attributes on a parent that need `:inherited`; icons that are not drawn.
The htmx rules follow the upgrade notes in its own package.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_TARGETS = ("templates", "simulator/templates", "static/js")

REMOVED_ATTRIBUTES = {
    "hx-vars": "use hx-vals",
    "hx-params": "filter in the view",
    "hx-prompt": "needs an extension that we do not load",
    "hx-ext": "extensions are scripts; we load none",
    "hx-disinherit": "inheritance is explicit: drop it",
    "hx-inherit": "write :inherited on the attribute",
    "hx-request": "use hx-config",
    "hx-history": "drop it",
    "hx-disabled-elt": "now called hx-disable",
    "hx-on": "handlers in attributes need eval: listen in static/js/",
}
INHERITABLE = {
    "hx-boost",
    "hx-confirm",
    "hx-encoding",
    "hx-headers",
    "hx-include",
    "hx-indicator",
    "hx-push-url",
    "hx-replace-url",
    "hx-select",
    "hx-select-oob",
    "hx-swap",
    "hx-sync",
    "hx-target",
    "hx-vals",
}
REQUESTS = {"hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete", "hx-query", "hx-action"}
OLD_EVENT = re.compile(r"htmx:[a-z]+[A-Z]\w*")
OLD_SCROLL = re.compile(r"\b(show|scroll):[^:\s]+:(top|bottom)")
EVALUATED = re.compile(r"^\s*(js|javascript):", re.IGNORECASE)
OLD_API = re.compile(
    r"\bhtmx\.(addClass|removeClass|toggleClass|takeClass|closest|remove|off|location|defineExtension|logAll)\("
)
EVAL_API = re.compile(r"\beval\(|\bnew Function\(|\.innerHTML\s*=|\bdocument\.write\(")
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
ICON_CALL = re.compile(r"""\b(?:icon|draw)\(\s*["']([\w-]+)["']""")
ICON_NAME = re.compile(r"""^\s+"([\w-]+)":""", re.MULTILINE)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Problem(NamedTuple):
    line: int
    text: str


class Element:
    def __init__(self, tag: str, attributes: dict[str, str], line: int, parent: Element | None) -> None:
        self.tag, self.attributes, self.line, self.parent = tag, attributes, line, parent
        self.children: list[Element] = []

    def descendants(self) -> Iterator[Element]:
        for child in self.children:
            yield child
            yield from child.descendants()

    def makes_requests(self) -> bool:
        return bool(REQUESTS & self.attributes.keys())


class Tree(HTMLParser):
    """Read a template, its Jinja already blanked, as a tree with line numbers. Unclosed tags are forgiven."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.current = Element("", {}, 0, None)
        self.script_text: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = self._add(tag, attrs)
        if tag not in VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        element: Element | None = self.current
        while element and element.tag != tag:
            element = element.parent
        if element and element.parent:
            self.current = element.parent

    def handle_data(self, data: str) -> None:
        if self.current.tag in ("script", "style") and data.strip():
            self.script_text.append((self.getpos()[0], self.current.tag))

    def _add(self, tag: str, attrs: list[tuple[str, str | None]]) -> Element:
        names = {name: value or "" for name, value in attrs}
        element = Element(tag, names, self.getpos()[0], self.current)
        self.current.children.append(element)
        return element


def main(arguments: list[str]) -> int:
    targets = [Path(name) for name in arguments] or [ROOT / name for name in DEFAULT_TARGETS]
    found = 0
    for path in files_of(targets):
        for problem in sorted(set(check(path))):
            found += 1
            shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(f"{shown}:{problem.line}: {problem.text}")
    print(f"templates: {found} problem(s)." if found else "templates: nothing to complain about.")
    return 1 if found else 0


def files_of(targets: list[Path]) -> Iterator[Path]:
    for target in targets:
        if target.is_file():
            yield target
        elif target.is_dir():
            yield from sorted(p for p in target.rglob("*") if p.suffix in {".html", ".js"} and "vendor" not in p.parts)


def check(path: Path) -> Iterator[Problem]:
    source = path.read_text()
    if path.suffix == ".js":
        yield from check_script(source)
        return
    yield from check_icons(source)
    tree = Tree()
    tree.feed(JINJA.sub(blank, source))
    for line, tag in tree.script_text:
        yield Problem(line, f"<{tag}> with content: the security policy refuses it; use a file under static/")
    for element in tree.root.descendants():
        yield from check_element(element)
        yield from check_inheritance(element)


def blank(match: re.Match[str]) -> str:
    """Take Jinja out and keep the line count; a value leaves a letter behind, so that attributes keep one."""
    lines = "\n" * match.group().count("\n")
    return ("x" if match.group().startswith("{{") else "") + lines


def check_element(element: Element) -> Iterator[Problem]:
    if element.tag == "style":
        yield Problem(element.line, "<style>: the security policy refuses it; use a style sheet under static/css/")
    for name, value in element.attributes.items():
        plain = name.removeprefix("data-")
        if name == "style":
            yield Problem(element.line, "style attribute: the security policy refuses it; use a class")
        if re.fullmatch(r"on[a-z]+", name):
            yield Problem(element.line, f"{name}: the security policy refuses handlers; listen in static/js/")
        if re.match(r"\s*javascript:", value, re.IGNORECASE):
            yield Problem(element.line, f"{name}: javascript: addresses do not run")
        base = "hx-on" if plain.startswith("hx-on") else plain
        if base in REMOVED_ATTRIBUTES:
            yield Problem(element.line, f"{name} is not htmx 4: {REMOVED_ATTRIBUTES[base]}")
        if plain.startswith("hx-"):
            yield from check_htmx_value(element, plain, value)


def check_htmx_value(element: Element, name: str, value: str) -> Iterator[Problem]:
    if OLD_EVENT.search(value):
        yield Problem(element.line, f"{name}: event names are written htmx:after:swap in htmx 4")
    if name.startswith("hx-disable") and value in ("", "true"):
        yield Problem(
            element.line, "hx-disable names what to disable during a request; to switch htmx off use hx-ignore"
        )
    if name.startswith("hx-trigger") and "[" in value:
        yield Problem(element.line, "hx-trigger: a [filter] needs eval, which the security policy refuses")
    if EVALUATED.match(value):
        yield Problem(element.line, f"{name}: js: needs eval, which the security policy refuses")
    if name.startswith("hx-swap") and OLD_SCROLL.search(value):
        yield Problem(element.line, f"{name}: write show:top showTarget:#id")


def check_inheritance(element: Element) -> Iterator[Problem]:
    """An attribute of a parent reaches its children in htmx 4 only when it says so."""
    if element.makes_requests():
        return
    for name in element.attributes.keys() & INHERITABLE:
        if name in {"hx-headers", "hx-boost"} or any(child.makes_requests() for child in element.descendants()):
            yield Problem(element.line, f"{name} does not reach the elements inside: write {name}:inherited")
        else:
            yield Problem(element.line, f"{name} has no request on its element: move it, or write {name}:inherited")


def check_script(source: str) -> Iterator[Problem]:
    for number, line in enumerate(source.splitlines(), 1):
        if OLD_EVENT.search(line):
            yield Problem(number, "event names are written htmx:after:swap in htmx 4")
        if OLD_API.search(line):
            yield Problem(number, "this htmx function is gone in htmx 4")
        if EVAL_API.search(line):
            yield Problem(number, "text must not become code or markup here")


def check_icons(source: str) -> Iterator[Problem]:
    drawn = set(ICON_NAME.findall((ROOT / "templates" / "components" / "icons.html").read_text()))
    for match in ICON_CALL.finditer(source):
        if match.group(1) not in drawn:
            yield Problem(
                source.count("\n", 0, match.start()) + 1,
                f"icon {match.group(1)!r}: add it to scripts/frontend/icons.txt",
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
