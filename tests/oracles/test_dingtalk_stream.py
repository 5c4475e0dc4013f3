"""DingTalk's own dingtalk-stream: its cards on our simulator, and what it reads in the presses that reach us."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from platforms.base import CardPress, SentMessage
from platforms.dingtalk import cards
from tests.contract.conftest import make_card
from tests.contract.dingtalk import DingTalkConnection, make_connection

CARD = make_card()


@pytest.fixture
def connection(simulator: Any, receiver: Any) -> DingTalkConnection:
    return make_connection(simulator, receiver)


@pytest.fixture
def known(connection: DingTalkConnection) -> dict[str, Any]:
    """What its client must be told to work with our application."""
    settings = connection.platform.settings
    return {
        "api_base": connection.simulator.url,
        "client_id": connection.client_id,
        "client_secret": settings.client_secret,
        "template_id": settings.card_template_id,
        "route_key": connection.platform.client.route(),
        "variables": cards.variables(CARD),
    }


def delivered(dingtalk_stream: Any, known: dict[str, Any], **to: str) -> tuple[str, str]:
    """The reference and the carrier's id of a card that its client sent."""
    made = dingtalk_stream.ask("deliver", **known, **to)
    ((status, content),) = made["answers"]
    (result,) = content["result"]["deliverResults"]
    assert (status, content["success"], result["success"]) == (200, True, True)
    return made["reference"], result["carrierId"]


def test_its_card_reaches_a_group_and_its_update_everybody(dingtalk_stream, connection, known):
    group = connection.make_group("值班群")
    reference, _carrier = delivered(dingtalk_stream, known, group=group.external_id)
    assert connection.title_of(connection.as_seen_by("lin", group)) == CARD.title

    closed = cards.variables(replace(CARD, title="已关闭"))
    ((status, content),) = dingtalk_stream.ask("update", **(known | {"variables": closed}), reference=reference)[
        "answers"
    ]
    assert (status, content["success"]) == (200, True)
    assert {connection.title_of(connection.as_seen_by(name, group)) for name in ("lin", "wu")} == {"已关闭"}


def test_a_press_on_its_card_is_read_alike_by_both(dingtalk_stream, connection, known):
    reference, carrier = delivered(dingtalk_stream, known, person=connection.id_of("lin"))
    connection.press(SentMessage(carrier), CARD.buttons[0].key)

    (ours,) = [one for one in connection.receiver.callbacks if isinstance(one, CardPress)]
    assert (ours.reference, ours.external_user_id) == (reference, connection.id_of("lin"))
    body = json.loads(connection.receiver.requests[-1].body)
    theirs = dingtalk_stream.ask("press", body=body)
    assert (theirs["reference"], theirs["person"], theirs["corp_id"]) == (
        ours.reference,
        ours.external_user_id,
        connection.corp_id,
    )
    assert theirs["content"]["cardPrivateData"]["params"]["key"] == ours.button_key


def test_what_it_may_not_do_it_is_refused_as_we_are(dingtalk_stream, connection, known):
    wrong = known | {"template_id": "00000000-0000.schema"}
    ((status, content),) = dingtalk_stream.ask("deliver", **wrong, person=connection.id_of("lin"))["answers"]
    assert (status, content["code"]) == (400, "param.templateNotExist")
    connection.change_app(permissions=["qyapi_base"])
    ((status, content),) = dingtalk_stream.ask("deliver", **known, person=connection.id_of("lin"))["answers"]
    assert (status, content["accessdenieddetail"]) == (403, {"requiredScopes": ["Card.Instance.Write"]})
