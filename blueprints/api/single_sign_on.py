"""The organisation's single sign-on: its identity provider, tried, switched on, required."""

from __future__ import annotations

from typing import Any

from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, flag, listed, maybe, moment, record, words
from blueprints.api.switches import CONFIRMED, DELETED
from errors import InvalidInput, NotFound
from models import SsoProvider
from services import single_sign_on
from services.single_sign_on import LONGEST_CLIENT_ID, LONGEST_ISSUER, LONGEST_SECRET
from services.wording import say
from texts import N_

RIGHT = "organisation.edit"
PROVIDER = component(
    "SingleSignOn",
    record(
        {
            "issuer": words(),
            "client_id": words(),
            "has_secret": flag("It is never shown again"),
            "is_enabled": flag("Offered at sign-in"),
            "is_required": flag("Passwords open the organisation no more"),
            "checked_at": maybe(moment()),
            "problem": words(about="What was wrong when it was last tried; empty: nothing"),
            "redirect_uris": listed(words(), about="To be registered at the provider"),
        }
    ),
)
PATH = "/single-sign-on"


@operation("GET", PATH, "The identity provider; 404 before there is one", right=RIGHT, answers=PROVIDER)
def get_single_sign_on(call: Call) -> dict[str, Any]:
    return _row(_provider(call), call)


@operation(
    "PATCH",
    PATH,
    "Enter the provider or change it; what changed is switched off until it is tried and enabled again",
    right=RIGHT,
    body=record(
        {},
        {
            "issuer": words(LONGEST_ISSUER, shortest=1),
            "client_id": words(LONGEST_CLIENT_ID, shortest=1),
            "client_secret": words(LONGEST_SECRET, about="Without it the stored one stays, but not for another issuer"),
        },
    ),
    answers=PROVIDER,
)
def edit_single_sign_on(call: Call) -> dict[str, Any]:
    known = single_sign_on.of(call.member.tenant_id)
    issuer, client_id = (call.body.get(name, getattr(known, name, "")) for name in ("issuer", "client_id"))
    return _row(single_sign_on.save(issuer, client_id, call.body.get("client_secret", ""), **call.by), call)


@operation("POST", f"{PATH}/check", "Read the provider's description and keys now", right=RIGHT, answers=PROVIDER)
def check_single_sign_on(call: Call) -> dict[str, Any]:
    provider = _provider(call)
    single_sign_on.try_out(provider, now=call.now)
    return _row(provider, call)


@operation(
    "POST",
    f"{PATH}/<any(enable, disable, require, allow):verb>",
    "Offer it or not; make it the only way in, which locks its caller out at no time, or one of two",
    right=RIGHT,
    answers=PROVIDER,
)
def switch_single_sign_on(call: Call, verb: str) -> dict[str, Any]:
    provider, member = _provider(call), call.member
    if verb in {"enable", "disable"}:
        single_sign_on.set_enabled(provider, verb == "enable", by=member)
    else:
        single_sign_on.require(member.tenant, verb == "require", by=member, came_by_sso=False)
    return _row(provider, call)


@operation(
    "DELETE",
    PATH,
    "Forget the provider and who is whom there; the name to confirm with is its issuer",
    right=RIGHT,
    query=CONFIRMED,
    answers=DELETED,
)
def delete_single_sign_on(call: Call) -> dict[str, Any]:
    provider = _provider(call)
    if call.query["confirm_name"].strip() != provider.issuer:
        raise InvalidInput("confirm_name", N_("输入的名称不一致"))
    single_sign_on.remove(provider, by=call.member)
    return {"deleted": True}


def _provider(call: Call) -> SsoProvider:
    found = single_sign_on.of(call.member.tenant_id)
    if found is None:
        raise NotFound
    return found


def _row(provider: SsoProvider, call: Call) -> dict[str, Any]:
    problem = single_sign_on.problem_of(provider)
    return {name: getattr(provider, name) for name in ("issuer", "client_id", "is_enabled")} | {
        "has_secret": bool(provider.secrets),
        "is_required": call.member.tenant.requires_sso,
        "checked_at": iso(provider.checked_at),
        "problem": say(problem) if problem else "",
        "redirect_uris": single_sign_on.redirect_uris(call.member.tenant_id),
    }
