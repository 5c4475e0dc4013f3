"""The wizard's data: the documented steps in their order, and fields that recognise what was pasted."""

from __future__ import annotations

import pytest

from platforms.dingtalk.checks import CHECKS
from platforms.dingtalk.setup import SELF_BUILT

DOCUMENTED = [
    *("create_app", "corp_id", "credentials", "event_keys"),
    "addresses",
    *("cool_app", "robot", "web_app", "event_url", "events", "permissions"),
]
AES_KEY = "o1w0aum42yaptlz8alnhwikjd3jenzt9cb9wmzptgus"
SECRET = "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789_-aBcDeFgHiJkLmNoPqRsTuVwXyZ"
RIGHT = {
    "corp_id": ["ding0123456789abcdef0123456789abcdef", "dingcorptest0001", "ding9f50b15b1234x16741"],
    "agent_id": ["3012345678", "1234567890"],
    "client_id": ["ding1a2b3c4d5e6f7g8h", "dingoncalltest000001"],
    "client_secret": [SECRET, "A" * 64],
    "aes_key": [AES_KEY, "Abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"],
    "token": ["OnCallToken2024abcd", "123456", "A" * 32],
    "cool_app_code": ["COOLAPP-1-101AB2CD3EF4", "COOLAPP-1-TEST0001", ""],
    "robot_code": ["dingoncalltest000001", "rBLBXuiaA2rn3", ""],
    "card_template_id": ["b4fd2119-9945-4e13-9989-747da19e3bc7.schema", ""],
}


def field(name: str):
    return next(f for f in SELF_BUILT.fields if f.name == name)


def test_the_documented_steps_come_first_and_in_their_order():
    keys = [step.key for step in SELF_BUILT.steps]
    assert keys[: len(DOCUMENTED)] == DOCUMENTED
    assert keys[len(DOCUMENTED) :] == ["security", "card_template", "publish", "open_app", "install", "try_it"]


def test_every_field_has_an_example_here():
    assert {f.name for f in SELF_BUILT.fields} == RIGHT.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RIGHT.items() for value in values])
def test_a_right_value_is_accepted(name, value):
    assert field(name).problems(value) == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("corp_id", "3012345678", "AgentID"),
        ("corp_id", SECRET, "ClientSecret"),
        ("corp_id", "ww1234567890abcdef", "ding"),
        ("agent_id", "ding1a2b3c4d5e6f7g8h", "ClientID"),
        ("agent_id", "30 12", "一串数字"),
        ("client_id", "3012345678", "AgentID"),
        ("client_id", "COOLAPP-1-101AB2CD3EF4", "酷应用编码"),
        ("client_secret", "ding1a2b3c4d5e6f7g8h", "ClientID"),
        ("client_secret", AES_KEY, "aes_key"),
        ("aes_key", "A" * 42, "43"),
        ("aes_key", "A" * 44, "43"),
        ("aes_key", SECRET, "ClientSecret"),
        ("token", AES_KEY, "aes_key"),
        ("token", "ab", "3 到 32"),
        ("cool_app_code", "ding1a2b3c4d5e6f7g8h", "ClientID"),
        ("robot_code", "COOLAPP-1-101AB2CD3EF4", "酷应用编码"),
        ("card_template_id", "b4fd2119-9945-4e13-9989-747da19e3bc7", ".schema"),
    ],
)
def test_a_wrong_value_is_explained(name, value, says):
    assert says in " ".join(field(name).problems(value))


@pytest.mark.parametrize("field", SELF_BUILT.fields, ids=lambda f: f.name)
def test_a_trailing_newline_does_not_slip_through(field):
    for value in RIGHT[field.name]:
        if value:
            assert field.problems(value + "\nx")


def test_keys_that_vanish_are_warned_about_beside_their_fields():
    step = SELF_BUILT.step("event_keys")
    assert {f.name for f in step.fields} == {"aes_key", "token"}
    assert any("消失" in caution for caution in step.cautions)


def test_everybody_must_see_the_application():
    assert any("全部员工" in line for line in SELF_BUILT.step("publish").instructions)


def test_the_guides_values_are_offered_to_copy():
    offered = {value.name for step in SELF_BUILT.steps for value in step.values}
    assert offered == {"home_url", "pc_home_url", "group_url", "egress_ips", "event_url", "redirect_url"}


def test_without_a_template_nobody_waits_for_buttons():
    assert {"card", "press"}.isdisjoint(check.name for check in SELF_BUILT.checks_for({}))
    assert {"card", "press"} < {check.name for check in SELF_BUILT.checks_for({"card_template_id": "x.schema"})}


def test_active_checks_are_those_that_the_platform_can_try():
    assert {check.name for check in SELF_BUILT.checks if check.active} == CHECKS.keys()
