"""This installation: its settings and its default organisation."""

from __future__ import annotations

from datetime import datetime

from flask import current_app
from sqlalchemy.exc import IntegrityError

from config import Settings
from extensions import db
from models import Tenant

DEFAULT_TENANT_ID = 0
DEFAULT_TENANT_NAME = "默认组织"
DEFAULT_HOUSE_NUMBER = "HOME00"


def current_settings() -> Settings:
    """The settings that the running application was built from."""
    settings = current_app.config["SETTINGS"]
    assert isinstance(settings, Settings)  # noqa: S101 - narrows the type
    return settings


def default_tenant(*, now: datetime) -> Tenant:
    """The organisation with id 0; staged when it does not exist yet."""
    tenant = db.session.get(Tenant, DEFAULT_TENANT_ID)
    if tenant is not None:
        return tenant
    tenant = Tenant(id=DEFAULT_TENANT_ID, name=DEFAULT_TENANT_NAME, house_number=DEFAULT_HOUSE_NUMBER, created_at=now)
    try:
        with db.session.begin_nested():
            db.session.add(tenant)
    except IntegrityError:  # another process made it at this moment
        return db.session.get_one(Tenant, DEFAULT_TENANT_ID)
    return tenant
