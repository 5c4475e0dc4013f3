"""Sources and their keys."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import Role
from services import alert_sources
from services.vault import SecretUnreadable
from tests.factories import NOW, make_channel, make_member, make_tenant

HOUR = timedelta(hours=1)
_count = itertools.count(1)


@pytest.fixture
def admin(app):
    return make_member("admin", Role.ADMIN)


@pytest.fixture
def source(admin):
    return create(admin)


def create(admin, name="订单监控", type="standard", **options):
    source = alert_sources.create(
        make_channel(f"空间 {next(_count)}").id, type, name, by=admin, now=NOW, options=options
    )
    db.session.commit()
    return source


def key_of(source):
    return alert_sources.push_url(source).partition("integration_key=")[2]


def finds(key, source, now=NOW):
    found = alert_sources.find_by_key(key, now=now)
    return found is not None and found.id == source.id


def test_a_new_source_can_push_at_once(source):
    url = alert_sources.push_url(source)
    assert url.startswith("http://localhost:8000/event/push/alert/standard?integration_key=k_")
    key = key_of(source)
    assert len(key) >= 32
    assert finds(key, source)
    assert alert_sources.find_by_key(key + "x", now=NOW) is None
    assert alert_sources.find_by_key("", now=NOW) is None
    assert alert_sources.find_by_key("\ud800\x00", now=NOW) is None


def test_the_key_is_not_in_the_database_in_clear(source):
    key = key_of(source)
    assert key not in source.keys[0].key_cipher + source.keys[0].key_hash


def test_a_cipher_text_opens_in_its_own_row_only(admin, source):
    other = create(admin, "另一个")
    source.keys[0].key_cipher, other.keys[0].key_cipher = other.keys[0].key_cipher, source.keys[0].key_cipher
    with pytest.raises(SecretUnreadable):
        alert_sources.push_url(source)


def test_a_rotated_key_works_for_another_day(admin, source):
    old = key_of(source)
    assert alert_sources.rotate(source, by=admin, now=NOW) == NOW + 24 * HOUR
    db.session.commit()
    new = key_of(source)
    assert new != old
    assert finds(old, source, NOW + 23 * HOUR)
    assert not finds(old, source, NOW + 24 * HOUR)
    assert finds(new, source, NOW + 2400 * HOUR)


def test_rotating_twice_ends_the_oldest_at_once(admin, source):
    first = key_of(source)
    alert_sources.rotate(source, by=admin, now=NOW)
    second = key_of(source)
    alert_sources.rotate(source, by=admin, now=NOW)
    db.session.commit()
    assert not finds(first, source)
    assert finds(second, source)
    alert_sources.end_old_keys(source, by=admin)
    db.session.commit()
    assert not finds(second, source)
    assert finds(key_of(source), source)


def test_names_are_short_and_unique(admin, source):
    for name in ("", "  ", "x" * 41, "订单监控", " 订单监控 "):
        with pytest.raises(InvalidInput):
            create(admin, name)
        db.session.rollback()


def test_renaming_to_the_same_name_is_fine(admin, source):
    alert_sources.edit(source, name="订单监控", channel_id=source.channel_id, options={}, by=admin)


def test_only_known_types_and_options(admin):
    with pytest.raises(InvalidInput):
        create(admin, type="zabbix")
    with pytest.raises(InvalidInput):
        create(admin, type="prometheus", title="anything")
    with pytest.raises(InvalidInput):
        create(admin, type="standard", title="summary")
    assert create(admin, type="prometheus", title="summary").options == {"title": "summary"}


def test_deleting_needs_the_name(admin, source):
    key = key_of(source)
    with pytest.raises(InvalidInput):
        alert_sources.delete(source, confirmation="订单", by=admin)
    alert_sources.delete(source, confirmation="订单监控", by=admin)
    db.session.commit()
    assert alert_sources.find_by_key(key, now=NOW) is None


def test_only_administrators_change_sources(source):
    lin = make_member("lin", Role.RESPONDER)
    assert alert_sources.get(source.id, viewer=lin).id == source.id
    for change in (
        lambda: alert_sources.rotate(source, by=lin, now=NOW),
        lambda: alert_sources.end_old_keys(source, by=lin),
        lambda: alert_sources.set_enabled(source, False, by=lin),
        lambda: alert_sources.delete(source, confirmation=source.name, by=lin),
        lambda: alert_sources.edit(source, name="x", channel_id=source.channel_id, options={}, by=lin),
        lambda: alert_sources.create(source.channel_id, "standard", "x", by=lin, now=NOW),
    ):
        with pytest.raises(AccessDenied):
            change()


def test_other_organisations_see_nothing(source):
    zhou = make_member("zhou", Role.ADMIN, tenant=make_tenant("别的组织"))
    assert alert_sources.all_for(zhou) == []
    with pytest.raises(NotFound):
        alert_sources.get(source.id, viewer=zhou)
    with pytest.raises(NotFound):
        alert_sources.create(source.channel_id, "standard", "x", by=zhou, now=NOW)


def test_counters_and_the_last_error(admin, source):
    alert_sources.count_push(source, events=3, rejections=["alerts[1]: bad"], now=NOW)
    alert_sources.count_refusal(source.id, source.tenant_id, code="EntityTooLarge", message="big", now=NOW + HOUR)
    db.session.commit()
    db.session.expire_all()
    source = alert_sources.get(source.id, viewer=admin)
    assert (source.event_count, source.rejected_count, source.last_event_at) == (3, 2, NOW)
    assert source.last_error == {"code": "EntityTooLarge", "message": "big", "at": (NOW + HOUR).isoformat()}
