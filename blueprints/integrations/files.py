"""Files of the wizard: to download for the vendor's console, and ownership files at the root of the trusted domain."""

from __future__ import annotations

from flask import Response, request
from flask.typing import ResponseReturnValue

from blueprints.access import current_member, public, requires
from blueprints.integrations import bp, ownership
from errors import NotFound
from extensions import begin_write, db
from models import CheckState
from services import checks, setup
from services.clock import utcnow


@bp.get("/<int:integration_id>/files/<name>")
@requires("integration.view")
def setup_file(integration_id: int, name: str) -> ResponseReturnValue:
    """A file that a step of the wizard offers, for upload in the vendor's console."""
    offered = setup.mode_of(setup.get(integration_id, viewer=current_member())).file(name)
    if offered is None:
        raise NotFound
    response = Response(offered.content, content_type=f"{offered.content_type}; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=offered.name)
    return response


@ownership.get("/<string(maxlength=80):name>.txt")
@public
def ownership_file(name: str) -> ResponseReturnValue:
    """The file exactly as it was pasted in. Served under the trusted domain, it proves that the domain leads here."""
    integration = setup.find_by_ownership_file(f"{name}.txt")
    content = integration.settings.get("ownership_file_content") if integration else None
    if integration is None or not content:
        raise NotFound
    known = checks.get(integration, "domain")
    is_ours = request.host == integration.settings.get("trusted_domain")
    if is_ours and (known is None or known.state is not CheckState.PASSED):
        begin_write()
        checks.passed(integration, "domain", now=utcnow(), domain=request.host, confirmed=True)
        db.session.commit()
    return Response(content, content_type="text/plain; charset=utf-8")
