"""R3 for war rooms: the worker is killed while it makes a group, and there is one group, with everybody in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import or_, select

from extensions import db
from models import Integration, Job, JobState, Membership, RoomState, TimelineEntry, User, WarRoom
from services import war_rooms
from services.clock import utcnow
from tests.factories import make_incident
from tests.faults.fleet import Company, Fleet
from tests.servers import wait_until

PLACES = ("worker.claimed", "worker.before_send", "worker.after_send", "worker.before_commit")
"""Where the worker dies: before it asks, right before and after the answer, and before it has written that down."""
SOON = timedelta(seconds=30)
"""Longer than it takes to kill the worker at one place and to see what came of it."""
ANSWERED = ("worker.after_send", "worker.before_commit")
CREATE = {"wecom": "appchat/create", "dingtalk": "sceneGroup/create", "feishu": "im/v1/chats"}
GROUPS: dict[str, Callable[[dict[str, Any]], list[tuple[str, list[str]]]]] = {
    "wecom": lambda state: [(chat["name"], chat["people"]) for chat in state["chats"]],
    "dingtalk": lambda state: [(one["title"], one["members"]) for corp in state["corps"] for one in corp["groups"]],
    "feishu": lambda state: [(one["name"], one["people"]) for tenant in state["tenants"] for one in tenant["groups"]],
}


def member(username: str) -> Membership:
    return db.session.scalars(select(Membership).join(User).where(User.username == username)).one()


def switch_on(fleet: Fleet, company: Company, platform: str) -> None:
    settings: dict[str, str] = {}
    if platform == "dingtalk":
        known = next(one for one in company.info["integrations"] if one["platform"] == platform)
        body = {"client_id": known["credentials"]["client_id"]}
        made = fleet.control("POST", "/dingtalk/group_templates", json=body)
        settings = {"room_template_id": made["template_id"], "room_robot_code": made["robot_code"]}
    with fleet.app():
        for integration in db.session.scalars(select(Integration)):
            integration.enhanced = {"war_room": integration.platform == platform}
            if integration.platform == platform:
                integration.settings = {**integration.settings, **settings}
        db.session.commit()


def wish_for_a_room(fleet: Fleet, title: str) -> int:
    """An incident of Lin's and Wu's, and the wish; returns the room's id. The worker finds it by itself."""
    with fleet.app():
        lin, now = member("lin"), utcnow()
        incident = make_incident(tenant=lin.tenant, title=title, responders=(lin, member("wu")))
        war_rooms.create(incident, by=lin, via="console", now=now)
        db.session.commit()
        return db.session.scalars(select(WarRoom.id).order_by(WarRoom.id.desc()).limit(1)).one()


def others(fleet: Fleet) -> list[str]:
    """Who else comes to the place where the worker is to die; not what is to be tried again much later."""
    now = utcnow()
    with fleet.app():
        soon = or_(Job.due_at < now + SOON, Job.lease_until > now)
        calls = Job.kind.in_(("war_room", "deliver", "update_card"))
        found = db.session.scalars(select(Job).where(Job.state == JobState.PENDING, calls, soon))
        return [
            f"{job.kind} {job.subject_id}, try {job.attempts}, due {job.due_at - now}, lease {job.lease_until - now}, "
            f"by {job.holder}: {job.error} {job.payload}"
            for job in found
        ]


def wait_for_rest(fleet: Fleet) -> None:
    def found_instead() -> str:
        return "\n".join(["nothing else is under way; there is", *others(fleet), fleet.worker.tail()])

    wait_until(lambda: not others(fleet), found_instead, seconds=120)


def is_made(fleet: Fleet, room_id: int) -> bool:
    with fleet.app():
        room = db.session.get_one(WarRoom, room_id)
        return room.state is RoomState.ACTIVE and all(one.state == "joined" for one in room.members)


@pytest.mark.parametrize(
    ("platform", "places"), [("wecom", PLACES), ("dingtalk", ANSWERED[:1]), ("feishu", ANSWERED[:1])]
)
def test_a_worker_killed_at_any_place_makes_one_room(embedded: Company, platform: str, places: tuple[str, ...]):
    """What the platforms answer for differs only once they have answered; the other places are ours."""
    fleet = embedded.fleet
    switch_on(fleet, embedded, platform)
    with fleet.supervised():
        for number, place in enumerate(places):
            title = f"{platform} {number}"
            wait_for_rest(fleet)
            since = max([entry["index"] for entry in fleet.control("GET", "/wire")], default=0)
            fleet.arm(place)
            room_id = wish_for_a_room(fleet, title)
            wait_until(fleet.has_crashed, f"somebody came to {place}", seconds=120)
            wait_until(partial(is_made, fleet, room_id), "the room is there", seconds=120)
            known = GROUPS[platform](fleet.control("GET", "/state")[platform])
            assert [len(people) for name, people in known if title in name] == [2], place
            with fleet.app():
                room = db.session.get_one(WarRoom, room_id)
                told = select(TimelineEntry).where(TimelineEntry.incident_id == room.incident_id)
                made = [one for one in db.session.scalars(told) if one.type == "war_room_create"]
                assert len(made) == 1, place
            asked = [
                one for one in fleet.control("GET", f"/wire?since={since}") if one["path"].endswith(CREATE[platform])
            ]
            assert len(asked) == (2 if place in ANSWERED else 1), place
