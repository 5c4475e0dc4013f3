"""War rooms: groups that the application makes itself, alike on every platform, proven against the simulator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platforms.base import Group, Recipient
from platforms.errors import AnswerLost, GroupGone, PlatformError, RecipientUnreachable
from platforms.rooms import RoomOrder, TooFewPeople
from tests.contract.conftest import CONNECTIONS, make_card

REFERENCE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=sorted(CONNECTIONS))
def connection(request, simulator, receiver):
    """An application that may make groups of Lin and Wu; everybody of the company sees it."""
    made = CONNECTIONS[request.param](simulator, receiver)
    made.allow_rooms()
    return made


def order(connection, *people: str, **changes: object) -> RoomOrder:
    known = tuple(connection.id_of(name) for name in people or ("lin", "wu"))
    return replace(RoomOrder(REFERENCE, "[严重] #1024 db-03", known, "值班铃"), **changes)  # type: ignore[arg-type]


def recipient(group: Group) -> Recipient:
    return Recipient(group.external_id, group.name, is_group=True, details=group.details)


def test_a_room_has_its_name_and_its_people(connection):
    room = connection.platform.rooms.create(order(connection))
    assert room.missing == {}
    assert connection.room(room.group.external_id) == ("[严重] #1024 db-03", {"lin", "wu"})


def test_the_same_order_twice_is_one_room(connection):
    rooms = connection.platform.rooms
    first = rooms.create(order(connection))
    assert rooms.create(order(connection)).group.external_id == first.group.external_id
    assert len(connection.rooms()) == 1


def test_an_order_whose_answer_was_lost_is_one_room(connection, simulator):
    simulator.fault("lost_answer", path=connection.create_room_path)
    with pytest.raises(AnswerLost) as lost:
        connection.platform.rooms.create(order(connection))
    assert lost.value.uncertain
    assert len(connection.rooms()) == 1
    room = connection.platform.rooms.create(order(connection))
    assert connection.rooms() == [room.group.external_id]
    assert connection.room(room.group.external_id)[1] == {"lin", "wu"}


def test_a_room_is_found_again_where_the_platform_can_tell(connection):
    rooms, limits = connection.platform.rooms, connection.platform.capabilities.rooms
    assert rooms.find(order(connection)) is None
    made = rooms.create(order(connection))
    found = rooms.find(order(connection))
    assert (found.group.external_id if found else None) == (made.group.external_id if limits.finds else None)


def test_who_cannot_be_in_it_is_named_and_the_others_are(connection):
    gone = connection.nobody_known
    wanted = order(connection)
    room = connection.platform.rooms.create(replace(wanted, people=(*wanted.people, gone)))
    assert connection.room(room.group.external_id)[1] == {"lin", "wu"}
    assert list(room.missing) == [gone]
    assert isinstance(room.missing[gone], RecipientUnreachable)


def test_people_are_put_in_later_and_who_is_there_stays(connection):
    connection.add_people({"chen": "陈新人"})
    rooms = connection.platform.rooms
    group = rooms.create(order(connection)).group
    more = [connection.id_of("lin"), connection.id_of("chen"), connection.nobody_known]
    missing = rooms.invite(group, more)
    assert list(missing) == [connection.nobody_known]
    assert connection.room(group.external_id)[1] == {"lin", "wu", "chen"}


def test_too_few_people_are_told_with_their_reasons(connection):
    with pytest.raises(TooFewPeople) as refused:
        connection.platform.rooms.create(replace(order(connection), people=()))
    assert refused.value.params["found"] == 0
    assert connection.rooms() == []


def test_a_name_of_the_greatest_length_is_taken(connection):
    limits = connection.platform.capabilities.rooms
    name = "名" * limits.name_characters
    room = connection.platform.rooms.create(order(connection, name=name))
    assert connection.room(room.group.external_id)[0] == name


def test_card_and_text_arrive_in_the_room(connection):
    group = connection.platform.rooms.create(order(connection)).group
    sent = connection.platform.send_card(recipient(group), make_card())
    connection.platform.send_text(recipient(group), "王芳：已切换到备库", reference="comment-1")
    card, text = connection.group_messages(recipient(group))
    assert connection.title_in_room(card) == "[严重] db-03 / disk.used>95%"
    assert connection.text_of(text) == "王芳：已切换到备库"
    assert bool(sent.message_id) is connection.platform.capabilities.rooms.keeps_cards


def test_an_ended_room_is_gone_or_says_so(connection):
    rooms, limits = connection.platform.rooms, connection.platform.capabilities.rooms
    group = rooms.create(order(connection)).group
    dissolved = [rooms.end(group, "[已结束] #1024 db-03") for _ in range(2)]
    assert dissolved == [limits.dissolves] * 2
    if limits.dissolves:
        with pytest.raises(GroupGone):
            connection.platform.send_text(recipient(group), "还在吗")
    else:
        assert connection.room(group.external_id)[0] == "[已结束] #1024 db-03"


def test_the_check_passes_where_rooms_can_be_made_and_makes_none(connection):
    connection.platform.rooms.check()
    assert connection.rooms() == []


def test_the_check_says_what_is_missing(connection):
    connection.forbid_rooms()
    with pytest.raises(PlatformError) as refused:
        connection.platform.rooms.check()
    assert refused.value.failure == connection.forbidden_failure
    assert refused.value.hint


def test_a_room_of_nobody_knows_is_gone(connection):
    with pytest.raises(PlatformError) as refused:
        connection.platform.rooms.invite(
            Group(connection.no_room, "", connection.room_details), [connection.id_of("lin")]
        )
    assert not refused.value.retryable
