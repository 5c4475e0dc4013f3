"""What WeCom answers about interface licences, read as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from platforms.errors import AnswerNotUnderstood
from platforms.licences import Licence, LicenceTerms
from platforms.wecom.licences import Desk

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


class Books:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, body))
        return self.answers.pop(0)

    @property
    def desk(self) -> Desk:
        return Desk(self, suite_id="ww-suite", corp_id="wp-corp")


def seconds(at: datetime) -> int:
    return int(at.timestamp())


@pytest.mark.parametrize(
    ("answer", "terms"),
    [
        (
            {"license_status": 1, "trail_info": {"start_time": seconds(START), "end_time": seconds(END)}},
            LicenceTerms(True, START, END),
        ),
        ({"license_status": 1}, LicenceTerms(True)),
        ({"license_status": 1, "trail_info": {"start_time": 0, "end_time": 0}}, LicenceTerms(True)),
        ({"license_status": 0}, LicenceTerms(False)),
    ],
)
def test_the_companys_terms(answer: dict[str, Any], terms: LicenceTerms):
    books = Books(answer)
    assert books.desk.terms() == terms
    assert books.asked == [("license/get_app_license_info", {"corpid": "wp-corp", "suite_id": "ww-suite"})]


def test_pages_go_on_where_the_platform_says():
    row = {"userid": "woA", "type": 1, "active_time": seconds(START), "expire_time": seconds(END)}
    books = Books(
        {"account_list": [row], "next_cursor": "more", "has_more": 1},
        {"account_list": [], "next_cursor": "ignored", "has_more": 0},
    )
    first = books.desk.page("")
    assert (list(first.licences), first.next_cursor) == ([Licence("woA", START, END)], "more")
    assert books.desk.page("more").next_cursor == ""
    assert books.asked == [
        ("license/list_actived_account", {"corpid": "wp-corp", "limit": 1000}),
        ("license/list_actived_account", {"corpid": "wp-corp", "limit": 1000, "cursor": "more"}),
    ]


def test_a_members_licence_is_the_one_that_lasts_longest():
    rows = [
        {"type": kind, "active_time": seconds(START), "expire_time": end} for kind, end in ((1, 9), (2, seconds(END)))
    ]
    books = Books({"active_status": 1, "active_info_list": rows}, {"active_status": 0, "active_info_list": []})
    assert books.desk.of("woA") == Licence("woA", START, END)
    assert books.desk.of("woA") is None
    assert books.asked[0] == ("license/get_active_info_by_user", {"corpid": "wp-corp", "userid": "woA"})


@pytest.mark.parametrize(
    "answer",
    [
        {"account_list": "no"},
        {"account_list": [1]},
        {"account_list": [{"userid": "woA"}]},
        {"account_list": [{"expire_time": 5}]},
        {"account_list": [{"userid": "woA", "expire_time": 10**30}]},
    ],
)
def test_what_is_no_list_of_licences_is_not_understood(answer: dict[str, Any]):
    with pytest.raises(AnswerNotUnderstood):
        Books(answer).desk.page("")
