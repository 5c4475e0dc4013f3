"""What is refused of a card, and how its markup is drawn."""

import copy
from typing import Any

import pytest

from simulator.feishu import cards, richtext
from simulator.feishu.errors import CardRefused
from tests.simulator.feishu.conftest import CARD, OLD_CARD, button, column, text


def with_elements(*elements):
    return {"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": list(elements)}}


def refused(card):
    """(sub-code, path) of the refusal, None for a card that passes; "ou_lin" may be mentioned."""
    try:
        cards.check(card, lambda given: given == "ou_lin")
    except CardRefused as refusal:
        return refusal.code
    return None


def form(*elements):
    return {"tag": "form", "name": "f", "elements": list(elements)}


SUBMIT = button("comment", "提交", form_action_type="submit", name="submit")
NESTED: dict[str, Any] = {"tag": "markdown", "content": "x"}
for _ in range(6):
    NESTED = {"tag": "collapsible_panel", "elements": [NESTED]}


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (CARD, None),
        (OLD_CARD, None),
        ({}, None),
        ("x", 200621),
        ({"schema": "3.0"}, 200621),
        (CARD | {"elements": []}, 200621),
        (OLD_CARD | {"surprise": 1}, None),
        (CARD | {"config": {"update_multi": False}}, 200621),
        (CARD | {"header": {"template": "pink", "title": text("x")}}, 200621),
        (CARD | {"header": {"template": "red"}}, 200621),
        (CARD | {"card_link": {"url": "https://a.example/中文"}}, 200621),
        (CARD | {"card_link": {"url": "javascript:alert(1)"}}, 200621),
        (with_elements({"tag": "note", "elements": []}), 200861),
        (with_elements({"tag": "action", "actions": []}), 200861),
        (with_elements({"tag": "blink"}), 200621),
        (with_elements({"tag": "markdown", "content": "x", "colour": "red"}), 200621),
        (with_elements({"tag": "markdown", "content": "<at id=ou_lin></at> <at id=all></at>"}), None),
        (with_elements({"tag": "markdown", "content": "<at id=ou_other></at>"}), 100290),
        (with_elements({"tag": "div", "text": text("<at id=ou_other></at>")}), None),
        (with_elements(*[{"tag": "hr"}] * 200), None),
        (with_elements(*[{"tag": "hr"}] * 201), 11310),
        (with_elements(*[{"tag": "table", "columns": [], "rows": []}] * 6), 11310),
        (with_elements(NESTED), 11310),
        (with_elements({"tag": "img", "img_key": "http://x"}), 200570),
        (with_elements({"tag": "img", "img_key": "img_v2_041b28e3"}), None),
        (with_elements(button("a", "x" * 100)), None),
        (with_elements(button("a", "x" * 101)), 200621),
        (with_elements(button("a", "x", type="huge")), 200621),
        (with_elements(button("a", "x", confirm={"text": text("?")})), 200621),
        (with_elements(button("a", "x", value={})), 200621),
        (with_elements(button("a", "x", behaviors=[{"type": "callback", "value": "text"}])), 200621),
        (with_elements(button("a", "x", behaviors=[{"type": "open_url"}])), 200621),
        (with_elements(button("a", "x", behaviors=[{"type": "open_url", "default_url": "ftp://x"}])), 200621),
        (with_elements(button("a", "x", element_id="1a")), 200621),
        (with_elements(button("a", "x", element_id="a"), button("b", "y", element_id="a")), 200621),
        (with_elements(form(SUBMIT)), None),
        (with_elements(form(button("a", "x", name="a"))), 200621),
        (with_elements({"tag": "column_set", "columns": [column(form(SUBMIT))]}), 200621),
        (with_elements(form(SUBMIT, {"tag": "input", "name": "submit"})), 200621),
        (with_elements(form(SUBMIT, {"tag": "input", "name": "c", "max_length": 1001})), 200621),
        (with_elements({"tag": "select_static", "options": [{"text": text("a"), "value": "1"}] * 2}), 200621),
    ],
)
def test_what_a_card_may_not_be(card, code):
    assert refused(copy.deepcopy(card)) == code


def test_a_refused_card_names_its_place(lab):
    answer = lab.send(with_elements({"tag": "note", "elements": []}))
    assert answer["code"] == 230099
    assert "ErrCode: 200861; ErrPath: ROOT -> body -> elements -> [0](tag: note)" in answer["msg"]
    assert "ErrorValue: unsupported tag note" in answer["msg"]
    assert lab.seen_by() == []


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("**a** *b* ~~c~~ `d`", "<strong>a</strong> <em>b</em> <del>c</del> <code>d</code>"),
        ("&#42;&#42;a&#42;&#42; &#60;at id=all&#62;", "**a** &lt;at id=all&gt;"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("<at id=ou_lin></at>", '<span class="fs-at">@林芳</span>'),
        ("<at id=all></at>", '<span class="fs-at">@所有人</span>'),
        ("<at id=ou_other></at>", '<span class="fs-at">@ou_other</span>'),
        ('<at user_id="ou_lin">林</at>', '<span class="fs-at">@林芳</span>'),
        (
            "[a](https://x.example/?a=1&b=2)",
            '<a href="in:https://x.example/?a=1&amp;b=2" target="_blank" rel="noopener">a</a>',
        ),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("<font color='red'>a</font>", '<span class="fs-red">a</span>'),
        ("<font color=evil>a</font>", '<span class="fs-grey">a</span>'),
        ("<text_tag color='green'>P1</text_tag>", '<span class="fs-tag fs-bg-green">P1</span>'),
        ("\ue000", "&nbsp;"),
    ],
)
def test_markup_is_escaped_and_then_drawn(content, shown):
    html = str(richtext.markdown(content, {"ou_lin": "林芳"}, lambda url: f"in:{url}"))
    assert html == f'<span class="md-line">{shown}</span>'


def test_lines_become_lists_headings_and_rules():
    html = str(richtext.markdown("# T\n- a\n1. b\n---\n> q", {}, str))
    assert html == (
        '<strong class="md-heading">T</strong><span class="md-item">• a</span><span class="md-item">1. b</span>'
        '<hr><span class="md-quote">q</span>'
    )
