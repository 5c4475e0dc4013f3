"""A card within WeCom's limits, whatever the alert said."""

from __future__ import annotations

import json

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.base import CardButton, Fact, IncidentCard
from platforms.errors import ContentRefused
from platforms.shortening import width
from platforms.wecom import cards
from tests.contract.conftest import make_card


def drawn(**changes: object) -> dict:
    return cards.as_json(make_card(**changes))


def test_a_card_has_the_documented_parts():
    card = drawn(footer="林值班 已于 09:31 开始处理")
    assert card["card_type"] == "button_interaction"
    assert card["source"] == {"desc": "值班铃 · 支付核心", "desc_color": 2}
    assert card["main_title"] == {
        "title": "[严重] db-03 / disk.used>95%",
        "desc": "#1024 · 待处理 · 09:31 触发 · 持续 5 分钟",
    }
    assert card["horizontal_content_list"][-1] == {"keyname": "动态", "value": "林值班 已于 09:31 开始处理"}
    assert card["card_action"] == {"type": 1, "url": "https://oncall.example.com/h5/wecom/k/incidents/1024"}
    assert [b["style"] for b in card["button_list"]] == [1, 2, 4, 4]
    assert card["action_menu"]["desc"] == "更多屏蔽"


@pytest.mark.parametrize(
    ("tone", "colour"), [("critical", 2), ("warning", 1), ("info", 0), ("ok", 3), ("muted", 0), ("odd", 0)]
)
def test_the_tone_is_a_colour(tone, colour):
    assert drawn(tone=tone)["source"]["desc_color"] == colour


def test_eight_lines_are_shown_and_the_rest_counted():
    card = make_card(body=tuple(f"line {n}" for n in range(11)))
    assert cards.as_json(card)["sub_title_text"].count("\n") == 7
    assert cards.as_json(card)["sub_title_text"].endswith("\nline 7…")
    assert cards.truncated_lines(card) == 3


def test_a_long_line_is_cut_and_counted():
    card = make_card(body=("x" * 1000, "b"))
    assert cards.as_json(card)["sub_title_text"] == "x" * 159 + "…\nb"
    assert cards.truncated_lines(card) == 1


def test_lines_inside_a_part_are_lines():
    assert drawn(body=("a\nb\r\nc", "", ""))["sub_title_text"] == "a\nb\nc"
    assert "sub_title_text" not in drawn(body=("", "\n"))


def test_the_footer_takes_the_place_of_the_last_fact():
    facts = tuple(Fact(f"事{n}", str(n)) for n in range(8))
    rows = drawn(facts=facts, footer="更新于 09:32")["horizontal_content_list"]
    assert [row["value"] for row in rows] == ["0", "1", "2", "3", "4", "更新于 09:32"]
    assert len(drawn(facts=facts)["horizontal_content_list"]) == 6


def test_a_long_state_line_gives_up_the_duration_first():
    desc = drawn(subtitle="#1024 · 处理中 · 09:31 触发 · 由 policy 分派给 Lin", elapsed="持续 3 天 4 小时")[
        "main_title"
    ]["desc"]
    assert "持续" not in desc
    assert len(desc) <= 44


def test_only_a_refresh_button_is_a_card():
    card = drawn(buttons=(CardButton("refresh", "状态刷新"),), menu=())
    assert len(card["button_list"]) == 1
    assert "action_menu" not in card


def test_a_card_without_buttons_is_a_notice():
    card = drawn(buttons=(), menu=())
    assert card["card_type"] == "text_notice"
    assert card["card_action"]["type"] == 1
    with pytest.raises(ContentRefused):
        drawn(buttons=(), menu=(), url="")


def test_more_buttons_than_fit_are_left_out():
    many = tuple(CardButton(f"k{n}", f"按钮{n}") for n in range(20))
    card = drawn(buttons=many[:10], menu=many[10:])
    assert len(card["button_list"]) == 6
    assert len(card["action_menu"]["action_list"]) == 3


@pytest.mark.parametrize("reference", ["", "a b", "a" * 129, "故障", "a/b", "a\n"])
def test_a_reference_that_wecom_would_refuse_is_refused(reference):
    with pytest.raises(ContentRefused):
        drawn(reference=reference)


@pytest.mark.parametrize("key", ["", "k" * 1025, "键" * 342])
def test_a_key_that_wecom_would_refuse_is_refused(key):
    with pytest.raises(ContentRefused):
        drawn(buttons=(CardButton(key, "x"),))


def test_keys_are_unique_over_buttons_and_menu():
    with pytest.raises(ContentRefused):
        drawn(menu=(CardButton("refresh", "刷新"),))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "", "https://x/" + "a" * 2048])
def test_an_address_that_is_none_is_left_out(url):
    assert "card_action" not in drawn(url=url)


HOSTILE = [
    "@all 全部",
    "@ all",
    "@所有人 快看",
    "@Everyone",
    '<a href="https://evil.example.com">点我</a>',
    "<A HREF=x>",
    "</a>",
    "<!-- x",
    "a\x00b\x08c",
    "a\u2028b",
    "\u202eevil",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_alert_text_is_only_text(text):
    card = make_card(title=text, source=text, body=(text,), facts=(Fact(text[:5], text),), footer=text)
    shown = json.dumps(cards.as_json(card), ensure_ascii=False)
    assert "@all" not in shown.lower().replace(" ", "")
    assert "@所有人" not in shown
    assert "@everyone" not in shown.lower()
    assert "<a" not in shown.lower()
    assert "</a" not in shown.lower()
    assert "\u202e" not in shown
    assert "\\u0000" not in shown
    assert "horizontal_content_list" in shown


def test_a_mail_address_stays_readable():
    assert "lin@alliance.example.com" in json.dumps(drawn(title="lin@alliance.example.com"), ensure_ascii=False)


def test_a_cut_falls_between_characters():
    family = "👨‍👩‍👧‍👦"
    title = drawn(title=family * 20)["main_title"]["title"]
    assert len(title) <= 36
    assert title == family * (len(title) // len(family)) + "…"


def test_latin_letters_take_half_the_room_of_chinese_characters():
    facts = (Fact("Responders", "林"), Fact("处理人员名单", "林"))
    buttons = (CardButton("a", "Start processing"), CardButton("b", "现在开始处理这一个故障"))
    card = drawn(facts=facts, buttons=buttons)
    assert [row["keyname"] for row in card["horizontal_content_list"][:2]] == ["Responders", "处理人员…"]
    assert [button["text"] for button in card["button_list"]] == ["Start processing", "现在开始处理这一个…"]


texts = st.text(max_size=400)


@settings(max_examples=150, deadline=None)
@given(
    title=texts,
    body=st.lists(texts, max_size=12).map(tuple),
    facts=st.lists(st.builds(Fact, texts, texts), max_size=9).map(tuple),
    footer=texts,
    labels=st.lists(texts, min_size=1, max_size=9),
)
def test_any_text_makes_a_card_that_wecom_takes(title, body, facts, footer, labels):
    buttons = tuple(CardButton(f"k{n}", label) for n, label in enumerate(labels))
    card: IncidentCard = make_card(title=title, body=body, facts=facts, footer=footer, buttons=buttons)
    drawn = cards.as_json(card)
    json.dumps(drawn, ensure_ascii=False).encode()
    assert 1 <= len(drawn["main_title"]["title"]) <= 36
    assert drawn.get("sub_title_text", "").count("\n") <= 7
    for row in drawn.get("horizontal_content_list", []):
        assert 1 <= width(row["keyname"]) <= 2 * 5
        assert width(row["value"]) <= 2 * 30
    for button in drawn["button_list"]:
        assert 1 <= width(button["text"]) <= 2 * 10
    ElementTree.fromstring(cards.as_reply_xml(card))
