"""Every documented code is a typed error that says what to do."""

from __future__ import annotations

import pytest

from platforms.errors import PlatformError, recall, remember
from platforms.wecom.errors import ERRORS, WeComError, from_answer, seen_ip

DOCUMENTED = [
    *(-1, 6000, 40001, 40003, 60111, 46004, 40013, 2000002, 40014, 42001, 40029, 42022, 40031, 40032, 40056, 41011),
    *(40057, 85010, 85011, 40058, 40063, 40035, 40077, 42007, 40078, 40082, 42009, 40084, 48004, 40085, 40091, 40093),
    *(42012, 80001, 85005, 85008, 40102, 85111, 85004, 41001, 42014, 43012, 44004, 45002, 82004, 45009, 45033, 48001),
    *(48002, 48006, 48009, 50001, 50002, 60011, 60021, 60030, 92000, 50003, 60031, 60003, 60123, 60020, 301042, 60140),
    *(81012, 82001, 81013, 82002, 82003, 84014, 84015, 84090, *range(86001, 86009), 86101, *range(86201, 86218)),
    *(301002, 301005, 301007, 701008, 701016, 701099, 701071, 701082, 701030, 701017),
]
RETRYABLE = {-1, 6000, 45009, 45033, 40014, 42001, 40082, 42009, 40085}
FAILURES = {
    "wecom_license_missing",
    "out_of_visible_range",
    "ip_not_allowed",
    "credential_invalid",
    "permission_missing",
    "app_unauthorised",
    "integration_disabled",
    "rate_limited",
    "quota_exhausted",
    "chat_gone",
    "content_refused",
    "platform_busy",
    "network",
    "unknown",
}
KINDS = sorted(set(ERRORS.values()), key=lambda kind: kind.code)
ERRMSG = (
    "some text, hint: [1704335944429391615909812], from ip: 203.0.113.9, "
    "more info at https://open.work.weixin.qq.com/devtool/query?e=1"
)


def answer(code: int) -> PlatformError:
    return from_answer(code, ERRMSG, raw="{}", http_status=200)


@pytest.mark.parametrize("code", sorted(set(DOCUMENTED) | ERRORS.keys()))
def test_a_documented_code_has_its_own_error(code):
    error = answer(code)
    assert type(error) is not WeComError
    assert error.platform_code == str(code)
    assert error.message % error.params
    assert str(code) in error.message % error.params or error.message == "authorize app first"  # documented as it is
    assert error.hint
    assert error.hint % error.params
    assert error.code.startswith("wecom.")
    assert error.retryable is (code in RETRYABLE)
    assert not error.uncertain


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_failure_is_one_that_deliveries_know(kind: type[PlatformError]):
    assert kind.failure in FAILURES


def test_codes_are_not_shared():
    kinds = set(ERRORS.values())
    assert len({kind.code for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("code", [99999, 1, -40001])
def test_an_unknown_code_shows_what_was_said(code):
    error = answer(code)
    assert type(error) is WeComError
    assert error.failure == "unknown"
    assert "some text" in error.message % error.params
    assert error.raw == "{}"


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        (ERRMSG, "203.0.113.9"),
        ("x, from ip: 2001:db8::1, more info", "2001:db8::1"),
        ("not allow to access from your ip", ""),
        ("from ip: , more", ""),
    ],
)
def test_the_address_that_was_seen_is_read(text, ip):
    assert seen_ip(text) == ip


def test_the_address_is_offered_to_the_administrator():
    error = answer(60020)
    assert "203.0.113.9" in error.message % error.params
    assert "企业可信IP" in error.hint
    assert "?" in from_answer(60020, "no address").message % from_answer(60020, "no address").params


def test_a_hint_number_is_not_shown():
    assert "1704335944429391615909812" not in answer(40058).message % answer(40058).params


def test_secrets_in_an_answer_are_not_kept():
    error = from_answer(40001, 'invalid credential access_token=abc corpsecret=def "secret": "ghi"')
    assert not {"abc", "def", "ghi"} & set(error.platform_message.replace("=", " ").replace('"', " ").split())


def test_the_seeds_words_are_used():
    assert "未开通企微许可" in answer(701008).message
    assert "authorize app first" in answer(48001).message


@pytest.mark.parametrize("code", [40001, 60020, 45009, 99999])
def test_an_error_can_be_kept_and_raised_again(code):
    error = answer(code)
    again = recall(remember(error))
    assert type(again) is type(error)
    assert again.message % again.params == error.message % error.params
    assert again.platform_code == error.platform_code
