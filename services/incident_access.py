"""Finding one incident for a person, or for a job that is about to change it."""

from __future__ import annotations

from sqlalchemy import select

from errors import NotFound
from extensions import db
from models import Incident, Membership
from services.visibility import sees_incident


def get(num: int, *, viewer: Membership) -> Incident:
    """The incident #num. Raises NotFound also for other organisations' and for those hidden from the viewer."""
    incident = db.session.scalar(select(Incident).where(Incident.tenant_id == viewer.tenant_id, Incident.num == num))
    if incident is None or not sees_incident(incident, viewer):
        raise NotFound()
    return incident


def lock(incident_id: int, tenant_id: int) -> Incident:
    """The incident, freshly read and held until the transaction ends. Raises NotFound."""
    incident = db.session.scalar(
        select(Incident)
        .where(Incident.tenant_id == tenant_id, Incident.id == incident_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if incident is None:
        raise NotFound()
    return incident
