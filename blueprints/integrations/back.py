"""Where a button of a connection's pages leads back to."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from models import Integration
from services import setup


def back_to(integration: Integration) -> ResponseReturnValue:
    """The page that the button was on: a step of the wizard, or the detail page."""
    key = request.form.get("step")
    if key in {known.key for known in setup.mode_of(integration).steps}:
        return redirect(url_for(".step", integration_id=integration.id, key=key), code=303)
    return redirect(url_for(".detail", integration_id=integration.id), code=303)
