"""Short messages to one person on a platform, where no page and no card can say it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from extensions import db
from models import Integration, Tenant
from services import outbox
from services.wording import Home, say, speaking
from texts import Text


def tell(integration: Integration, external_user_id: str, text: Text, *, now: datetime) -> None:
    """Stage a private message to somebody on the platform, in the organisation's language."""
    tenant = db.session.get_one(Tenant, integration.tenant_id)
    outbox.enqueue(**sending(integration, external_user_id, text, tenant=tenant, now=now))


def sending(
    integration: Integration, external_user_id: str, text: Text, *, tenant: Home, now: datetime
) -> dict[str, Any]:
    """The same as arguments of the outbox, for who stages several rows at once."""
    with speaking(tenant):
        said = say(text)
    return {
        "kind": "tell",
        "tenant_id": integration.tenant_id,
        "subject_id": integration.id,
        "due_at": now,
        "now": now,
        "payload": {"to": external_user_id, "text": said},
        "queue": outbox.queue_of(integration.id),
    }
