"""Reading a connection's groups before somebody chooses one."""

from __future__ import annotations

from flask import g

from extensions import db
from jobs.outbox import Claim, Done, Outcome
from models import Integration
from services import group_lists
from services.clock import utcnow


def run(mine: Claim) -> Outcome:
    """Handle a "list_groups" row. A failure is shown where groups are chosen."""
    integration = db.session.get(Integration, mine.subject_id)
    if integration is not None and integration.tenant_id == mine.tenant_id:
        g.called_platform = True
        group_lists.refresh(integration, now=utcnow())
    return Done()
