"""Every test of a service gets a database of its own, of each kind the product runs on."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from extensions import db, wait_at_most
from models import Tenant

NOW = datetime(2026, 3, 2, 9, 31, tzinfo=UTC)


@pytest.mark.parametrize("name", ["星河科技", "北辰物流"])
def test_a_test_sees_only_what_it_wrote_itself(app, name):
    db.session.add(Tenant(name=name, house_number="XH0001", created_at=NOW))
    db.session.commit()

    written = db.session.scalars(select(Tenant)).all()

    assert [(tenant.name, tenant.created_at) for tenant in written if tenant.id] == [(name, NOW)]


def test_somebody_with_a_deadline_gives_up_in_time(app):
    db.session.add(Tenant(name="星河科技", house_number="XH0001", created_at=NOW))
    db.session.commit()
    held = "SELECT id FROM tenants FOR UPDATE" if db.engine.dialect.name == "postgresql" else "SELECT 1"
    with db.engine.connect() as other:  # on SQLite its mere beginning keeps other writers out
        other.execute(text(held))
        wait_at_most(0.2)
        began = time.monotonic()
        with pytest.raises(OperationalError):
            db.session.execute(text("UPDATE tenants SET name = 'x'"))
        assert time.monotonic() - began < 5
    db.session.rollback()
    db.session.execute(text("UPDATE tenants SET name = 'x'"))
