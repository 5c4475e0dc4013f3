"""Finding one incident for a person, or for a job that is about to change it; holding it for one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload

from errors import NotFound
from extensions import db
from models import Incident, Membership
from services.visibility import sees_incident

_LOCKED = (
    select(Incident)
    .where(Incident.tenant_id == bindparam("tenant_id"), Incident.id == bindparam("id"))
    .options(joinedload(Incident.channel))
    .with_for_update(of=Incident)
    .execution_options(populate_existing=True)
)


def get(num: int, *, viewer: Membership) -> Incident:
    """The incident #num. Raises NotFound also for other organisations' and for those hidden from the viewer."""
    incident = db.session.scalar(select(Incident).where(Incident.tenant_id == viewer.tenant_id, Incident.num == num))
    if incident is None or not sees_incident(incident, viewer):
        raise NotFound()
    return incident


def lock(incident_id: int, tenant_id: int) -> Incident:
    """The incident, freshly read and held until the transaction ends. Raises NotFound."""
    incident = db.session.scalar(_LOCKED, {"tenant_id": tenant_id, "id": incident_id})
    if incident is None:
        raise NotFound()
    note_held([incident])
    return incident


def hold(incident: Incident) -> Incident:
    """Lock the row until the transaction ends and read it anew, so that of two presses the second sees the first.

    A row that this transaction has locked and read already is left as it is: nobody else can have changed it.
    """
    if incident.id not in _held():
        db.session.flush()
        db.session.refresh(incident, with_for_update=True)
        note_held([incident])
    return incident


def note_held(incidents: Iterable[Incident]) -> None:
    """Remember that the present transaction has just locked and read these."""
    held = _held() | {incident.id for incident in incidents}
    db.session.info["held_incidents"] = (db.session().get_transaction(), held)


def _held() -> frozenset[int]:
    """Ids of the incidents that the present transaction holds; what an earlier one held counts for nothing."""
    transaction, held = db.session.info.get("held_incidents", (None, frozenset()))
    return held if transaction is not None and transaction is db.session().get_transaction() else frozenset()
