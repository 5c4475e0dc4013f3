"""Pages of a responder: what their team owns can be changed, the rest is shown without its buttons."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Channel, Membership, Template
from services import api_tokens, teams
from services.clock import utcnow
from tests.factories import make_channel, make_policy
from tests.web.conftest import Browser


@pytest.fixture
def team_id(admin: Membership, responder: Membership) -> int:
    team = teams.create("支付组", "", by=admin, now=utcnow())
    teams.add_member(team, responder.user.username, by=admin, now=utcnow())
    db.session.commit()
    return team.id


def test_buttons_stand_where_they_work(
    client: Browser, admin: Membership, responder: Membership, viewer: Membership, team_id: int
) -> None:
    own, other = make_channel("支付", team_id=team_id), make_channel("订单")
    policies = [make_policy(channel, admin, name=f"{channel.name}策略") for channel in (own, other)]
    for member, may in ((admin, (True, True)), (responder, (True, False)), (viewer, (False, False))):
        client.sign_in(member)
        for channel, policy, is_own in zip((own, other), policies, may, strict=True):
            assert (f"/channels/{channel.id}/settings" in client.get(f"/channels/{channel.id}").text) is is_own
            assert client.get(f"/channels/{channel.id}/settings").status_code == (200 if is_own else 403)
            assert (f"/policies/{policy.id}/disable" in client.get(f"/channels/{channel.id}/policies").text) is is_own
            assert (f"/policies/{policy.id}/delete" in client.get(f"/policies/{policy.id}").text) is is_own
            assert client.get(f"/channels/{channel.id}/policies/new").status_code == (200 if is_own else 403)
        client.submit("/sign-out", page="/me")


def test_a_responder_makes_a_channel_and_a_template_of_their_team(
    client: Browser, responder: Membership, team_id: int
) -> None:
    client.sign_in(responder)
    assert '<option value="">' not in client.get("/channels/new").text  # a channel of no team is not theirs to make
    fields = {"name": "支付", "close_timeout_minutes": "0", "team_id": str(team_id)}
    assert client.submit("/channels/new", fields).status_code == 303
    refused = client.submit("/channels/new", fields | {"name": "别的", "team_id": ""})
    assert refused.status_code == 422
    assert "请选择自己所在的团队" in refused.text
    page = client.get("/templates/new").text
    assert "支付组" in page
    assert 'name="is_default"' not in page
    assert client.submit("/templates/new", {"name": "短", "team_id": str(team_id)}).status_code == 303
    for table in (Channel.team_id, Template.team_id):
        assert db.session.scalars(select(table)).all() == [team_id]


def test_without_a_team_there_is_nothing_to_make(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    for path in ("/channels", "/templates"):
        assert f'href="{path}/new"' not in client.get(path).text
        answer = client.get(f"{path}/new")
        assert answer.status_code == 403
        assert "您还不在任何团队中" in answer.text


def test_the_api_keeps_the_same_table(client: Browser, admin: Membership, responder: Membership, team_id: int) -> None:
    own, other = make_channel("支付", team_id=team_id), make_channel("订单")
    _token, text = api_tokens.create("ci", ["config", "read"], by=responder, now=utcnow())
    db.session.commit()
    headers = {"Authorization": f"Bearer {text}"}
    changed = client.patch(f"/api/v1/channels/{own.id}", json={"description": "新"}, headers=headers)
    assert changed.status_code == 200
    assert changed.json["data"]["team_id"] == team_id  # what is not sent stays
    for answer in (
        client.patch(f"/api/v1/channels/{other.id}", json={"description": "新"}, headers=headers),
        client.post("/api/v1/templates", json={"name": "x", "texts": {}, "is_default": True}, headers=headers),
        client.delete(f"/api/v1/channels/{other.id}?confirm_name=订单", headers=headers),
    ):
        assert answer.status_code in {400, 403}, answer.json
    assert other.description == ""
