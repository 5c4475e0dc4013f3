"""This installation: its settings and its default organisation."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from flask import current_app
from sqlalchemy.exc import IntegrityError

from config import Settings
from extensions import db
from models import Tenant

DEFAULT_TENANT_ID = 0
DEFAULT_TENANT_NAME = "默认组织"
DEFAULT_HOUSE_NUMBER = "HOME00"
SETUP_CODE_BYTES = 10
_SETUP_PURPOSE = b"dutybell setup code 1"


def current_settings() -> Settings:
    """The settings that the running application was built from."""
    settings: Settings = current_app.config["SETTINGS"]
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


def setup_code() -> str:
    """What the page for the first administrator asks for: 80 bits in four groups, the same in every process.

    It is shown at the start to whoever runs this installation, and worth nothing once there is an account.
    """
    mac = hmac.new(current_settings().secret_key.encode(), _SETUP_PURPOSE, hashlib.sha256).digest()
    text = base64.b32encode(mac[:SETUP_CODE_BYTES]).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def needs_setup_code() -> bool:
    """A demo runs on its visitor's own machine."""
    return not current_settings().demo


def is_setup_code(typed: str) -> bool:
    """Compared in constant time; case, blanks and dashes do not matter."""
    return hmac.compare_digest(_bare(typed), _bare(setup_code()))


def _bare(code: str) -> bytes:
    return "".join(letter for letter in code.upper() if letter.isalnum()).encode()
