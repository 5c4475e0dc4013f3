"""Every documented code is a typed error that says what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from platforms.errors import (
    CardTooOld,
    GroupGone,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    RecipientBusy,
    RecipientUnreachable,
    recall,
    remember,
)
from platforms.feishu.errors import ERRORS, CardLocked, FeishuError, from_answer, seen_ip

DOCUMENTED = [
    *(10003, 10014, 10015, 20002, 99991543, 10005, 10012, 10013, 99991661, 99991663, 99991664, 99991665, 99991668),
    *(99991671, 99991677, 20005, 20006, 99991662, 99991673, 232034, 11210, 20009, 212100, 99991672, 99991676, 99991679),
    *(230027, 99991400, 99991401, 99991403, 99992402, 9499, 10001, 100030, 2200, 1500, 99991644, 20050, 20072, 18121),
    *(230049, 232068, 230001, 230002, 10030, 230006, 232025, 11205, 11240, 230011, 230110, 230012, 230026, 230071),
    *(230013, 11225, 230017, 230018, 230020, 11232, 11233, 232019, 230022, 230028, 11312, 230025, 19036, 230029, 11236),
    *(232022, 230031, 230034, 99992351, 99992354, 99992356, 99992360, 99992364, 99992381, 99992361, 230035, 230036),
    *(230038, 230050, 230053, 230054, 230055, 230075, 230072, 230099, 11246, 11311, 200621, 230111, 232009, 11237),
    *(232006, 11213, 11231, 11235, 18120, 232011, 232017, 232013, 232044, 232024, 232023, 232028, 232033, 40004, 40014),
    *(41050, 41012, 40001, 40011, 40012, 200000, 200310, 300090, 200320, 200830, 20027, 20029, 2000, 20071, 20003),
    *(20004, 20065, 20010, 20046, 20021, 20022, 20023, 20066, 20001, 20008, 20024, 20036, 20048, 20049, 20063, 20067),
    *(20068, 20069, 20070, 232001, 232004, 232008, 232010, 232020, 232021, 232027, 232030, 232032, 232042, 232043),
    *(232057, 232069, 232078, 232079, 232090, 232091, 210503, 210508),
]
BUSY = {2200, *range(1500, 1600), 99991644, 20050, 20072, 18121, 230049, 232068}
RETRYABLE = BUSY | {99991400, 230020, 11232, 11233, 232019, 99991663, 99991664, 99991665, 99991668, 99991671}
FAILURES = {
    *("out_of_visible_range", "ip_not_allowed", "credential_invalid", "permission_missing", "app_unauthorised"),
    *("integration_disabled", "rate_limited", "quota_exhausted", "chat_gone", "content_refused", "platform_busy"),
    *("network", "unknown"),
}
KINDS = sorted(set(ERRORS.values()), key=lambda kind: kind.code)


def answer(code: int, msg: str = "some text", **error: Any) -> PlatformError:
    content = {"code": code, "msg": msg, "error": {"log_id": "2026LOG"} | error}
    return from_answer(content, raw="{}", http_status=400)


@pytest.mark.parametrize("code", sorted(set(DOCUMENTED) | ERRORS.keys()))
def test_a_documented_code_has_its_own_error(code):
    error = answer(code)
    assert type(error) is not FeishuError
    assert error.platform_code == str(code)
    assert str(code) in error.message % error.params
    assert error.hint % error.params
    assert error.code.startswith("feishu.")
    assert error.failure in FAILURES
    assert error.retryable is (code in RETRYABLE)
    assert not error.uncertain


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_an_error_survives_being_kept(kind):
    code = next(code for code, found in ERRORS.items() if found is kind)
    kept = recall(remember(answer(code)))
    assert type(kept) is kind
    assert kept.message % kept.params == kind.message % kept.params


def test_codes_of_errors_are_unique():
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_an_unknown_code_shows_what_feishu_said_and_its_log_number():
    error = answer(424242, "odd thing")
    assert type(error) is FeishuError
    assert error.message % error.params == "飞书返回 424242：odd thing"
    assert "2026LOG" in error.hint % error.params


def test_a_missing_permission_names_those_that_would_do():
    violations = [{"type": "action_scope_required", "subject": name} for name in ("im:chat", "im:chat:readonly")]
    error = answer(99991672, permission_violations=violations)
    assert error.params["scope"] == "im:chat, im:chat:readonly"
    for odd in (None, "x", [1], [{}]):
        assert answer(99991672, permission_violations=odd).params["scope"] == ""


def test_the_address_that_was_refused_is_told():
    error = answer(99991401, "ip 203.0.113.9 is denied by app setting")
    assert error.params["ip"] == "203.0.113.9"
    assert answer(99991401, "denied").params["ip"] == "?"
    assert seen_ip("ip 2001:db8::1 is denied by app setting") == "2001:db8::1"


def test_a_card_that_is_being_pressed_is_only_busy():
    locked = answer(230099, "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card action is lock; ")
    assert type(locked) is CardLocked
    assert isinstance(locked, RecipientBusy)
    assert locked.retryable
    assert locked.retry_after == timedelta(seconds=2)
    assert not answer(230099, "ext=ErrCode: 11310; ErrMsg: element exceeds the limit; ").retryable


def test_what_services_tell_apart_is_told_apart():
    assert isinstance(answer(99991403), QuotaExhausted)
    assert isinstance(answer(230031), CardTooOld)
    assert isinstance(answer(230002), GroupGone)
    assert isinstance(answer(10002, "Bot can NOT be out of the chat."), GroupGone)
    assert isinstance(answer(230013), RecipientUnreachable)


def test_how_long_to_wait_is_the_headers_word_before_ours():
    assert answer(230020).retry_after == timedelta(seconds=2)
    assert isinstance(answer(230020), RecipientBusy)
    assert not isinstance(answer(230020), RateLimited)
    asked = from_answer({"code": 230020, "msg": ""}, waits=timedelta(seconds=7))
    assert asked.retry_after == timedelta(seconds=7)


def test_a_sign_in_answers_in_another_place():
    error = from_answer({"code": 20002, "error": "invalid_client", "error_description": "The secret is wrong."})
    assert error.platform_message == "The secret is wrong."
    assert error.failure == "credential_invalid"


def test_no_secret_is_repeated():
    error = from_answer({"code": 10014, "msg": "app_secret=abcdef invalid"})
    assert "abcdef" not in error.platform_message
