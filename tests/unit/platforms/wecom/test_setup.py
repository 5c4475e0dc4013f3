"""The wizard's data: the documented steps in their order, and fields that recognise what was pasted."""

from __future__ import annotations

import pytest

from platforms.wecom.setup import SELF_BUILT

DOCUMENTED = [
    "create_app",
    "app_profile",
    "deployment",
    "corp_id",
    "agent_id",
    "secret",
    "trusted_domain",
    "callback_keys",
    "callback_url",
]

RIGHT = {
    "is_private": ["", "1"],
    "endpoint": ["https://wwlocal.example.com:8443", "https://10.1.2.3", "http://localhost:9000"],
    "corp_id": ["ww1234567890abcdef", "wx5823bf96d3bd56c7", "ww4asffe99e54c0fxx"],
    "agent_id": ["1000002", "218"],
    "secret": ["aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789_-aBcDe", "A" * 43],
    "trusted_domain": ["oncall.example.com", "localhost:8000", "a-b.example.com:8443"],
    "ownership_file_name": ["WW_verify_AbCdEfGh01234567.txt", ""],
    "ownership_file_content": ["AbCdEfGh01234567", ""],
    "token": ["QDG6eK", "oncallCallbackToken2024", "A" * 32],
    "encoding_aes_key": ["jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"],
}


def field(name: str):
    return next(f for f in SELF_BUILT.fields if f.name == name)


def test_the_documented_steps_come_first_and_in_their_order():
    keys = [step.key for step in SELF_BUILT.steps]
    assert keys[:9] == DOCUMENTED
    assert keys[9:] == ["trusted_ip", "home_page", "try_it"]


def test_every_field_has_an_example_here():
    assert {f.name for f in SELF_BUILT.fields} == RIGHT.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RIGHT.items() for value in values])
def test_a_right_value_is_accepted(name, value):
    assert field(name).problems(value) == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("corp_id", "1000002", "AgentId"),
        ("corp_id", "A" * 43, "Secret"),
        ("corp_id", "ww123", "18 位"),
        ("agent_id", "ww1234567890abcdef", "企业 ID"),
        ("agent_id", "-" + "A" * 42, "Secret"),
        ("agent_id", "10 000", "一串数字"),
        ("secret", "ww1234567890abcdef", "企业 ID"),
        ("secret", "1000002", "AgentId"),
        ("secret", "oncallCallbackToken2024", "Token"),
        ("trusted_domain", "https://oncall.example.com", "网址"),
        ("trusted_domain", "203.0.113.7", "IP"),
        ("trusted_domain", "oncall.example.com/path", "只填写域名"),
        ("trusted_domain", "*.example.com", "只填写域名"),
        ("token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "EncodingAESKey"),
        ("token", "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789_-aBcDe", "Secret"),
        ("token", "ww1234567890abcdef", "企业 ID"),
        ("encoding_aes_key", "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789_-aBcDe", "Secret"),
        ("encoding_aes_key", "QDG6eKQDG6eK", "Token"),
        ("encoding_aes_key", "A" * 42, "43"),
        ("encoding_aes_key", "A" * 44, "43"),
        ("endpoint", "https://wwlocal.example.com/cgi-bin", "路径"),
        ("endpoint", "wwlocal.example.com", "https://"),
        ("ownership_file_name", "verify.txt", "WW_verify_"),
        ("ownership_file_content", "WW_verify_AbCdEfGh01234567.txt", "文件名"),
    ],
)
def test_a_wrong_value_is_explained(name, value, says):
    assert says in " ".join(field(name).problems(value))


@pytest.mark.parametrize("field", SELF_BUILT.fields, ids=lambda f: f.name)
def test_a_trailing_newline_does_not_slip_through(field):
    for value in RIGHT[field.name]:
        if value and field.pattern:
            assert field.problems(value + "\nx")


def test_the_endpoint_is_asked_of_private_deployments_only():
    assert "endpoint" not in {f.name for f in SELF_BUILT.fields_for({})}
    assert "endpoint" in {f.name for f in SELF_BUILT.fields_for({"is_private": True})}
    assert "endpoint" not in {c.name for c in SELF_BUILT.checks_for({})}
    assert "endpoint" in {c.name for c in SELF_BUILT.checks_for({"is_private": True})}


def test_active_checks_are_those_that_the_platform_can_try():
    from platforms.wecom.checks import CHECKS

    assert {check.name for check in SELF_BUILT.checks if check.active} == CHECKS.keys()
