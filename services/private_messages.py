"""Short messages to one person on a platform, where no page and no card can say it."""

from __future__ import annotations

from datetime import datetime

from extensions import db
from models import Integration, Tenant
from services import outbox
from services.wording import say, speaking
from texts import Text


def tell(integration: Integration, external_user_id: str, text: Text, *, now: datetime) -> None:
    """Stage a private message to somebody on the platform, in the organisation's language."""
    with speaking(db.session.get_one(Tenant, integration.tenant_id)):
        payload = {"to": external_user_id, "text": say(text)}
    outbox.enqueue(
        "tell",
        tenant_id=integration.tenant_id,
        subject_id=integration.id,
        due_at=now,
        now=now,
        payload=payload,
        queue=outbox.queue_of(integration.id),
    )
