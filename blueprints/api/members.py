"""Members, the audit record, and the caller's own tokens."""

from __future__ import annotations

from typing import Any

from blueprints.api.caller import whoami
from blueprints.api.cursors import CURSOR, id_of
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import (
    anything,
    component,
    flag,
    list_of,
    listed,
    maybe,
    moment,
    one_of,
    page_of,
    record,
    whole,
    words,
)
from blueprints.api.switches import DELETED
from models import ApiToken, AuditEntry, Membership, MembershipState, Role
from services import api_tokens, audit_queries, members
from services.api_tokens import Scope
from services.audit_events import say_event

MEMBER = component(
    "Member",
    record(
        {
            "id": whole(),
            "user_id": whole(),
            "username": words(),
            "name": words(),
            "role": one_of(Role),
            "state": one_of(MembershipState),
            "is_disabled": flag("The account as a whole"),
        }
    ),
)
WITH_PASSWORD = record({"member": MEMBER, "one_time_password": words(about="Shown this once")})
LIMIT = whole(1, 100, default=members.PAGE)
ONE = "/members/<int:member_id>"


@operation(
    "GET",
    "/members",
    "The members, by user name",
    right="incident.view",
    query=record(
        {},
        {
            "text": words(100),
            "role": one_of(Role),
            "state": one_of(members.SHOWN_STATES),
            "cursor": words(128),
            "limit": LIMIT,
        },
    ),
    answers=page_of(MEMBER),
)
def list_members(call: Call) -> dict[str, Any]:
    asked = dict(call.query)
    kinds: dict[str, Any] = {"role": Role, "state": MembershipState}
    chosen = {name: kind(asked.pop(name)) for name, kind in kinds.items() if name in asked}
    page = members.page(call.member, after=asked.pop("cursor", ""), **asked, **chosen)
    return {"items": [member_row(member) for member in page.items], "next_cursor": page.next_cursor}


@operation(
    "POST",
    "/members",
    "Add a person with a one-time password",
    right="member.edit",
    body=record({"username": words(64, shortest=2)}, {"name": words(64), "role": one_of(Role, default="responder")}),
    answers=WITH_PASSWORD,
    status=201,
)
def add_member(call: Call) -> dict[str, Any]:
    role = Role(call.body.get("role", Role.RESPONDER))
    member, password = members.add(call.body["username"], call.body.get("name", ""), role, **call.by)
    return {"member": member_row(member), "one_time_password": password}


@operation("GET", ONE, "One member", right="incident.view", answers=MEMBER)
def get_member(call: Call, member_id: int) -> dict[str, Any]:
    return member_row(members.get(member_id, viewer=call.member))


@operation(
    "PATCH",
    ONE,
    "Change a member's name or role, or the address by which single sign-on knows them",
    right="member.edit",
    body=record(
        {},
        {"name": words(64, shortest=1), "role": one_of(Role), "email": words(254, about="Empty: none")},
    ),
    answers=MEMBER,
)
def edit_member(call: Call, member_id: int) -> dict[str, Any]:
    member = members.get(member_id, viewer=call.member)
    name, role = call.body.get("name", member.user.name), Role(call.body.get("role", member.role))
    members.edit(member, real_name=name, role=role, by=call.member)
    if "email" in call.body:
        members.set_email(member, call.body["email"], by=call.member)
    return member_row(member)


@operation("POST", f"{ONE}/disable", "Disable a member", right="member.edit", answers=MEMBER)
def disable_member(call: Call, member_id: int) -> dict[str, Any]:
    member = members.get(member_id, viewer=call.member)
    members.disable(member, **call.by)
    return member_row(member)


@operation("POST", f"{ONE}/restore", "Let a disabled member in again", right="member.edit", answers=MEMBER)
def restore_member(call: Call, member_id: int) -> dict[str, Any]:
    member = members.get(member_id, viewer=call.member)
    members.restore(member, **call.by)
    return member_row(member)


@operation(
    "POST",
    f"{ONE}/reset-password",
    "Give a member a one-time password; ends their sessions and tokens",
    right="member.edit",
    answers=WITH_PASSWORD,
)
def reset_password(call: Call, member_id: int) -> dict[str, Any]:
    member = members.get(member_id, viewer=call.member)
    return {"one_time_password": members.reset_password(member, by=call.member), "member": member_row(member)}


def member_row(member: Membership) -> dict[str, Any]:
    return {
        "id": member.id,
        "user_id": member.user_id,
        "username": member.user.username,
        "name": member.user.name,
        "role": member.role.value,
        "state": member.state.value,
        "is_disabled": member.user.is_disabled,
    }


# --- the audit record ---------------------------------------------------------------------------------------------

AUDIT_ENTRY = component(
    "AuditEntry",
    record(
        {
            "id": whole(),
            "at": moment(),
            "event": words(),
            "text": words(about="The event in the reader's language"),
            "actor": maybe(words()),
            "target": words(),
            "detail": anything(),
            "address": words(),
            "request_id": words(),
        }
    ),
)


@operation(
    "GET",
    "/audit",
    "The audit record, newest first",
    right="audit.view",
    query=record(
        {},
        {
            "since": moment(),
            "until": moment(),
            "actor": words(100, about="Part of a user name"),
            "event": words(48, about="Such as sign_in.failed"),
            "target": words(100, about="Part of what it was done to, or a whole request id"),
            "cursor": CURSOR,
            "limit": LIMIT,
        },
    ),
    answers=page_of(AUDIT_ENTRY),
)
def list_audit(call: Call) -> dict[str, Any]:
    asked = dict(call.query)
    before, limit = id_of(asked.pop("cursor", None)), asked.pop("limit", audit_queries.PAGE)
    page = audit_queries.page(
        audit_queries.inside(call.member), audit_queries.Search(**asked), before=before, limit=limit
    )
    return {
        "items": [audit_row(entry) for entry in page.items],
        "next_cursor": str(page.before) if page.before else None,
    }


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    kept = ("id", "event", "target", "detail", "address", "request_id")
    said = {"at": iso(entry.at), "text": say_event(entry.event), "actor": entry.actor_name or None}
    return {name: getattr(entry, name) for name in kept} | said


# --- who calls ----------------------------------------------------------------------------------------------------

TOKEN = component(
    "Token",
    record(
        {
            "id": whole(),
            "name": words(),
            "prefix": words(),
            "scopes": listed(one_of(Scope)),
            "expires_at": maybe(moment()),
            "last_used_at": maybe(moment()),
        }
    ),
)
ORGANISATION = record({"id": whole(), "name": words(), "timezone": words()})


@operation(
    "GET",
    "/me",
    "Whom this token acts for",
    right="incident.view",
    answers=record({"member": MEMBER, "organisation": ORGANISATION, "token": TOKEN}),
)
def get_me(call: Call) -> dict[str, Any]:
    tenant = call.member.tenant
    return {
        "member": member_row(call.member),
        "organisation": {"id": tenant.id, "name": tenant.name, "timezone": tenant.timezone},
        "token": token_row(whoami().token),
    }


@operation("GET", "/tokens", "One's own tokens, without their texts", right="api_token.own", answers=list_of(TOKEN))
def list_tokens(call: Call) -> dict[str, Any]:
    return {"items": [token_row(token) for token in api_tokens.own(call.member)]}


@operation(
    "DELETE",
    "/tokens/<int:token_id>",
    "Delete a token, one's own or, for administrators, anybody's; it stops working at once",
    right="api_token.own",
    answers=DELETED,
)
def revoke_token(call: Call, token_id: int) -> dict[str, Any]:
    api_tokens.revoke(token_id, by=call.member)
    return {"deleted": True}


def token_row(token: ApiToken) -> dict[str, Any]:
    kept = {name: getattr(token, name) for name in ("id", "name", "prefix", "scopes")}
    return kept | {"expires_at": iso(token.expires_at), "last_used_at": iso(token.last_used_at)}
