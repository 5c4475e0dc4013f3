"""The mistakes: where, which text becomes which, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

PLATFORMS = "tests/faults/platforms"


@dataclass(frozen=True)
class Mutation:
    """`old` stands exactly once in `path`; with `new` in its place every one of `tests` must fail."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "answer an alert before it is stored",
        "blueprints/intake/storing.py",
        '    crash_here("intake.before_commit")\n    db.session.commit()\n',
        '    crash_here("intake.before_commit")\n    db.session.rollback()\n',
        ("tests/web/test_intake.py::test_the_documented_example_works",),
    ),
    Mutation(
        "mark as sent before sending",
        "jobs/deliver.py",
        "        state=DeliveryState.SENDING,\n",
        "        state=DeliveryState.SENT,\n",
        (f"{PLATFORMS}/test_answers.py::test_an_answer_that_cannot_be_read_is_a_failed_try_and_the_card_comes_once",),
    ),
    Mutation(
        "forget which presses were taken",
        "services/press_scenes.py",
        "is_repeat=receipt_id is not None,",
        "is_repeat=False,",
        (f"{PLATFORMS}/test_cards.py::test_the_same_event_three_times_at_once_and_twice_later_is_one_press",),
    ),
    Mutation(
        "take any HTTP 200 for success",
        "platforms/wecom/calls.py",
        "    if errcode == 0 and answer.status == 200:\n",
        "    if answer.status == 200:\n",
        (f"{PLATFORMS}/test_answers.py::test_no_error_code_in_http_200_is_ever_taken_for_success",),
    ),
    *(
        Mutation(
            f"take any HTTP 200 for success ({name})",
            path,
            old,
            new,
            (f"{PLATFORMS}/test_codes.py::test_no_answer_with_an_error_code_is_a_success_whatever_its_http_status",),
        )
        for name, path, old, new in (
            (
                "DingTalk",
                "platforms/dingtalk/answers.py",
                "    if code is not None or answer.status >= 400:\n",
                "    if answer.status >= 400:\n",
            ),
            (
                "Feishu",
                "platforms/feishu/client.py",
                "    if code == 0 and answer.status == 200:\n",
                "    if answer.status == 200:\n",
            ),
        )
    ),
    Mutation(
        "take a delivery that failed inside HTTP 200 for success",
        "platforms/dingtalk/answers.py",
        '    if str(result.get("success")).lower() == "true":\n',
        "    if result:\n",
        (f"{PLATFORMS}/test_refusals.py::test_of_several_people_only_those_who_were_reached_are_recorded_as_told",),
    ),
    Mutation(
        "skip the time of a press (DingTalk, WeCom, Feishu)",
        "blueprints/callbacks/views.py",
        "    if abs(difference) > callback.fresh_seconds:\n",
        "    if abs(difference) > 10 * callback.fresh_seconds:\n",
        (
            f"{PLATFORMS}/test_replays.py"
            "::test_a_captured_press_has_no_effect_again_nor_after_a_restart_nor_with_another_time",
        ),
    ),
    *(
        Mutation(
            f"compare {what} with ==",
            path,
            old,
            old.replace("not same(", "not (lambda left, right: left == right)("),
            (f"{PLATFORMS}/test_traps.py::test_every_proof_of_a_callback_is_compared_in_constant_time",),
        )
        for what, path, old in (
            (
                "a press's signature",
                "platforms/dingtalk/callbacks.py",
                "if not same(card_signature(settings.card_api_secret, timestamp), signature):",
            ),
            (
                "the Verification Token",
                "platforms/feishu/callbacks.py",
                'if not same(settings.verification_token, _text(header or body, "token")):',
            ),
        )
    ),
    Mutation(
        "take a press without a signature (DingTalk)",
        "platforms/dingtalk/callbacks.py",
        "    if not same(card_signature(settings.card_api_secret, timestamp), signature):\n",
        "    if signature and not same(card_signature(settings.card_api_secret, timestamp), signature):\n",
        (f"{PLATFORMS}/test_cards.py::test_a_press_whose_time_has_gone_by_is_refused_and_a_wrong_signature_too",),
    ),
    Mutation(
        "take what the token alone proves (Feishu)",
        "platforms/feishu/callbacks.py",
        "    if settings.encrypt_key and not is_signed:\n",
        "    if settings.encrypt_key and not (is_signed or header):\n",
        (f"{PLATFORMS}/test_cards.py::test_a_press_whose_time_has_gone_by_is_refused_and_a_wrong_signature_too",),
    ),
    Mutation(
        "answer a challenge before its token is checked (Feishu)",
        "platforms/feishu/callbacks.py",
        '    header = _part(body, "header")\n    if not same(',
        '    header = _part(body, "header")\n    if _text(body, "type") != "url_verification" and not same(',
        (f"{PLATFORMS}/test_forgeries.py::test_a_challenge_with_another_token_is_not_echoed",),
    ),
    Mutation(
        "compare signatures with ==",
        "platforms/crypto.py",
        "return bool(left) and hmac.compare_digest(left.encode(), right.encode())",
        "return bool(left) and left == right",
        (f"{PLATFORMS}/test_traps.py::test_what_proves_who_calls_is_compared_in_constant_time",),
    ),
    Mutation(
        "delete up to the last id",
        "jobs/retention.py",
        "_run(delete(self.table).where(self.table.id.in_(ids), *self.where))",
        "_run(delete(self.table).where(self.table.id <= max(ids)))",
        (f"{PLATFORMS}/test_traps.py::test_purging_takes_the_rows_it_found_and_none_before_them",),
    ),
    Mutation(
        "do not wait for the disk",
        "sqlite_transactions.py",
        '"synchronous=FULL"',
        '"synchronous=NORMAL"',
        (
            f"{PLATFORMS}/test_traps.py"
            "::test_an_answered_alert_survives_a_power_cut_and_writers_queue_instead_of_failing",
        ),
    ),
    Mutation(
        "begin to write as one who reads",
        "sqlite_transactions.py",
        '_execute(connection, "BEGIN IMMEDIATE")',
        '_execute(connection, "BEGIN")',
        (
            f"{PLATFORMS}/test_traps.py"
            "::test_an_answered_alert_survives_a_power_cut_and_writers_queue_instead_of_failing",
        ),
    ),
)
