"""Getting in: silent sign-in by the platform, the one-time link with an account here, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup

from blueprints.access import (
    LINK_KEY,
    LINK_TENANT_KEY,
    TYPED_KEY,
    ConfinedSession,
    act_as,
    current_member,
    in_the_way,
    is_told_of,
    public,
    safe_next,
    sign_in,
    sign_out,
)
from blueprints.h5 import bp, tenant_home
from blueprints.h5.forms import BindForm
from blueprints.h5.visit import (
    application_of,
    candidate,
    current_link,
    forget_identity,
    load,
    open_state,
    remember_candidate,
    remember_identity,
    remembered_identity,
    take_state,
    visit,
)
from blueprints.live import is_fragment
from blueprints.seating import seat
from blueprints.sso.departures import send_off
from errors import AppError, NotFound
from extensions import begin_write, db
from models import AccountLink, Membership, MembershipState, Tenant, TenantStatus, User
from services import accounts, audit, checks, deliveries, integrations, linking, rights, single_sign_on
from services.clock import utcnow
from services.seats import NoSeat
from services.wording import say_error

BY_SSO = "sso"
"""Source of a link whose person here was proven by the organisation's identity provider, not by a password."""
SIGNED_IN_VIEWS = {
    "h5.switch_account",
    "h5.unlink",
    "h5.waiting",
    "h5.organisations",
    "h5.prove_password",
    "h5.enter_organisation",
}
"""What also a person may do who may not look at incidents: go, here or elsewhere, and come back as somebody else."""
OPEN_VIEWS = {
    "h5.home",
    "h5.desktop_home",
    "h5.log_in",
    "h5.oauth",
    "h5.bind",
    "h5.bind_post",
    "h5.bind_by_sso",
    "h5.confirm_bind",
    "h5.link_account",
}


@bp.url_value_preprocessor
def take_address(_endpoint: str | None, values: dict[str, str] | None) -> None:
    g.h5_address = (values or {}).pop("platform", ""), (values or {}).pop("public_key", "")


@bp.url_defaults
def keep_address(_endpoint: str, values: dict[str, str]) -> None:
    if "h5_address" in g:
        values.setdefault("platform", g.h5_address[0])
        values.setdefault("public_key", g.h5_address[1])


@bp.before_request
def admit() -> ResponseReturnValue | None:
    """Let in whoever is signed in and, if they came through a link, whose link still stands."""
    g.visit = load(*g.h5_address)
    g.problem_page = "h5/problem.html"
    if request.endpoint in OPEN_VIEWS:
        return None
    if LINK_KEY in session and current_link() is None:
        begin_write()
        sign_out()
        db.session.commit()
    if not current_user.is_authenticated:
        return redirect(url_for("h5.home", next=wanted_path()))
    return None if request.endpoint in SIGNED_IN_VIEWS else not_admitted()


def not_admitted() -> ResponseReturnValue | None:
    """Say in words why a signed-in person may not look, or enter the organisation and return None."""
    place = known_place()
    if place is None:
        is_told = is_told_of(visit().integration.tenant_id)
        return refused(*say_error(linking.NoMembership() if is_told else ConfinedSession()))
    if place.state is MembershipState.UNDER_REVIEW and place.tenant.status is TenantStatus.ACTIVE:
        admins = accounts.administrators(place.tenant_id)
        return render_template("h5/under_review.html", admins=admins, wanted=wanted_path()), 403
    if (obstacle := in_the_way(place)) is not None:
        required = isinstance(obstacle, single_sign_on.SsoRequired)
        return refused(*say_error(obstacle), sso_house=place.tenant.house_number if required else "")
    if not rights.can(place, "incident.view"):
        return refused(_("您没有查看故障的权限"), _("请联系管理员为您分配角色。"))
    try:
        seat(place)
    except NoSeat as error:
        return refused(*say_error(error))
    act_as(place)
    return None


def known_place() -> Membership | None:
    """The person's place in the organisation of this page, whatever its state, if their session is told of it."""
    tenant_id = visit().integration.tenant_id
    return linking.place(current_user, tenant_id) if is_told_of(tenant_id) else None


@bp.get("/waiting")
def waiting() -> ResponseReturnValue:
    """Asked every few seconds by the page of a person under review: on to where they were going, once decided."""
    place = known_place()
    if place is not None and place.state is MembershipState.UNDER_REVIEW:
        return "", 204
    wanted = safe_next(request.args.get("next")) or url_for("h5.incident_list")
    return ("", 204, {"HX-Redirect": wanted}) if is_fragment() else redirect(wanted)


def refused(reason: str, hint: str, *, sso_house: str = "") -> ResponseReturnValue:
    """sso_house: house number of an organisation whose identity provider would let the person in."""
    page = {"reason": reason, "hint": hint, "sso_house": sso_house, "wanted": wanted_path()}
    return render_template("h5/no_access.html", **page), 403


def wanted_path() -> str:
    """Where a person was going: the page itself, or the list if they were about to change something."""
    return request.full_path.rstrip("?") if request.method == "GET" else url_for("h5.incident_list")


@bp.get("/", strict_slashes=False)
@bp.get("/pc", endpoint="desktop_home")
@public
def home() -> ResponseReturnValue:
    """The entry: on to the incidents, or the platform's silent sign-in, or how to open this in the client.

    /pc is what a desktop client opens that has a home page of its own.
    """
    wanted = safe_next(request.args.get("next")) or url_for("h5.incident_list")
    if current_user.is_authenticated and (LINK_KEY not in session or current_link() is not None):
        return redirect(wanted)
    if visit().in_client:
        return redirect(url_for("h5.log_in", next=wanted))
    return render_template("h5/outside.html", wanted=wanted)


@bp.get("/log-in")
@public
def log_in() -> ResponseReturnValue:
    """Off to the platform's sign-in: silent inside the client, by QR code elsewhere.

    It leads back to the trusted domain only, so a person who came by another name of ours goes there first.
    """
    wanted = safe_next(request.args.get("next")) or url_for("h5.incident_list")
    here = integrations.app_url(visit().integration)
    if urlsplit(here).netloc != request.host:
        return redirect(f"{here}/log-in?" + request.query_string.decode())
    platform = integrations.platform_for(visit().integration)
    if visit().asks_client:
        return ask_client(platform.client_sign_in(), wanted)
    return redirect(platform.sign_in_url(f"{here}/oauth", open_state(wanted), in_client=visit().in_client))


def ask_client(asked: Mapping[str, str], wanted: str) -> ResponseReturnValue:
    """The page whose script asks the client for a code; `asked` becomes its data- attributes."""
    return render_template(
        "h5/client_sign_in.html",
        asked=data_attributes(asked),
        state=open_state(wanted, by_script=True),
        retry_url=url_for("h5.log_in", next=wanted),
        wanted=wanted,
    )


def data_attributes(values: Mapping[str, str]) -> Markup:
    """{"corp_id": "ding…"} as data-corp-id="ding…"."""
    return Markup(" ").join(Markup('data-{}="{}"').format(name.replace("_", "-"), values[name]) for name in values)


@bp.get("/oauth")
@public
def oauth() -> ResponseReturnValue:
    """The way back with a code: ask the platform who this is, then sign in or begin to link."""
    begin_write()
    opened = take_state(request.args.get("state", ""))
    integration = visit().integration
    opened_at = datetime.fromtimestamp(opened.opened_at, UTC)
    linking.use_state(request.args["state"], tenant_id=integration.tenant_id, opened_at=opened_at, now=utcnow())
    db.session.commit()
    codes = (request.args.get(name, "") for name in visit().platform.capabilities.code_names)
    code = next(filter(None, codes), "")
    if not code:
        raise linking.SignInExpired("refused on the platform")
    identity = integrations.platform_for(integration).identify(
        code, in_client=opened.by_script, redirect_uri=f"{integrations.app_url(integration)}/oauth"
    )
    if identity.external_user_id is None:
        raise linking.NotAMember
    checks.passed(integration, "home_page", now=utcnow(), person=identity.name or identity.external_user_id)
    link = linking.find(integration, identity.external_user_id)
    if link is not None and linking.was_given_on(link, identity):
        linking.end_given_on(link)
        link = None
    if link is None or link.user.is_disabled:
        db.session.commit()
        remember_identity(identity, opened.next_path)
        return redirect(url_for("h5.bind"))
    linking.seen(link, identity, now=utcnow())
    enter(link.user, link)
    db.session.commit()
    return redirect(opened.next_path)


def enter(user: User, link: AccountLink) -> None:
    """Begin a session for a linked person; a new one, so that a planted cookie is worth nothing."""
    sign_in(user, tenant_id=link.tenant_id, by_sso=link.source == BY_SSO)
    session[LINK_KEY], session[LINK_TENANT_KEY] = link.id, link.tenant_id
    audit.record("sign_in", user=user, tenant_id=link.tenant_id, via=visit().integration.platform)


@bp.get("/bind")
@bp.post("/bind", endpoint="bind_post")
@public
def bind() -> ResponseReturnValue:
    """First opening: which platform account this is, and which account here it shall belong to."""
    remembered = remembered_identity()
    if remembered is None:
        return redirect(url_for("h5.home"))
    form, tenant = BindForm(), db.session.get_one(Tenant, visit().integration.tenant_id)
    if request.method == "POST" and tenant.requires_sso:
        raise single_sign_on.SsoRequired(organisation=tenant.name)
    if form.validate_on_submit():
        try:
            user = proven_account(form)
        except AppError as error:
            db.session.commit()  # a wrong password counts
            form.form_errors = [" ".join(say_error(error))]
        else:
            remember_candidate(user, visit().integration, by_sso=False)
            db.session.commit()
            return redirect(url_for("h5.confirm_bind"), code=303)
    status = 422 if request.method == "POST" else 200
    ways = {"has_sso": _offers_sso(), "requires_sso": tenant.requires_sso}
    return render_template("h5/bind.html", form=form, identity=remembered[0], **ways), status


@bp.get("/bind/sso")
@public
def bind_by_sso() -> ResponseReturnValue:
    """Prove the account here by the organisation's identity provider; comes back to confirm_bind."""
    if remembered_identity() is None:
        return redirect(url_for("h5.home"))
    integration = visit().integration
    provider = single_sign_on.for_tenant(integration.tenant_id)
    return send_off(provider, url_for("h5.home"), binds=(integration.platform, integration.public_key))


def _offers_sso() -> bool:
    provider = single_sign_on.of(visit().integration.tenant_id)
    return provider is not None and provider.is_enabled


def proven_account(form: BindForm) -> User:
    """The account whose password was given, if it belongs to this organisation."""
    user = accounts.authenticate(
        form.username.data or "", form.password.data or "", address=request.remote_addr or "", now=utcnow()
    )
    linking.membership(user, visit().integration.tenant_id)
    return user


@bp.get("/bind/confirm")
@public
def confirm_bind() -> ResponseReturnValue:
    """Name both sides and ask, before anything is linked."""
    remembered, proven = remembered_identity(), candidate()
    if remembered is None or proven is None:
        return redirect(url_for("h5.home"))
    other = linking.find_for_user(visit().integration, proven.user.id)
    return render_template("h5/confirm_bind.html", identity=remembered[0], user=proven.user, other_link=other)


@bp.post("/bind/confirm", endpoint="link_account")
@public
def link_account() -> ResponseReturnValue:
    """Link and sign in."""
    remembered, proven = remembered_identity(), candidate()
    if remembered is None or proven is None:
        return redirect(url_for("h5.home"), code=303)
    identity, wanted = remembered
    source = BY_SSO if proven.by_sso else "login"
    forget_identity()
    made = linking.link(visit().integration, proven.user, identity, source=source, now=utcnow())
    enter(proven.user, made)
    session[TYPED_KEY] = source == "login"
    db.session.commit()
    flash(_("关联成功，以后打开会自动登录"), "ok")
    return redirect(url_for("h5.linked", next=wanted), code=303)


@bp.get("/linked")
def linked() -> ResponseReturnValue:
    """After linking: what failed for want of a link and is still about something open, if there is any."""
    wanted = safe_next(request.args.get("next")) or url_for("h5.incident_list")
    missed = deliveries.resendable_after_link(current_member().user, visit().integration)
    if not missed:
        return redirect(wanted)
    return render_template("h5/linked.html", waiting=len(missed), wanted=wanted)


@tenant_home.get("/tenantId/<int:tenant_id>")
@public
def by_tenant(tenant_id: int) -> ResponseReturnValue:
    """The home page address that names an organisation instead of an integration: the one of this client."""
    integration = application_of(tenant_id)
    if integration is None:
        raise NotFound
    return redirect(integrations.app_url(integration))
