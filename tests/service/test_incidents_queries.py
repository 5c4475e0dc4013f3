"""Lists by key, searches, counts and figures."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from extensions import db
from models import Incident, Progress, Responder, Role, Severity
from services import incident_queries, incidents
from services.incident_queries import Search
from tests.factories import NOW, make_channel, make_incident, make_member, make_tenant


def nums(viewer, **search) -> list[int]:
    return [incident.num for incident in incident_queries.page(viewer, Search(**search)).items]


def test_pages_follow_one_another_both_ways(app: Flask):
    lin = make_member()
    for minute in range(7):
        make_incident(changed_at=NOW + timedelta(minutes=minute // 2))  # pairs share a time
    first = incident_queries.page(lin, Search(), limit=3)
    second = incident_queries.page(lin, Search(), cursor=first.next_cursor, limit=3)
    third = incident_queries.page(lin, Search(), cursor=second.next_cursor, limit=3)
    shown = [[incident.num for incident in page.items] for page in (first, second, third)]
    assert shown == [[7, 6, 5], [4, 3, 2], [1]]
    assert (first.prev_cursor, third.next_cursor) == (None, None)
    back = incident_queries.page(lin, Search(), cursor=third.prev_cursor, limit=3)
    assert [incident.num for incident in back.items] == [4, 3, 2]
    front = incident_queries.page(lin, Search(), cursor=back.prev_cursor, limit=3)
    assert [incident.num for incident in front.items] == [7, 6, 5]
    assert front.prev_cursor is None
    assert incident_queries.page(lin, Search(), cursor=front.next_cursor, limit=3).items == back.items


@pytest.mark.parametrize("cursor", ["", "x", "n", "n-", "nabc-1", "n99999999999999999999999-1", "n1-2-3", "p٣-1"])
def test_a_cursor_that_cannot_be_read_is_the_first_page(app: Flask, cursor):
    incident = make_incident()
    assert incident_queries.page(make_member(), Search(), cursor=cursor).items == [incident]


def test_a_list_shows_what_it_is_asked_for(app: Flask):
    lin, wu, channel = make_member(), make_member("wu"), make_channel()
    make_incident(channel, responders=(lin,), title="db-03 磁盘 97%", severity=Severity.CRITICAL)
    make_incident(acknowledged_by=wu, title="延迟升高", severity=Severity.WARNING)
    closed = make_incident(responders=(lin,), title="db_04 磁盘", severity=Severity.INFO)
    incidents.close(closed, by=lin, via="console", now=NOW)
    assert nums(lin, scope="mine") == [1]
    assert sorted(nums(lin)) == [1, 2]
    assert nums(lin, scope="closed") == [3]
    assert sorted(nums(lin, scope="all")) == [1, 2, 3]
    assert nums(lin, severity=Severity.WARNING) == [2]
    assert nums(lin, progress=Progress.PROCESSING) == [2]
    assert nums(lin, channel_id=channel.id) == [1]
    assert nums(lin, responder_id=wu.user_id) == [2]
    assert nums(lin, scope="all", text="磁盘 97%") == [1]
    assert nums(lin, scope="all", text="DB_0") == [3]
    assert nums(lin, scope="all", text="#2") == [2]
    assert sorted(nums(lin, scope="all", text="3")) == [1, 3]
    assert nums(lin, since=NOW + timedelta(hours=1)) == []
    assert sorted(nums(lin, since=NOW, until=NOW + timedelta(hours=1))) == [1, 2]


def test_a_list_shows_nothing_of_others(app: Flask):
    lin, wu, creator = make_member(), make_member("wu"), make_member("creator")
    other = make_tenant("另一组织")
    make_incident(tenant=other)
    make_incident(make_channel("内部", is_private=True, created_by_id=creator.user_id), responders=(lin,))
    assert nums(wu) == [] and incident_queries.counts(wu).open == 0
    for viewer in (lin, creator, make_member("admin", Role.ADMIN)):
        assert nums(viewer) == [1] and incident_queries.counts(viewer).open == 1
    assert incident_queries.page(make_member("zhou", tenant=other), Search()).items[0].tenant_id == other.id


def test_counts(app: Flask):
    lin = make_member()
    make_incident(responders=(lin,), severity=Severity.CRITICAL)
    make_incident(acknowledged_by=make_member("wu"), severity=Severity.WARNING)
    found = incident_queries.counts(lin)
    assert (found.mine, found.open, found.triggered, found.processing) == (1, 2, 1, 1)
    assert found.by_severity == {Severity.CRITICAL: 1, Severity.WARNING: 1, Severity.INFO: 0}


def test_counts_stop_at_the_cap(app: Flask, monkeypatch):
    monkeypatch.setattr(incident_queries, "COUNT_CAP", 2)
    for _ in range(3):
        make_incident()
    assert incident_queries.counts(make_member()).open == 2


def test_figures_are_by_local_day(app: Flask):
    lin = make_member()
    evening = NOW.replace(day=1, hour=15, minute=59)  # 23:59 in Shanghai
    make_incident(started_at=evening)
    make_incident(started_at=evening + timedelta(minutes=1))
    make_incident(started_at=NOW - timedelta(days=20), changed_at=NOW)
    taken_on = make_incident(started_at=NOW)
    incidents.acknowledge(taken_on, by=lin, via="console", now=NOW + timedelta(minutes=2))
    incidents.close(taken_on, by=lin, via="console", now=NOW + timedelta(minutes=10))
    figures = incident_queries.stats(lin, NOW + timedelta(hours=1))
    assert len(figures.days) == 14
    assert figures.days[-2:] == [(date(2026, 3, 1), 1), (date(2026, 3, 2), 2)]
    assert (figures.median_seconds_to_acknowledge, figures.median_seconds_to_close) == (120, 600)


def test_figures_of_nothing(app: Flask):
    figures = incident_queries.stats(make_member(), NOW)
    assert sum(count for _, count in figures.days) == 0
    assert figures.median_seconds_to_acknowledge is None


# --- many rows, and rows that change meanwhile --------------------------------------------------------------------


def walk(viewer, search: Search, *, between=lambda page: None) -> list[int]:
    """The numbers that somebody sees who turns all pages; `between` happens after each."""
    seen, cursor = [], None
    while True:
        page = incident_queries.page(viewer, search, cursor=cursor, limit=2)
        seen += [incident.num for incident in page.items]
        cursor = page.next_cursor
        between(page)
        if cursor is None:
            return seen


def test_turning_pages_neither_skips_nor_repeats_what_stays_as_it_is(app: Flask):
    """New incidents come, one already shown changes and moves to the front: the pages behind are not disturbed."""
    lin = make_member()
    for minute in range(9):
        make_incident(changed_at=NOW + timedelta(minutes=minute))

    def something_happens(page):
        make_incident(changed_at=NOW + timedelta(hours=1))
        page.items[0].changed_at = NOW + timedelta(hours=2)
        db.session.commit()

    assert walk(lin, Search(scope="all"), between=something_happens) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_open_and_closed_ones_are_one_list(app: Flask):
    """By their changes, whichever of the two they are; those that share a time by their numbers."""
    lin = make_member()
    for minute in range(9):
        progress = Progress.CLOSED if minute % 3 else Progress.TRIGGERED
        make_incident(changed_at=NOW + timedelta(minutes=minute // 2), progress=progress)
    everything = Search(scope="all")
    assert walk(lin, everything) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    middle = incident_queries.page(
        lin, everything, cursor=incident_queries.page(lin, everything, limit=4).next_cursor, limit=2
    )
    back = incident_queries.page(lin, everything, cursor=middle.prev_cursor, limit=3)
    assert [incident.num for incident in middle.items] == [5, 4]
    assert [incident.num for incident in back.items] == [8, 7, 6]
    assert walk(lin, Search(scope="all", progress=Progress.CLOSED)) == [9, 8, 6, 5, 3, 2]


def test_what_was_deleted_is_no_hole(app: Flask):
    lin = make_member()
    made = [make_incident(changed_at=NOW + timedelta(minutes=minute)) for minute in range(6)]

    def one_goes(page):
        if page.items[0].num == 6:
            db.session.delete(made[4])  # the last one shown, which the cursor names
            db.session.commit()

    assert walk(lin, Search(scope="all"), between=one_goes) == [6, 5, 4, 3, 2, 1]


def test_days_are_sorted_by_when_it_began(app: Flask):
    lin = make_member()
    for hour in range(5):
        make_incident(started_at=NOW + timedelta(hours=hour), changed_at=NOW + timedelta(days=1, hours=-hour))
    span = Search(scope="all", since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=4))
    assert walk(lin, span) == [4, 3, 2]
    second = incident_queries.page(lin, Search(scope="all", since=NOW), limit=2).next_cursor
    back = incident_queries.page(lin, Search(scope="all", since=NOW), cursor=second, limit=2).prev_cursor
    assert [one.num for one in incident_queries.page(lin, Search(since=NOW), cursor=back, limit=2).items] == [5, 4]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("盘", [3, 2, 1]),
        ("磁盘", [3, 2, 1]),
        ("主从延迟", [4]),
        ("97%", [1]),
        ("%", [1]),
        ("a_b", [2]),
        ("_", [2]),
        ("A_B", [2]),
        ("/", [3]),
        ("\\", []),
        ("NODE", [4]),
        ("node", [4]),
        ("没有的", []),
    ],
)
def test_the_search_takes_every_character_as_it_is(app: Flask, text, found):
    for title in ("磁盘 97%", "磁盘 a_b", "磁盘 /var", "Node 主从延迟升高"):
        make_incident(title=title, changed_at=NOW)
    assert nums(make_member(), scope="all", text=text) == found


def test_the_longest_title_can_be_kept_and_found(app: Flask):
    make_incident(title="🔔" * 511 + "尾")
    assert nums(make_member(), scope="all", text="🔔尾") == [1]


def test_a_search_stops_and_asks_whether_to_go_on(app: Flask, monkeypatch):
    monkeypatch.setattr(incident_queries, "SCANNED", 3)
    lin = make_member()
    for hour in range(10):
        at = NOW + timedelta(hours=hour)
        make_incident(title="罕见" if hour == 1 else "寻常", started_at=at, changed_at=at)
    db.session.refresh(lin.tenant)
    search = Search(scope="all", text="罕见")
    first = incident_queries.page(lin, search)
    assert (first.items, first.searched_since) == ([], NOW + timedelta(hours=7))
    assert walk(lin, search) == [2]
    last = incident_queries.page(lin, Search(scope="all", text="寻常"), limit=2)
    assert last.searched_since is None, "the page is full: there is nothing to ask"
    assert walk(lin, Search(scope="all", text="寻常")) == [10, 9, 8, 7, 6, 5, 4, 3, 1]
    assert incident_queries.page(lin, Search(scope="all", text="#2")).items[0].num == 2


def test_what_is_mine_follows_the_incident_whoever_closes_it(app: Flask):
    """Also past our own code: an older version, a statement for many."""
    lin = make_member()
    incident = make_incident(responders=(lin,))
    other = make_incident(responders=(lin,), progress=Progress.CLOSED)

    def mine() -> list[int]:
        db.session.expire_all()
        assert incident_queries.scope_counts(lin)["mine"] == len(nums(lin, scope="mine"))
        return nums(lin, scope="mine")

    assert mine() == [incident.num]
    db.session.execute(update(Incident).values(progress=Progress.CLOSED))
    assert mine() == []
    db.session.execute(update(Incident).where(Incident.id == other.id).values(progress=Progress.PROCESSING))
    assert mine() == [other.num]
    incidents.close(incidents.lock(other.id, other.tenant_id), by=lin, via="console", now=NOW)
    db.session.commit()
    assert mine() == []
    assert not any(db.session.scalars(select(Responder.is_open)))


def test_channels_count_what_is_open_in_them(app: Flask):
    lin, busy, quiet = make_member(), make_channel("忙"), make_channel("静")
    hidden = make_channel("内部", is_private=True)
    for channel in (busy, busy, hidden):
        make_incident(channel)
    make_incident(quiet, progress=Progress.CLOSED)
    make_incident(make_channel("别人的", tenant=make_tenant("另一组织")))
    assert incident_queries.open_by_channel(lin) == {busy.id: 2}
    assert incident_queries.open_by_channel(make_member("admin", Role.ADMIN)) == {busy.id: 2, hidden.id: 1}
