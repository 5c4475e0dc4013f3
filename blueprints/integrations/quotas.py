"""What the use of a connection's platform is measured by, on its page."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.integrations import bp
from errors import InvalidInput, NotFound
from extensions import db
from services import calls, setup
from services.wording import say_error
from whole_numbers import whole

MOST = 999_999_999


@bp.post("/<int:integration_id>/quota")
@requires("integration.edit")
def set_quota(integration_id: int) -> ResponseReturnValue:
    """Enter the number that the platform's quota follows from."""
    integration = setup.hold(integration_id, viewer=current_member())
    quota = calls.quota_of(integration)
    if quota is None:
        raise NotFound(str(integration_id))
    number = whole(request.form.get("number", "").strip(), MOST)
    try:
        calls.set_number(integration, quota.number, -1 if number is None else number, by=current_member())
    except InvalidInput as error:
        flash(say_error(error)[0], "error")
    else:
        db.session.commit()
        flash(_("额度已保存"), "ok")
    return redirect(url_for(".detail", integration_id=integration_id) + "#quota", code=303)
