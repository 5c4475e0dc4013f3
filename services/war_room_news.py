"""Having an incident's war room look at what is new. All that changes incidents comes by here, so it needs little."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, literal_column, select

from extensions import db
from models import WarRoom
from services import outbox

KIND = "war_room"
"""Kind of the row that brings a room up to date; there is one of each room."""
_IS_OPEN = WarRoom.state.in_([literal_column("'creating'"), literal_column("'active'"), literal_column("'dismissing'")])
"""Written out, so that both databases see that the partial index serves."""
_OPEN_ROOMS = select(WarRoom.id, WarRoom.integration_id).where(
    WarRoom.tenant_id == bindparam("of_tenant"),
    WarRoom.incident_id.in_(bindparam("of_incidents", expanding=True)),
    _IS_OPEN,
)


def stage(incident_ids: Collection[int], *, tenant_id: int, now: datetime) -> None:
    """Stage that the rooms of these incidents are brought up to date; nothing where there is none. One query."""
    about = {"of_tenant": tenant_id, "of_incidents": list(incident_ids)}
    for room_id, integration_id in db.session.execute(_OPEN_ROOMS, about).all():
        wake(room_id, tenant_id=tenant_id, integration_id=integration_id, now=now)


def wake(room_id: int, *, tenant_id: int, integration_id: int | None, now: datetime) -> None:
    """Stage that one room is brought up to date."""
    db.session.flush()
    queue = outbox.queue_of(integration_id or 0)
    on = db.session.connection()
    if outbox.ensure_pending(on, KIND, tenant_id=tenant_id, subject_id=room_id, now=now, queue=queue):
        outbox.wake_after_commit()
