"""What every platform does alike, proven against the simulator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from platforms.base import CardPress, UrlCheck
from platforms.errors import (
    AnswerLost,
    AnswerNotUnderstood,
    GroupGone,
    NetworkFailed,
    PlatformBusy,
    PlatformError,
    RateLimited,
    RecipientUnreachable,
    SignInExpired,
    UpdateCodeSpent,
)
from tests.contract.conftest import CONNECTIONS, MODES


@pytest.fixture(params=[*sorted(CONNECTIONS), *MODES])
def connection(request, simulator, receiver):
    """One for each platform and each way to connect it."""
    return (CONNECTIONS | MODES)[request.param](simulator, receiver)


def test_saving_the_address_in_the_console_is_a_verified_check(connection):
    checks = [type(callback) for callback in connection.receiver.callbacks]
    assert checks == [UrlCheck] * connection.checks_urls


def test_a_card_reaches_the_one_it_was_sent_to(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    (seen,) = connection.messages("lin")
    assert seen["id"] == sent.message_id
    assert [button["text"] for button in seen["buttons"]][:2] == ["开始处理", "直接关闭"]
    assert connection.messages("wu") == []


def test_a_press_comes_back_as_the_button_that_we_drew(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    pressed = connection.press(sent, "acknowledge", by="lin")
    press = connection.receiver.callbacks[-1]
    assert pressed["http_status"] == 200
    assert isinstance(press, CardPress)
    lin = connection.id_of("lin")
    assert (press.external_user_id, press.reference, press.button_key) == (lin, card.reference, "acknowledge")
    assert abs(press.sent_at - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_choice_of_the_menu_comes_back_as_well(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    connection.press(sent, "snooze:240")
    assert connection.receiver.callbacks[-1].button_key == "snooze:240"


def test_two_presses_are_two_events(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    connection.press(sent, "refresh")
    connection.press(sent, "refresh")
    first, second = connection.receiver.callbacks[-2:]
    assert first.event_key != second.event_key


def test_a_repeated_press_is_one_event(connection, platform, card):
    if not connection.repeats_presses:
        pytest.skip("a press is delivered once")
    sent = platform.send_card(connection.member("lin"), card)
    connection.simulator.fault("callback_lost", count=2)
    connection.press(sent, "refresh")
    repeats = connection.receiver.callbacks[-3:]
    assert len({repeat.event_key for repeat in repeats}) == 1
    assert len({repeat.signature for repeat in repeats}) == 3


def test_the_answer_shows_the_presser_the_new_card(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    after = replace(card, title="[严重] 已认领", subtitle="#1024 · 处理中", buttons=card.buttons[1:])
    connection.receiver.answer_card = lambda callback: after
    connection.press(sent, "acknowledge")
    (seen,) = connection.messages("lin")
    assert connection.title_of(seen) == "[严重] 已认领"
    assert "acknowledge" not in {button["key"] for button in seen["buttons"]}
    assert {"snooze:240", "refresh"} <= {button["key"] for button in seen["buttons"]}


def test_a_card_can_be_changed_afterwards(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    platform.update_card(connection.handle(sent, card), replace(card, title="[恢复] 已关闭", tone="ok"))
    (seen,) = connection.messages("lin")
    assert connection.title_of(seen) == "[恢复] 已关闭"
    assert seen["updates"] == 1


@pytest.fixture
def codes(platform):
    """For tests of rights to update, where a platform wants them."""
    if not platform.capabilities.updates_need_codes:
        pytest.skip("cards are changed without a right to")


@pytest.mark.usefixtures("codes")
def test_a_press_brings_a_right_to_change_the_card(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    connection.press(sent, "refresh")
    code = connection.receiver.callbacks[-1].update_code
    platform.update_card(replace(connection.handle(sent, card), update_code=code), replace(card, title="新"))
    assert connection.title_of(connection.messages("lin")[0]) == "新"


@pytest.mark.usefixtures("codes")
def test_a_right_to_change_works_once(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    handle = connection.handle(sent, card)
    platform.update_card(handle, card)
    with pytest.raises(UpdateCodeSpent):
        platform.update_card(handle, card)


@pytest.mark.usefixtures("codes")
def test_a_right_to_change_ends_with_its_time(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    hours = platform.capabilities.update_code_hours
    connection.simulator.control("clock", {"advance_seconds": hours * 3600 + 60})
    connection.tokens.values.clear()
    with pytest.raises(UpdateCodeSpent):
        platform.update_card(connection.handle(sent, card), card)


@pytest.mark.usefixtures("codes")
def test_a_card_cannot_be_changed_without_a_right(connection, platform, card):
    sent = platform.send_card(connection.member("lin"), card)
    with pytest.raises(UpdateCodeSpent):
        platform.update_card(replace(connection.handle(sent, card), update_code=None), card)


def test_a_text_reaches_its_reader(connection, platform):
    platform.send_text(connection.member("wu"), "未关联应用：请在工作台打开应用")
    (seen,) = connection.messages("wu")
    assert connection.text_of(seen) == "未关联应用：请在工作台打开应用"


def test_somebody_outside_the_range_is_not_a_success(connection, platform, card):
    with pytest.raises(RecipientUnreachable) as failure:
        platform.send_card(connection.member("zhou"), card)
    assert failure.value.failure == "out_of_visible_range"
    assert not failure.value.retryable


def test_somebody_unknown_is_not_a_success(connection, platform, card):
    with pytest.raises(RecipientUnreachable):
        platform.send_card(connection.member("nobody"), card)


def test_a_message_never_reaches_more_than_one_person(connection, platform, card):
    for everybody in connection.nobody:
        with pytest.raises(RecipientUnreachable):
            platform.send_card(connection.member(everybody), card)
    assert connection.messages("lin") == []


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(connection, platform):
    """A group that the application can post to, where the platform has such."""
    if not platform.capabilities.has_groups:
        pytest.skip("cards have no place in groups")
    return connection.make_group("值班群")


def test_a_card_reaches_a_group(connection, platform, card, group):
    sent = platform.send_card(group, card)
    (seen,) = connection.group_messages(group)
    assert seen["id"] == sent.message_id
    assert connection.title_of(seen) == card.title


def test_anybody_in_the_group_can_press(connection, platform, card, group):
    sent = platform.send_card(group, card)
    connection.press(sent, "acknowledge", by="wu")
    press = connection.receiver.callbacks[-1]
    assert isinstance(press, CardPress)
    assert (press.external_user_id, press.reference) == (connection.id_of("wu"), card.reference)


def test_a_groups_card_can_be_changed(connection, platform, card, group):
    sent = platform.send_card(group, card)
    handle = replace(connection.handle(sent, card), recipient=group)
    platform.update_card(handle, replace(card, title="[恢复] 已关闭"))
    assert connection.title_of(connection.group_messages(group)[-1]) == "[恢复] 已关闭"


def test_a_group_that_is_not_there_is_told_as_such(platform, card, group):
    with pytest.raises(GroupGone) as failure:
        platform.send_card(replace(group, external_id=group.external_id[:-4] + "0000"), card)
    assert failure.value.failure == "chat_gone"


# --- trouble ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["expired_token", "invalid_token"])
def test_a_token_that_ended_early_is_replaced_once(connection, platform, card, fault):
    platform.send_text(connection.member("lin"), "eins")
    connection.simulator.fault(fault, path=connection.send_path)
    platform.send_card(connection.member("lin"), card)
    assert connection.tokens.fetches == 2
    assert len(connection.messages("lin")) == 2


def test_a_token_that_never_works_is_not_replaced_forever(connection, platform, card):
    connection.simulator.fault("invalid_token", path=connection.send_path, count=-1)
    with pytest.raises(PlatformError) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.retryable
    assert connection.tokens.fetches == 2


def test_wrong_credentials_say_so_and_are_not_worth_a_retry(connection, card):
    platform = connection.with_wrong_secret()
    with pytest.raises(connection.wrong_secret) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.failure == connection.wrong_secret.failure
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("fault", "kind", "is_uncertain"),
    [
        ("http_500", PlatformBusy, False),
        ("http_502_html", PlatformBusy, False),
        ("bad_json", AnswerNotUnderstood, True),
        ("huge_answer", AnswerNotUnderstood, True),
        ("reset", AnswerLost, True),
        ("lost_answer", AnswerLost, True),
        ("busy", PlatformBusy, False),
        ("rate_limit", RateLimited, False),
    ],
)
def test_a_failure_is_told_by_its_kind(connection, card, fault, kind, is_uncertain):
    platform = connection.platform
    platform.send_text(connection.member("wu"), "token fetched")
    connection.simulator.fault(fault, path=connection.send_path)
    with pytest.raises(kind) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.retryable
    assert failure.value.uncertain is is_uncertain
    assert "access_token" not in str(failure.value)
    assert failure.value.__context__ is None


def test_a_page_instead_of_an_answer_is_no_success(connection, platform, card):
    platform.send_text(connection.member("wu"), "token fetched")
    connection.simulator.fault("html_200", path=connection.send_path)
    kind, is_uncertain = connection.page
    with pytest.raises(kind) as failure:
        platform.send_card(connection.member("lin"), card)
    assert failure.value.retryable
    assert failure.value.uncertain is is_uncertain


def test_a_platform_that_is_not_there_is_told_from_one_that_does_not_answer(connection, card):
    with pytest.raises(NetworkFailed) as failure:
        connection.unreachable().send_card(connection.member("lin"), card)
    assert not failure.value.uncertain


def test_a_repeat_after_a_lost_answer_reaches_the_person_once(connection, platform, card):
    platform.send_text(connection.member("wu"), "token fetched")
    connection.simulator.fault("lost_answer", path=connection.send_path)
    with pytest.raises(AnswerLost):
        platform.send_card(connection.member("lin"), card)
    again = platform.send_card(
        connection.member("lin"), replace(card, elapsed="持续 6 分钟"), earlier_try_unanswered=True
    )
    assert again.was_repeat
    assert len(connection.messages("lin")) == 1


def test_a_card_is_not_sent_twice_under_one_reference(connection, platform, card):
    if connection.repeats_cards:
        pytest.skip("one that was made but not put into the chat has to be sent again")
    sent = platform.send_card(connection.member("lin"), card)
    try:
        again = platform.send_card(connection.member("lin"), replace(card, title="anders"))
    except PlatformError as failure:
        assert not failure.retryable
    else:
        assert again.message_id == sent.message_id
    assert len(connection.messages("lin")) == 1


# --- signing in ---------------------------------------------------------------------------------------------------


def test_a_code_says_who_opened_the_page(connection, platform):
    identity = platform.identify(connection.sign_in_code("lin"), in_client=True)
    assert (identity.external_user_id, identity.name) == (connection.id_of("lin"), connection.name_of("lin"))


def test_what_stays_with_a_person_is_told_and_is_nobody_elses(connection, platform):
    told = {
        name: platform.identify(connection.sign_in_code(name), in_client=True).external_union_id
        for name in ("lin", "wu")
    }
    if platform.slug == "wecom":
        assert told == {"lin": "", "wu": ""}, "it has no such id"
    else:
        assert told["lin"] and told["wu"] and told["lin"] != told["wu"]
    again = platform.identify(connection.sign_in_code("lin"), in_client=True)
    assert again.external_union_id == told["lin"]


def test_somebody_of_another_company_is_nobody_here(connection, platform):
    assert platform.identify(connection.sign_in_code("stranger"), in_client=True).external_user_id is None


def test_a_code_works_once(connection, platform):
    code = connection.sign_in_code("lin")
    platform.identify(code, in_client=True)
    with pytest.raises(SignInExpired):
        platform.identify(code, in_client=True)


@pytest.mark.parametrize("code", ["", "made-up", "' or 1=1"])
def test_a_made_up_code_is_refused(connection, platform, code):
    with pytest.raises(PlatformError):
        platform.identify(code, in_client=True)


# --- checks -------------------------------------------------------------------------------------------------------


def test_the_credentials_check_really_fetches_a_token(connection, platform):
    result = platform.run_check("credentials")
    assert result.passed
    assert connection.tokens.fetches == 1


def test_a_failed_check_explains_itself(connection):
    result = connection.with_wrong_secret().run_check("credentials")
    assert not result.passed
    assert {"code", "message", "hint", "platform_code", "raw", "params"} <= result.detail.keys()


def test_nothing_is_proven_of_a_draft_without_values(connection):
    draft = connection.with_settings(**dict.fromkeys(connection.platform.settings.labels, ""))
    (self_built,) = (mode for mode in draft.modes if not mode.needs_provider)
    results = {check.name: draft.run_check(check.name) for check in self_built.checks if check.active}
    assert results
    assert {name for name, result in results.items() if result.passed} == set()
    assert all(result.is_premature for result in results.values())
