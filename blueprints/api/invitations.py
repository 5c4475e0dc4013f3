"""Letting people in: links that invite, and what is decided about those who ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blueprints.api.members import MEMBER, ONE, member_row
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import Schema, component, list_of, moment, one_of, record, whole, words
from blueprints.api.switches import DELETED
from blueprints.invitation_links import invitation_link
from models import Invitation, Role
from services import admission, invitations, members

INVITATION = component(
    "Invitation",
    record(
        {
            "id": whole(),
            "role": one_of(Role),
            "username": words(about="Whom alone it lets in; empty: whoever has the link"),
            "note": words(),
            "created_at": moment(),
            "expires_at": moment(),
        }
    ),
)


@operation(
    "GET",
    "/invitations",
    "The invitations that could still be used, newest first, without their links",
    right="member.edit",
    answers=list_of(INVITATION),
)
def list_invitations(call: Call) -> dict[str, Any]:
    return {"items": [_row(one) for one in invitations.open_ones(call.member, now=call.now)]}


@operation(
    "POST",
    "/invitations",
    "Make a link that lets one person in, once",
    right="member.edit",
    body=record(
        {},
        {
            "role": one_of(Role, default="responder"),
            "username": words(128, about="Only this account may use it; it need not exist"),
            "note": words(60),
            "days": whole(1, invitations.MOST_DAYS, default=7),
        },
    ),
    answers=record({"invitation": INVITATION, "link": words(about="Shown this once")}),
    status=201,
)
def create_invitation(call: Call) -> dict[str, Any]:
    asked = call.body | {"role": Role(call.body.get("role", Role.RESPONDER))}
    made, token = invitations.create(**asked, **call.by)
    return {"invitation": _row(made), "link": invitation_link(token)}


@operation(
    "DELETE",
    "/invitations/<int:invitation_id>",
    "Have a link open nothing any more; safe to repeat",
    right="member.edit",
    answers=DELETED,
)
def revoke_invitation(call: Call, invitation_id: int) -> dict[str, Any]:
    invitations.revoke(invitation_id, **call.by)
    return {"deleted": True}


def _row(invitation: Invitation) -> dict[str, Any]:
    kept = {name: getattr(invitation, name) for name in ("id", "username", "note")}
    times = {"created_at": iso(invitation.created_at), "expires_at": iso(invitation.expires_at)}
    return kept | times | {"role": invitation.role.value}


# --- those who ask ------------------------------------------------------------------------------------------------


@operation(
    "GET",
    "/members/requests",
    "Who asks to join, the longest waiting first",
    right="member.edit",
    answers=list_of(MEMBER),
)
def list_requests(call: Call) -> dict[str, Any]:
    return {"items": [member_row(member) for member in admission.waiting(call.member)]}


def _decision(name: str, summary: str, verb: Callable[..., None], body: Schema | None = None) -> None:
    """POST /members/{id}/{name}: the body's members are the verb's arguments."""

    def decide(call: Call, member_id: int) -> dict[str, Any]:
        member = members.get(member_id, viewer=call.member)
        asked = call.body | ({"role": Role(call.body["role"])} if "role" in call.body else {})
        verb(member, **asked, **call.by)
        return member_row(member)

    decide.__name__ = f"{name}_member"
    operation("POST", f"{ONE}/{name}", summary, right="member.edit", body=body, answers=MEMBER)(decide)


_decision("approve", "Let somebody in who asked", admission.approve, record({}, {"role": one_of(Role)}))
_decision("refuse", "Refuse somebody who asked", admission.refuse, record({}, {"reason": words(200)}))
_decision("reopen", "Look at a refused request again", admission.reopen)
