"""The comparison: two columns by pages, pairs taken apart and made, and the dialog that confirms it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from blueprints.access import current_member, requires
from blueprints.contact_sync import bp
from blueprints.live import is_fragment
from blueprints.row_numbers import row_id
from errors import AppError, InvalidInput, NotFound
from extensions import db
from models import ContactSync, ContactSyncState, Integration
from platforms import PLATFORMS
from services import contact_comparison, contact_syncs
from services.clock import utcnow
from services.wording import error_sentence

PLACE = ("left", "left_after", "right", "right_after", "choose", "q", "outside")
"""Parts of an address that say what is shown of the two columns."""
NAMED = 200
"""How many new people the confirmation names."""


def comparison_page(sync: ContactSync, *, problem: str = "", status: int = 200) -> ResponseReturnValue:
    """The comparison as the address asks for it; to htmx its changing part alone."""
    template = "contact_sync/_comparison.html" if is_fragment() else "contact_sync/comparison.html"
    return render_template(template, problem=problem, **_shown(sync)), status


def _shown(sync: ContactSync) -> dict[str, Any]:
    place = {name: request.args[name] for name in PLACE if request.args.get(name)}
    left = contact_comparison.accounts(sync, text=place.get("left", ""), after=place.get("left_after", ""))
    right = contact_comparison.people(sync, text=place.get("right", ""), after=place.get("right_after", ""))
    chosen = next((one.user for one in left.items if str(one.user.id) == place.get("choose")), None)
    integration = db.session.get_one(Integration, sync.integration_id)
    return {
        "sync": sync,
        "integration": integration,
        "platform": PLATFORMS[integration.platform],
        "left": left,
        "right": right,
        "users": contact_comparison.paired_users(sync, right.items),
        "departments": contact_comparison.department_names(sync),
        "extent": contact_syncs.extent(sync),
        "withholds_names": contact_comparison.withholds_names(sync),
        "offered": contact_comparison.offered(sync, chosen, text=place.get("q", "")) if chosen else [],
        "place": place,
    }


@bp.post("/syncs/<int:sync_id>/people/<int:person_id>/<any(apart, pair, outside, exclude, include):verb>")
@requires("member.edit")
def change(sync_id: int, person_id: int, verb: str) -> ResponseReturnValue:
    """Change one person of the comparison; whoever was overtaken sees it as it is now, and that it was so."""
    sync = contact_syncs.get(sync_id, viewer=current_member())
    seen = _number("version")
    act: Callable[[], None] = {
        "apart": lambda: contact_comparison.take_apart(sync, person_id, seen=seen, by=current_member()),
        "pair": lambda: contact_comparison.pair(sync, person_id, _number("user_id"), seen=seen, by=current_member()),
        "outside": lambda: contact_comparison.pair_outside(
            sync, person_id, request.form.get("account", ""), seen=seen, by=current_member()
        ),
        "exclude": lambda: contact_comparison.include(sync, person_id, False, seen=seen, by=current_member()),
        "include": lambda: contact_comparison.include(sync, person_id, True, seen=seen, by=current_member()),
    }[verb]
    try:
        act()
    except NotFound:
        raise
    except AppError as error:
        db.session.rollback()
        status = 422 if isinstance(error, InvalidInput) else 409
        return _told(sync_id, error_sentence(error), status)
    db.session.commit()
    if is_fragment():
        return comparison_page(sync)
    place = {name: request.args[name] for name in PLACE if request.args.get(name) and name not in ("choose", "q")}
    return redirect(url_for(".sync", sync_id=sync.id, **place), code=303)  # type: ignore[arg-type]


def _told(sync_id: int, problem: str, status: int) -> ResponseReturnValue:
    sync = contact_syncs.get(sync_id, viewer=current_member())
    if sync.state is not ContactSyncState.COMPARING:
        url = url_for(".sync", sync_id=sync.id)
        return ("", 204, {"HX-Redirect": url}) if is_fragment() else redirect(url, code=303)
    return comparison_page(sync, problem=problem, status=status)


@bp.get("/syncs/<int:sync_id>/confirm")
@requires("member.edit")
def confirm(sync_id: int) -> ResponseReturnValue:
    """What 确认同步 would do, and the choice of initial passwords."""
    return _confirmation(contact_syncs.get(sync_id, viewer=current_member()))


@bp.post("/syncs/<int:sync_id>/confirm")
@requires("member.edit")
def apply(sync_id: int) -> ResponseReturnValue:
    sync = contact_syncs.get(sync_id, viewer=current_member())
    try:
        contact_syncs.confirm(
            sync,
            seen=_number("version"),
            initial_passwords=request.form.get("initial_passwords", "random"),
            is_shrinking_meant=request.form.get("is_shrinking_meant") == "y",
            by=current_member(),
            now=utcnow(),
        )
    except (contact_syncs.ComparisonChanged, contact_syncs.ShrunkUnconfirmed) as error:
        db.session.rollback()
        sync = contact_syncs.get(sync_id, viewer=current_member())
        return _confirmation(sync, problem=error_sentence(error), status=409)
    except contact_syncs.NotComparing:
        db.session.rollback()
        return redirect(url_for(".sync", sync_id=sync_id), code=303)
    db.session.commit()
    return redirect(url_for(".sync", sync_id=sync.id), code=303)


def _confirmation(sync: ContactSync, *, problem: str = "", status: int = 200) -> ResponseReturnValue:
    if sync.state is not ContactSyncState.COMPARING:
        return redirect(url_for(".sync", sync_id=sync.id), code=303)
    integration = db.session.get_one(Integration, sync.integration_id)
    page = render_template(
        "contact_sync/confirm.html",
        sync=sync,
        integration=integration,
        platform=PLATFORMS[integration.platform],
        extent=contact_syncs.extent(sync),
        new_people=contact_syncs.new_people(sync, limit=NAMED),
        problem=problem,
    )
    return page, status


@bp.post("/syncs/<int:sync_id>/discard")
@requires("member.edit")
def discard(sync_id: int) -> ResponseReturnValue:
    """Give the comparison up; the next 同步 reads the contacts anew."""
    sync = contact_syncs.get(sync_id, viewer=current_member())
    try:
        contact_syncs.discard(sync, by=current_member(), now=utcnow())
    except contact_syncs.NotComparing:
        db.session.rollback()
        return redirect(url_for(".sync", sync_id=sync_id), code=303)
    db.session.commit()
    return redirect(url_for(".connection", integration_id=sync.integration_id), code=303)


def _number(name: str) -> int:
    return row_id(request.form.get(name, "")) or 0
