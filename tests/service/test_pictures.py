"""The alert's pictures on cards: uploaded beside the sending, which never waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import time_machine
from flask import Flask

from extensions import db
from jobs import outbox as jobs_outbox
from jobs.lanes import Lanes
from models import DeliveryState, Incident
from platforms import PLATFORMS
from platforms.errors import AddressRefused, ContentRefused, NetworkFailed, PlatformError
from services import incidents, outbox, pictures
from tests.factories import NOW, make_channel, make_incident, make_integration, make_link, make_member
from tests.fakes import GroupPlatform
from tests.service.messaging import Office

DISK, CPU = "https://grafana.example.com/disk.png", "https://grafana.example.com/cpu.png"


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    platform = GroupPlatform()
    monkeypatch.setitem(PLATFORMS, "chat", GroupPlatform)
    monkeypatch.setattr(GroupPlatform, "capabilities", replace(GroupPlatform.capabilities, pictures="uploaded"))
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin")
        integration = make_integration(platform="chat", name="值班")
        make_link(integration, lin)
        incident = make_incident(make_channel(), responders=(lin,))
        incident.images = [{"src": DISK, "alt": "磁盘", "href": ""}, {"src": CPU, "alt": "", "href": ""}]
        db.session.commit()
        yield Office(app, platform, clock, integration, incident, lin)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes | PlatformError]:
    """What answers at an address."""
    pages: dict[str, bytes | PlatformError] = {DISK: b"disk", CPU: b"cpu"}

    def fetch(transport: object, address: str) -> tuple[bytes, str]:
        found = pages[address]
        if isinstance(found, PlatformError):
            raise found
        return found, "image/png"

    monkeypatch.setattr("platforms.pictures.fetch", fetch)
    return pages


def shown(office: Office, reference: str) -> list[str]:
    return [picture.key for picture in office.platform.by_reference(reference).shown.pictures]


def test_a_card_goes_out_at_once_and_shows_the_pictures_when_they_are_there(office: Office, web):
    delivery = office.tell()
    assert delivery.state is DeliveryState.SENT
    first = office.platform.by_reference(delivery.reference)
    assert first.card is not None and first.card.pictures == ()
    office.pass_time(seconds=5)
    assert shown(office, delivery.reference) == ["img_1", "img_2"]
    assert len(first.updates) == 1

    later = office.tell(cause="repeat")
    message = office.platform.by_reference(later.reference)
    assert message.card is not None
    assert [picture.key for picture in message.card.pictures] == ["img_1", "img_2"], "known by now"
    office.pass_time(seconds=60)
    assert isinstance(office.platform, GroupPlatform) and office.platform.uploads == [b"disk", b"cpu"]


@pytest.mark.parametrize("problem", [AddressRefused("closed"), NetworkFailed("down")])
def test_a_picture_that_cannot_be_had_holds_up_nothing_and_is_given_up(office: Office, web, problem):
    web[DISK] = problem
    delivery = office.tell()
    assert delivery.state is DeliveryState.SENT
    office.pass_time(seconds=5)
    assert shown(office, delivery.reference) == ["img_1"], "the other one is shown"
    for _ in range(4):
        office.pass_time(seconds=60)
    assert shown(office, delivery.reference) == ["img_1"]
    incident = db.session.get_one(Incident, office.ids[0])
    assert pictures.missing(incident.images, office.integration) == []
    assert office.pending("upload_pictures") == []


def test_what_failed_for_a_moment_is_tried_again(office: Office, web):
    web[DISK] = NetworkFailed("down")
    delivery = office.tell()
    office.pass_time(seconds=5)
    web[DISK] = b"disk"
    office.pass_time(seconds=60)
    office.pass_time(seconds=5)
    assert shown(office, delivery.reference) == ["img_2", "img_1"]


def test_a_picture_that_the_platform_refuses_is_left_out(office: Office, web):
    office.platform.errors.extend([None, ContentRefused("no picture")])
    delivery = office.tell()
    office.pass_time(seconds=5)
    assert shown(office, delivery.reference) == ["img_1"]


def test_the_answer_to_a_press_and_what_is_remembered_of_it_show_them_too(office: Office, web):
    delivery = office.tell()
    office.pass_time(seconds=5)
    card = office.platform.by_reference(delivery.reference).shown
    office.press(card, "开始处理")
    office.change(incidents.close)
    office.pass_time(seconds=5)
    assert shown(office, delivery.reference) == ["img_1", "img_2"]
    assert card.as_json["pictures"][0] == {"address": DISK, "alt": "磁盘", "key": "img_1"}


def test_without_pictures_nothing_is_asked(office: Office, web):
    office.incident.images = []
    office.tell()
    assert office.pending("upload_pictures") == []


def test_hosts_that_answer_slowly_hold_up_no_timer(office: Office):
    """A storm whose pictures nobody can fetch takes half of the threads, like a platform that hangs."""
    pictures.ask(office.incident.id, office.integration, now=office.now())
    outbox.enqueue("policy_step", tenant_id=0, subject_id=1, due_at=office.now(), now=office.now())
    db.session.commit()
    fetching, steps = jobs_outbox.due_queues(db.session.connection(), office.now())
    lanes = Lanes(8)
    assert lanes.take(fetching, 8) == 4
    assert lanes.take(steps, 8) > 0
    assert office.work() == 2
