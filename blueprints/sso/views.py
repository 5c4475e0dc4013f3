"""Going to the identity provider and coming back."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from blueprints import access
from blueprints.access import public, safe_next
from blueprints.h5.visit import remember_candidate
from blueprints.sso import bp
from blueprints.sso.departures import Left, send_off, take
from errors import AppError, NotFound
from extensions import begin_write, db
from models import Membership
from services import audit, integrations, linking, single_sign_on
from services.clock import utcnow
from services.single_sign_on import NotOffered
from services.wording import error_sentence
from texts import N_


class Refused(AppError):
    """The provider sent the person back without a code: they gave up, or may not."""

    code = "sso.refused"
    api_code = "AccessDenied"
    message = N_("身份提供方没有完成登录")
    hint = N_("请重试；如仍失败，请联系身份提供方的管理员。")
    status = 403


@bp.get("")
@public
def begin() -> ResponseReturnValue:
    """Straight to the only provider there is, or first: of which organisation."""
    wanted, house_number = safe_next(request.args.get("next")) or "", request.args.get("house", "")
    offered = single_sign_on.offered()
    if len(offered) == 1 and not house_number:
        return redirect(url_for(".start", house=offered[0].tenant.house_number, next=wanted or None))
    found, problem = None, ""
    if house_number:
        try:
            found = single_sign_on.by_house_number(house_number)
        except NotOffered as error:
            problem = error_sentence(error)
    page = render_template("sso/choose.html", found=found, problem=problem, house_number=house_number, wanted=wanted)
    return page, 404 if problem else 200


@bp.get("/start")
@public
def start() -> ResponseReturnValue:
    """Off to the provider of an organisation."""
    provider = single_sign_on.by_house_number(request.args.get("house", ""))
    return send_off(provider, safe_next(request.args.get("next")) or url_for("overview.index"))


@bp.get("/callback")
@public
def callback() -> ResponseReturnValue:
    """The way back with a code: who is it, and do they belong here."""
    begin_write()
    state = request.args.get("state", "")
    left, now = take(state), utcnow()
    linking.use_state(state, tenant_id=left.tenant_id, opened_at=left.left_at, now=now)
    db.session.commit()
    if not (code := request.args.get("code", "")):
        raise Refused(request.args.get("error", "")[:80])
    proof = {"redirect_uri": left.redirect_uri, "nonce": left.nonce, "verifier": left.verifier}
    person = single_sign_on.identify(single_sign_on.for_tenant(left.tenant_id), code, **proof)
    member = single_sign_on.account_of(person, tenant_id=left.tenant_id, now=now)
    return _bind(member, left) if left.binds else _enter(member, left)


def _enter(member: Membership, left: Left) -> ResponseReturnValue:
    access.sign_in(member.user, tenant_id=member.tenant_id, by_sso=True)
    member.user.last_sign_in_at = utcnow()
    audit.record("sign_in", user=member.user, tenant_id=member.tenant_id, via="sso")
    db.session.commit()
    return redirect(left.next_path)


def _bind(member: Membership, left: Left) -> ResponseReturnValue:
    """On with linking a platform account: who they are here is proven now, as by a password."""
    platform, public_key = left.binds or ("", "")
    integration = integrations.find_by_public_key(platform, public_key)
    if integration is None or integration.tenant_id != left.tenant_id:
        raise NotFound
    remember_candidate(member.user, integration, by_sso=True)
    db.session.commit()
    return redirect(url_for("h5.confirm_bind", platform=platform, public_key=public_key))
