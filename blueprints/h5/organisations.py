"""From one organisation into another, by the menu at the top right.

A session that a password opened changes at once. One that an organisation's application or identity provider opened
could be anybody's whom that organisation named: it is told of no other one until its person has typed the password.
"""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints.access import (
    act_as,
    choose_organisation,
    in_the_way,
    places_told,
    session_tenant,
    sign_in,
    sign_out,
    vouched_by,
    way_refused,
)
from blueprints.forms import refused
from blueprints.h5 import bp
from blueprints.h5.forms import OwnPasswordForm
from blueprints.h5.visit import application_of, visit
from errors import AppError, NotFound
from extensions import db
from models import User
from services import accounts, audit, linking
from services.clock import utcnow
from services.wording import say_error

CONFINED = "h5/organisations_confined.html"


@bp.get("/account/organisations")
def organisations() -> ResponseReturnValue:
    """Where else the person is; before that, for a session that an organisation vouches for, their password."""
    if vouched_by() is not None:
        return render_template(CONFINED, form=OwnPasswordForm())
    places = places_told()
    return render_template(
        "h5/organisations.html",
        places=places,
        here=visit().integration.tenant_id,
        reasons={place.id: say_error(error) for place in places if (error := way_refused(place)) is not None},
        home_in=home_in,
    )


@bp.post("/account/organisations")
def prove_password() -> ResponseReturnValue:
    """Begin a session of the person's own in place of the one that an organisation opened for them."""
    if vouched_by() is None:
        return redirect(url_for("h5.organisations"), code=303)
    form, user = OwnPasswordForm(), current_user._get_current_object()
    if not form.validate_on_submit():
        return render_template(CONFINED, form=form), 422
    try:
        accounts.confirm(user, form.current.data or "", address=request.remote_addr or "", now=utcnow())
    except AppError as error:
        return refused(CONFINED, form, error)
    _begin_own_session(user)
    db.session.commit()
    return redirect(url_for("h5.organisations"), code=303)


def _begin_own_session(user: User) -> None:
    """It stays in the organisation of this page, if a password leads there."""
    sign_out()
    sign_in(user, tenant_id=None)
    place = linking.place(user, visit().integration.tenant_id)
    if place is not None and in_the_way(place) is None:
        act_as(place)
    audit.record("sign_in", user=user, tenant_id=session_tenant(), via="password")


@bp.post("/account/organisations/<int:tenant_id>")
def enter_organisation(tenant_id: int) -> ResponseReturnValue:
    """Act in another organisation from now on, and go to its own pages: an incident of this one is unknown there."""
    place = next((place for place in places_told() if place.tenant_id == tenant_id), None)
    if place is None:
        raise NotFound
    if way_refused(place) is not None:
        return redirect(url_for("h5.organisations"), code=303)
    choose_organisation(tenant_id)
    flash(_("已进入「%(organisation)s」", organisation=place.tenant.name), "ok")
    return redirect(home_in(tenant_id), code=303)


def home_in(tenant_id: int) -> str:
    """The first page of an organisation on this host, where the session is: in its application, or the console's."""
    application = application_of(tenant_id, like=visit().integration.platform)
    if application is None:
        return url_for("overview.index")
    return url_for("h5.incident_list", platform=application.platform, public_key=application.public_key)
