"""Lists by key, searches, counts and figures."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask

from models import Progress, Role, Severity
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
