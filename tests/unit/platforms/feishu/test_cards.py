"""A card as Feishu draws it: text stays text, everything fits, and buttons bring back what we need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.base import CardButton, Fact
from platforms.errors import ContentRefused
from platforms.feishu import cards
from tests.contract.conftest import make_card

REQUEST_BYTES = 30 * 1024
EVERYTHING = "".join(chr(code) for code in range(32, 127))


def walked(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of a card."""
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from walked(inner)
    if isinstance(part, list):
        for inner in part:
            yield from walked(inner)


def tagged(drawn: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return [part for part in walked(drawn) if part.get("tag") == tag]


def markdown(drawn: dict[str, Any]) -> str:
    return "\n".join(part["content"] for part in tagged(drawn, "markdown"))


def octets(drawn: dict[str, Any]) -> int:
    """What the request takes that sends it."""
    request = {
        "receive_id": "ou_" + "x" * 64,
        "msg_type": "interactive",
        "content": cards.as_content(drawn),
        "uuid": "u" * 50,
    }
    return len(json.dumps(request, ensure_ascii=False).encode())


def test_a_card_says_it_is_shared_and_of_the_present_schema():
    drawn = cards.as_json(make_card())
    assert drawn["schema"] == "2.0"
    assert drawn["config"]["update_multi"] is True
    assert drawn["config"]["summary"] == {"content": "[严重] db-03 / disk.used>95%"}
    assert drawn["card_link"] == {"url": "https://oncall.example.com/h5/wecom/k/incidents/1024"}


def test_the_header_shows_title_source_and_state():
    header = cards.as_json(make_card())["header"]
    assert header["template"] == "red"
    assert header["title"] == {"tag": "plain_text", "content": "[严重] db-03 / disk.used>95%"}
    assert header["subtitle"]["content"] == "值班铃 · 支付核心"
    assert [label["text"]["content"] for label in header["text_tag_list"]] == ["#1024", "待处理"]
    first = cards.as_json(make_card())["body"]["elements"][0]
    assert first["text"]["content"] == "09:31 触发 · 持续 5 分钟"


@pytest.mark.parametrize(
    ("tone", "colour"),
    [("critical", "red"), ("warning", "orange"), ("info", "yellow"), ("ok", "green"), ("muted", "grey"), ("?", "blue")],
)
def test_the_colour_is_the_tones(tone, colour):
    assert cards.as_json(make_card(tone=tone))["header"]["template"] == colour


def test_facts_stand_side_by_side_and_the_custom_area_below():
    drawn = cards.as_json(make_card())
    assert "**协作空间**\n支付核心" in markdown(drawn)
    assert "磁盘使用率 96.4%\n实例 db&#45;03" in markdown(drawn)


def test_buttons_bring_back_their_key_and_the_card():
    drawn = cards.as_json(make_card())
    buttons = tagged(drawn, "button")
    assert [b["type"] for b in buttons] == ["primary_filled", "danger", "default", "default"]
    value = {"key": "acknowledge", "reference": "inc-1024_d-7"}
    assert buttons[0]["behaviors"] == [{"type": "callback", "value": value}]
    (menu,) = tagged(drawn, "overflow")
    assert [option["value"] for option in menu["options"]] == ["snooze:240", "snooze:1440"]
    assert menu["behaviors"] == [{"type": "callback", "value": {"reference": "inc-1024_d-7"}}]


def test_a_closed_card_has_no_buttons_and_a_last_line():
    drawn = cards.as_json(make_card(buttons=(), menu=(), footer="张三 已于 09:40 关闭"))
    assert not tagged(drawn, "button")
    assert drawn["body"]["elements"][-1]["text"]["content"] == "张三 已于 09:40 关闭"


@pytest.mark.parametrize(
    "text", ["<at id=all></at>", "[x](https://evil.example)", "**b**", "`c`", ":OK:", "~~d~~", "# h"]
)
def test_what_an_alert_says_is_no_markup(text):
    card = make_card(body=(text,), facts=(Fact(text, text),), source=text, title=text, subtitle=text, footer=text)
    drawn = cards.as_json(card)
    for part in tagged(drawn, "markdown"):
        own = part["content"].replace("**", "", 2) if part["content"].startswith("**") else part["content"]
        assert not set(own) & set("<>*_~[]()`\\!:\"'$/|=")


def test_escaping_leaves_nothing_that_begins_something():
    shown = cards.escaped(EVERYTHING)
    assert not set(shown.replace("&#", "").replace(";", "")) & set("<>*_~[]()#`\\!-+:\"'$/|=&")


def test_markup_of_a_template_stays_as_it_was_written():
    drawn = cards.as_json(make_card(body=("**重要** <font color='red'>x</font>",), body_is_markup=True))
    assert "**重要** <font color='red'>x</font>" in markdown(drawn)


def test_a_long_custom_area_is_cut_and_says_so():
    card = make_card(body=tuple(f"第 {number} 行" for number in range(50)))
    assert len(cards.body_lines(card)) == cards.BODY_LINES
    assert cards.truncated_lines(card) == 50 - cards.BODY_LINES
    long = make_card(body=("字" * 400, "短"))
    assert cards.body_lines(long)[0].endswith("…")
    assert cards.truncated_lines(long) == 1


@pytest.mark.parametrize("piece", ["字", "<", "\\", '"', "👨‍👩‍👧", "&"])
@pytest.mark.parametrize("is_markup", [False, True])
def test_the_largest_card_fits_into_a_request(piece, is_markup):
    text = piece * 3000
    buttons = tuple(CardButton(f"{n}" + "k" * 126, text) for n in range(9))
    card = make_card(
        title=text,
        source=text,
        subtitle=" · ".join([text] * 6),
        elapsed=text,
        footer=text,
        facts=tuple(Fact(text, text) for _ in range(20)),
        body=tuple(text for _ in range(50)),
        body_is_markup=is_markup,
        reference="r" * 128,
        buttons=buttons[:6],
        menu=tuple(CardButton(f"m{n}" + "k" * 125, text) for n in range(9)),
    )
    assert octets(cards.as_json(card)) <= REQUEST_BYTES


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=500), max_size=40), st.text(max_size=300), st.booleans())
def test_any_text_makes_a_card(body, title, is_markup):
    card = make_card(body=tuple(body), title=title, footer=title, body_is_markup=is_markup)
    drawn = cards.as_json(card)
    assert octets(drawn) <= REQUEST_BYTES
    assert all(part["content"] for part in (*tagged(drawn, "markdown"), *tagged(drawn, "plain_text")))
    assert 0 <= cards.truncated_lines(card) <= sum(len(part.splitlines()) or 1 for part in body)


def test_a_link_that_feishu_would_refuse_is_left_out():
    for url in ("", "javascript:alert(1)", "https://例.example/", "https://x.example/" + "a" * 3000):
        assert "card_link" not in cards.as_json(make_card(url=url))


def test_a_card_that_could_not_be_understood_again_is_not_drawn():
    twice = (CardButton("k", "a"), CardButton("k", "b"))
    for odd in (twice, (CardButton("", "a"),), (CardButton("k" * 200, "a"),)):
        with pytest.raises(ContentRefused):
            cards.as_json(make_card(buttons=odd))
