"""Single sign-on of an organisation: its identity provider, who is whom there, and whether it is the only way in.

The provider speaks for its own organisation alone. A session that it opened stays inside that organisation, and it
opens no account of a super-administrator: whoever runs it must not become somebody elsewhere. Accounts are not made;
somebody whom it names is linked once, by an e-mail that the provider has verified and that an account here has.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError

from errors import AccessDenied, AppError, Conflict, InvalidInput
from extensions import db
from models import Membership, SsoIdentity, SsoProvider, Tenant, User
from services import audit, integrations, oidc, rights, vault
from services.instance import current_settings
from services.oidc import Client, Person, ProviderFailed
from texts import N_, Text

CALLBACK = "/sso/callback"
SECRET = "client_secret"  # noqa: S105 its name
LONGEST_ISSUER, LONGEST_CLIENT_ID, LONGEST_SECRET = 300, 200, 500


class NotOffered(AppError):
    """The organisation has no provider that is switched on; the same for organisations that do not exist."""

    code = "sso.not_offered"
    api_code = "ResourceNotFound"
    message = N_("没有可用的单点登录")
    hint = N_("请检查门牌号，或用用户名和密码登录。")
    status = 404


class EmailNotVerified(AccessDenied):
    code = "sso.email_not_verified"
    message = N_("身份提供方没有给出已验证的邮箱")
    hint = N_("首次单点登录按已验证的邮箱关联账号，请联系身份提供方的管理员。")


class NobodyHasIt(AccessDenied):
    """No member of this organisation has the e-mail; also for members of other organisations and disabled ones."""

    code = "sso.nobody_has_it"
    message = N_("没有邮箱为 %(email)s 的成员")
    hint = N_("单点登录不会创建账号。请管理员添加您为成员，并在成员页面填写这个邮箱。")


class OperatorAccount(AccessDenied):
    code = "sso.operator_account"
    message = N_("实例管理员账号不能用组织的单点登录")
    hint = N_("请用用户名和密码登录。")


class SsoRequired(AccessDenied):
    code = "sso.required"
    message = N_("%(organisation)s 要求使用单点登录")
    hint = N_("请用单点登录进入。")


class NotProven(AppError):
    """Requiring what nobody has used yet would shut everybody out."""

    code = "sso.not_proven"
    api_code = "InvalidParameter"
    message = N_("请先用单点登录进入一次")
    hint = N_("只有通过单点登录进入的管理员才能要求所有人使用它，这样不会把自己关在门外。")
    status = 422


@dataclass(frozen=True)
class Departure:
    """Somebody about to be sent to the provider; all but `url` stays in their session."""

    url: str
    state: str
    nonce: str
    verifier: str
    redirect_uri: str


# --- setting it up ------------------------------------------------------------------------------------------------


def of(tenant_id: int) -> SsoProvider | None:
    return db.session.scalar(select(SsoProvider).where(SsoProvider.tenant_id == tenant_id))


def save(issuer: str, client_id: str, secret: str, *, by: Membership, now: datetime) -> SsoProvider:
    """Stage the provider's settings; an empty secret keeps the stored one, unless the issuer is another.

    Whatever changed has to prove itself again: it is switched off. Raises AccessDenied, InvalidInput.
    """
    rights.require(by, "organisation.edit")
    issuer, client_id = issuer.strip().rstrip("/"), client_id.strip()
    if not _is_address(issuer):
        raise InvalidInput("issuer", N_("应为身份提供方的地址，例如 https://id.example.com"))
    if not 1 <= len(client_id) <= LONGEST_CLIENT_ID:
        raise InvalidInput("client_id", N_("请填写 Client ID"))
    provider = of(by.tenant_id)
    if provider is None:
        provider = SsoProvider(tenant_id=by.tenant_id, secrets={}, created_at=now, issuer=issuer, client_id=client_id)
        db.session.add(provider)
    is_elsewhere = provider.issuer != issuer
    changed = is_elsewhere or provider.client_id != client_id or bool(secret.strip())
    if is_elsewhere or secret.strip():
        provider.secrets = _sealed(by.tenant_id, secret.strip())
    provider.issuer, provider.client_id = issuer, client_id
    if changed:
        _switch(provider, by.tenant, is_enabled=False)
        provider.checked_at, provider.problem = None, None
        audit.record("sso.changed", by=by, target=issuer, client_id=client_id, is_secret_new=bool(secret.strip()))
    db.session.flush()
    return provider


def _is_address(issuer: str) -> bool:
    try:
        parts = urlsplit(issuer)
    except ValueError:  # half an IPv6 address
        return False
    return bool(parts.netloc) and not parts.query and not parts.fragment and len(issuer) <= LONGEST_ISSUER


def try_out(provider: SsoProvider, *, now: datetime) -> None:
    """Ask the provider for its description and its keys, and note the outcome. Commits before it calls."""
    issuer = provider.issuer
    db.session.commit()
    try:
        oidc.keys(oidc.discover(issuer))
    except ProviderFailed as error:
        why: Text = error.params["reason"]
        provider.problem = {"message": why.message, "params": dict(why.params)}
    else:
        provider.problem = None
    provider.checked_at = now


def problem_of(provider: SsoProvider) -> Text | None:
    """What was wrong when it was last tried."""
    if provider.problem is None:
        return None
    message = provider.problem["message"]
    return Text(message, **provider.problem["params"])


def set_enabled(provider: SsoProvider, is_enabled: bool, *, by: Membership) -> None:
    """Offer it at sign-in or not. Raises AccessDenied, Conflict while its last try failed or there was none."""
    rights.require(by, "organisation.edit")
    if is_enabled and (provider.checked_at is None or provider.problem is not None):
        raise Conflict("not tried with success")
    _switch(provider, by.tenant, is_enabled=is_enabled)
    audit.record("sso.enabled" if is_enabled else "sso.disabled", by=by, target=provider.issuer)


def is_proven(by: Membership, *, came_by_sso: bool) -> bool:
    """Whether somebody may require it of all: they came that way, or keep their password and saw that others do."""
    if came_by_sso:
        return True
    used = exists().where(SsoIdentity.tenant_id == by.tenant_id, SsoIdentity.last_used_at.is_not(None))
    return by.user.is_superadmin and bool(db.session.scalar(select(used)))


def require(tenant: Tenant, is_required: bool, *, by: Membership, came_by_sso: bool) -> None:
    """Make it the only way in, or one of two. Raises AccessDenied, NotProven."""
    rights.require(by, "organisation.edit")
    if is_required and not is_proven(by, came_by_sso=came_by_sso):
        raise NotProven
    tenant.requires_sso = is_required
    audit.record("sso.required" if is_required else "sso.optional", by=by, target=tenant.name)


def let_passwords_in(house_number: str) -> Tenant:
    """The operator's way back: passwords open the organisation again. Raises NotOffered for no such organisation."""
    tenant = db.session.scalar(select(Tenant).where(Tenant.house_number == house_number))
    if tenant is None:
        raise NotOffered(house_number)
    tenant.requires_sso = False
    audit.record("sso.optional", tenant_id=tenant.id, target=tenant.name)
    return tenant


def remove(provider: SsoProvider, *, by: Membership) -> None:
    """Forget the provider and who is whom there."""
    rights.require(by, "organisation.edit")
    _switch(provider, by.tenant, is_enabled=False)
    for identity in db.session.scalars(select(SsoIdentity).where(SsoIdentity.tenant_id == provider.tenant_id)):
        db.session.delete(identity)
    audit.record("sso.removed", by=by, target=provider.issuer)
    db.session.delete(provider)
    db.session.flush()


def redirect_uris(tenant_id: int) -> list[str]:
    """What is registered at the provider: the way back to the console, and to each application's own domain."""
    own = [integrations.origin_of(integrations.app_url(one)) for one in integrations.active_for(tenant_id)]
    return [base + CALLBACK for base in dict.fromkeys([integrations.origin_of(current_settings().public_url), *own])]


# --- signing in ---------------------------------------------------------------------------------------------------


def offered() -> list[SsoProvider]:
    """Two of the providers that are switched on at most: whether there is none, one, or a choice."""
    wanted = select(SsoProvider).where(SsoProvider.is_enabled.is_(True)).order_by(SsoProvider.id)
    return list(db.session.scalars(wanted.limit(2)))


def for_tenant(tenant_id: int) -> SsoProvider:
    """The provider that an organisation's people sign in with. Raises NotOffered."""
    provider = of(tenant_id)
    if provider is None or not provider.is_enabled:
        raise NotOffered(str(tenant_id))
    return provider


def by_house_number(house_number: str) -> SsoProvider:
    """Raises NotOffered."""
    wanted = select(Tenant.id).where(func.upper(Tenant.house_number) == house_number.strip().upper())
    tenant_id = db.session.scalar(wanted)
    if tenant_id is None:
        raise NotOffered(house_number)
    return for_tenant(tenant_id)


def depart(provider: SsoProvider, *, base: str) -> Departure:
    """Prepare sending somebody to the provider. base: scheme and host to come back to, of redirect_uris().

    Lets the database go before it asks the provider. Raises ProviderFailed.
    """
    client = _client(provider)
    db.session.rollback()
    state, nonce, verifier = secrets.token_hex(16), secrets.token_hex(16), secrets.token_urlsafe(48)
    back: dict[str, Any] = {"redirect_uri": base + CALLBACK, "state": state, "nonce": nonce, "verifier": verifier}
    url = oidc.authorization_url(oidc.discover(client.issuer), client, **back)
    return Departure(url, **back)


def identify(provider: SsoProvider, code: str, *, redirect_uri: str, nonce: str, verifier: str) -> Person:
    """Who came back with a code. Lets the database go before it asks. Raises ProviderFailed."""
    client = _client(provider)
    db.session.rollback()
    described = oidc.discover(client.issuer)
    return oidc.identify(described, client, code, redirect_uri=redirect_uri, nonce=nonce, verifier=verifier)


def account_of(person: Person, *, tenant_id: int, now: datetime) -> Membership:
    """The member that a person at the provider is; linked now if their verified e-mail is a member's.

    Raises EmailNotVerified, NobodyHasIt, OperatorAccount, and why a membership is not in force.
    """
    mine = (SsoIdentity.tenant_id == tenant_id, SsoIdentity.issuer == person.issuer)
    known = db.session.scalar(select(SsoIdentity).where(*mine, SsoIdentity.subject == person.subject))
    member = _member(known.user_id, tenant_id) if known else _by_email(person, tenant_id)
    if member is None:
        raise NobodyHasIt(email=person.email or person.name)
    if member.user.is_superadmin:
        raise OperatorAccount
    if not rights.is_in_force(member):
        raise rights.refusal(member)
    if known is None:
        _link(person, member, now)
    else:
        known.last_used_at = now
    return member


def may_enter(member: Membership, *, came_by_sso: bool) -> bool:
    """Whether a session opens the organisation in this way. The instance's operators keep their passwords."""
    return came_by_sso or not member.tenant.requires_sso or member.user.is_superadmin


def _by_email(person: Person, tenant_id: int) -> Membership | None:
    if not person.email:
        raise EmailNotVerified
    user_id = db.session.scalar(select(User.id).where(func.lower(User.email) == person.email.lower()))
    return _member(user_id, tenant_id) if user_id is not None else None


def _member(user_id: int, tenant_id: int) -> Membership | None:
    wanted = select(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
    return db.session.scalar(wanted)


def _link(person: Person, member: Membership, now: datetime) -> None:
    """One person there, one account here, both ways."""
    made = SsoIdentity(
        tenant_id=member.tenant_id,
        user_id=member.user_id,
        issuer=person.issuer,
        subject=person.subject,
        email=person.email,
        linked_at=now,
        last_used_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError as error:
        raise NobodyHasIt(email=person.email) from error
    audit.record("sso.linked", user=member.user, tenant_id=member.tenant_id, target=person.email, now=now)


def _switch(provider: SsoProvider, tenant: Tenant, *, is_enabled: bool) -> None:
    """What is not offered cannot be required."""
    provider.is_enabled = is_enabled
    if not is_enabled:
        tenant.requires_sso = False


def _client(provider: SsoProvider) -> Client:
    sealed = provider.secrets.get(SECRET)
    secret = vault.unseal(provider.tenant_id, vault.sso_field(SECRET), sealed) if sealed else ""
    return Client(provider.issuer, provider.client_id, secret)


def _sealed(tenant_id: int, secret: str) -> dict[str, str]:
    return {SECRET: vault.seal(tenant_id, vault.sso_field(SECRET), secret)} if secret else {}
