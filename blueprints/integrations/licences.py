"""The licences of a connection on a page of their own, read anew at an administrator's wish."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.integrations import bp
from blueprints.paging import page_url
from blueprints.row_numbers import row_id
from errors import NotFound
from extensions import db
from models import Integration
from services import licence_reading, licences, setup
from services.clock import utcnow


@bp.get("/<int:integration_id>/licences")
@requires("integration.view")
def licence_list(integration_id: int) -> ResponseReturnValue:
    shown = _shown(setup.get(integration_id, viewer=current_member()))
    if live.unchanged(shown["etag"]):
        return live.not_modified(shown["etag"])
    return render_template(
        "integrations/_licence_list.html" if live.is_fragment() else "integrations/licences.html", **shown
    )


def _shown(integration: Integration) -> dict[str, Any]:
    """What the page shows. Raises NotFound where no licences are asked for."""
    now = utcnow()
    stands = licences.standing(integration, now=now)
    if stands is None:
        raise NotFound(str(integration.id))
    only_lacking, after = request.args.get("only") == "lacking", row_id(request.args.get("after", "")) or 0
    people, following = licences.members(integration, now=now, only_lacking=only_lacking, after=after)
    is_being_read = licence_reading.is_being_read(integration)
    rows = [
        (one.link.id, one.state, one.licence and (one.licence.expires_at, one.licence.refused_at)) for one in people
    ]
    facts = (stands.trial_ends_at, stands.days_left, stands.lacking, stands.refused, stands.read_at, stands.problem)
    return {
        "integration": integration,
        "licence": stands,
        "people": people,
        "only_lacking": only_lacking,
        "is_being_read": is_being_read,
        "older_url": page_url(str(following) if following else None, "after"),
        "newer_url": page_url("", "after") if after else "",
        "here": request.full_path,
        "etag": live.tag(rows, facts, is_being_read, following),
    }


@bp.post("/<int:integration_id>/licences")
@requires("integration.edit")
def refresh_licences(integration_id: int) -> ResponseReturnValue:
    """Have the worker ask the platform; what it finds appears on the page."""
    integration = setup.get(integration_id, viewer=current_member())
    if licences.rules_of(integration) is None:
        raise NotFound(str(integration_id))
    licence_reading.ask(integration, now=utcnow())
    db.session.commit()
    flash(_("正在读取，结果会自动出现在下面"), "info")
    return redirect(url_for(".licence_list", integration_id=integration_id), code=303)
