"""Who belongs to a department or to a team: the same three operations for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from blueprints.api.members import MEMBER, member_row
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, list_of, maybe, one_of, record, words
from blueprints.api.switches import DELETED
from models import Membership

PLACE = component(
    "Belonging",
    record({"member": MEMBER, "source": maybe(one_of(("manual", "synced"), "synced: a chat platform says so"))}),
)
USERNAME = record({"username": words(128, shortest=1, about="Of an active member, in full")})


class Services(Protocol):
    """What services/departments.py and services/teams.py have in common."""

    def get(self, of: int, /, *, viewer: Membership) -> Any: ...
    def add_member(self, of: Any, username: str, /, *, by: Membership, now: datetime) -> None: ...
    def remove_member(self, of: Any, member_id: int, /, *, by: Membership, now: datetime) -> None: ...


def declare(
    one: str,
    name: str,
    services: Services,
    members_of: Callable[[Any], Sequence[tuple[Membership, str | None]]],
    *,
    right: str,
) -> None:
    """Declare who belongs there.

    one   the address of one of them; its only value is called `{name}_id`
    members_of  members by name, each with how they came there if that is known
    right  to change it
    """
    many = f"{one}/members"

    def shown(call: Call, of: int) -> dict[str, Any]:
        found = members_of(services.get(of, viewer=call.member))
        return {"items": [{"member": member_row(member), "source": source} for member, source in found]}

    def listing(call: Call, **place: int) -> dict[str, Any]:
        return shown(call, place[f"{name}_id"])

    def adding(call: Call, **place: int) -> dict[str, Any]:
        of = place[f"{name}_id"]
        services.add_member(services.get(of, viewer=call.member), call.body["username"], **call.by)
        return shown(call, of)

    def removing(call: Call, *, member_id: int, **place: int) -> dict[str, Any]:
        services.remove_member(services.get(place[f"{name}_id"], viewer=call.member), member_id, **call.by)
        return {"deleted": True}

    listing.__name__ = f"list_{name}_members"
    adding.__name__ = f"add_{name}_member"
    removing.__name__ = f"remove_{name}_member"
    people = list_of(PLACE)
    operation("GET", many, f"Who belongs to a {name}, by name", right="channel.view", answers=people)(listing)
    operation(
        "POST",
        many,
        f"Put a member into a {name}; safe to repeat",
        right=right,
        body=USERNAME,
        answers=people,
        status=201,
    )(adding)
    operation(
        "DELETE",
        f"{many}/<int:member_id>",
        f"Take a member out of a {name}; safe to repeat",
        right=right,
        answers=DELETED,
    )(removing)
