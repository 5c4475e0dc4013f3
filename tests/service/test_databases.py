"""Every test of a service gets a database of its own, of each kind the product runs on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from extensions import db
from models import Tenant

NOW = datetime(2026, 3, 2, 9, 31, tzinfo=UTC)


@pytest.mark.parametrize("name", ["星河科技", "北辰物流"])
def test_a_test_sees_only_what_it_wrote_itself(app, name):
    db.session.add(Tenant(name=name, house_number="XH0001", created_at=NOW))
    db.session.commit()

    written = db.session.scalars(select(Tenant)).all()

    assert [(tenant.name, tenant.created_at) for tenant in written if tenant.id] == [(name, NOW)]
