"""The front-end's own checks: they find what they are for, and the repository passes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import check_templates, vendor

ROOT = Path(__file__).resolve().parents[2]
STYLES = ROOT / "static" / "css"
COLOUR = r"(?:#[0-9a-f]{3,8}|rgb\([^)]*\))"
SHADOW = rf"[\d px]*{COLOUR}"


def test_vendored_files_are_the_ones_recorded():
    assert vendor.check() == []


def test_the_product_s_templates_have_nothing_to_complain_about(capsys):
    answer = check_templates.main([str(ROOT / "templates"), str(ROOT / "static" / "js")])
    assert answer == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("markup", "complaint"),
    [
        ('<button onclick="go()">x</button>', "onclick"),
        ('<p style="color: red">x</p>', "style attribute"),
        ("<script>go()</script>", "<script> with content"),
        ('<a href="javascript:go()">x</a>', "javascript:"),
        ('<form hx-post="/x" hx-disabled-elt="find button"></form>', "hx-disable"),
        ('<div hx-disable><a hx-get="/x">x</a></div>', "hx-ignore"),
        ('<div hx-target="#x"><a hx-get="/x">x</a></div>', "hx-target:inherited"),
        ('<section hx-swap="outerHTML">{{ post_button("x", "/x") }}</section>', "hx-swap:inherited"),
        ('<a hx-get="/x" hx-trigger="click[ctrlKey]">x</a>', "eval"),
        ('<a hx-get="/x" hx-on:click="go()">x</a>', "eval"),
        ('<a hx-get="/x" hx-trigger="htmx:afterSwap from:body">x</a>', "htmx:after:swap"),
        ('{{ icon("no-such-icon") }}', "icons.txt"),
    ],
)
def test_a_mistake_in_a_template_is_found(tmp_path, markup, complaint):
    page = tmp_path / "page.html"
    page.write_text(markup)
    assert any(complaint in problem.text for problem in check_templates.check(page)), list(check_templates.check(page))


@pytest.mark.parametrize(
    "markup",
    [
        '<body hx-headers:inherited=\'{"X": "{{ csrf_token() }}"}\'></body>',
        '<section hx-target:inherited="this">{{ post_button("x", "/x") }}</section>',
        '<form hx-post="/x" hx-target="#x" hx-disable="find button" {% if a < b %}hx-swap="none"{% endif %}></form>',
        '<script src="/static/js/copy.js" defer></script>',
    ],
)
def test_htmx_4_as_it_should_be_written_passes(tmp_path, markup):
    page = tmp_path / "page.html"
    page.write_text(markup)
    assert list(check_templates.check(page)) == []


def test_the_dark_is_made_of_other_values_of_colours_alone():
    """So every rule that is not about colours holds in both if it holds in one (tests/e2e/test_accessibility.py)."""
    (rule,) = re.findall(r":root \{(.*)\}\s*$", (STYLES / "tokens-dark.css").read_text(), re.DOTALL)
    values = dict(line.strip().removesuffix(";").split(": ", 1) for line in rule.splitlines() if line.strip())
    assert values.pop("color-scheme") == "dark"
    others = {name: value for name, value in values.items() if not re.fullmatch(rf"{SHADOW}(?:, {SHADOW})*", value)}
    assert values and not others
    assert [path.name for path in STYLES.glob("*.css") if "prefers-color-scheme" in path.read_text()] == []
