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
        "platforms/wecom/client.py",
        "        if errcode == 0 and answer.status == 200:\n",
        "        if answer.status == 200:\n",
        (f"{PLATFORMS}/test_answers.py::test_no_error_code_in_http_200_is_ever_taken_for_success",),
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
        "extensions.py",
        '"synchronous=FULL"',
        '"synchronous=NORMAL"',
        (
            f"{PLATFORMS}/test_traps.py"
            "::test_an_answered_alert_survives_a_power_cut_and_writers_queue_instead_of_failing",
        ),
    ),
    Mutation(
        "begin to write as one who reads",
        "extensions.py",
        '_execute(driver, "BEGIN IMMEDIATE")',
        '_execute(driver, "BEGIN")',
        (
            f"{PLATFORMS}/test_traps.py"
            "::test_an_answered_alert_survives_a_power_cut_and_writers_queue_instead_of_failing",
        ),
    ),
)
