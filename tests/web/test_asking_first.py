"""Buttons that hurt ask first: they stand in a closed box; opening it says what will happen. No script is needed."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from extensions import db
from models import ApiToken, Department, Membership, Team
from services.clock import utcnow
from tests.factories import make_channel, make_incident, make_integration, make_link, make_member, make_tenant
from tests.web.conftest import Browser


class Buttons(HTMLParser):
    """Where the forms of a page go, and what stands in the boxes around those that are folded away."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.boxes: list[list[str]] = []
        self.open: set[str] = set()
        self.asked: dict[str, list[str]] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        goal = named.get("action") if tag == "form" else f"={named.get('value')}" if tag == "button" else None
        if tag == "details":
            self.boxes.append([])
        elif goal and self.boxes:
            self.asked[goal] = self.boxes[-1]
        elif goal:
            self.open.add(goal)

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self.boxes.pop()

    def handle_data(self, data: str) -> None:
        if self.boxes and data.strip():
            self.boxes[-1].append(data.strip())


def freezing(_admin: Membership) -> tuple[str, str, str]:
    page = f"/instance/organisations/{make_tenant('别家').id}"
    return page, f"{page}/freeze", "它的告警不再通知任何人"


def deleting_a_team(admin: Membership) -> tuple[str, str, str]:
    team = Team(tenant_id=admin.tenant_id, name="支付组", created_at=utcnow())
    db.session.add(team)
    db.session.flush()
    return f"/teams/{team.id}", f"/teams/{team.id}/delete", "不能撤销"


def deleting_a_department(admin: Membership) -> tuple[str, str, str]:
    department = Department(tenant_id=admin.tenant_id, name="研发", created_at=utcnow())
    db.session.add(department)
    db.session.flush()
    return f"/departments/{department.id}", f"/departments/{department.id}/delete", "不能撤销"


def deleting_a_token(admin: Membership) -> tuple[str, str, str]:
    token = ApiToken(
        tenant_id=admin.tenant_id,
        user_id=admin.user_id,
        name="值班大屏",
        prefix="db_1",
        scopes=["read"],
        token_hash="x" * 64,
        created_at=utcnow(),
    )
    db.session.add(token)
    db.session.flush()
    return "/me/tokens", f"/me/tokens/{token.id}/revoke", "使用它的程序会立即被拒绝"


def stopping_a_channel(_admin: Membership) -> tuple[str, str, str]:
    channel = make_channel()
    return f"/channels/{channel.id}/settings", f"/channels/{channel.id}/disable", "不再产生故障"


def ending_a_membership(admin: Membership) -> tuple[str, str, str]:
    page = f"/members/{make_member('lin', tenant=admin.tenant).id}"
    return page, f"{page}/disable", "不再收到通知"


def unlinking(admin: Membership) -> tuple[str, str, str]:
    link = make_link(make_integration(), admin)
    return "/me/links", f"/me/links/{link.id}/unlink", "不再从这里收到告警"


def stopping_a_connection(_admin: Membership) -> tuple[str, str, str]:
    page = f"/integrations/im/{make_integration().id}"
    return page, f"{page}/disable", "告警卡片不再发送"


def giving_up_contacts(_admin: Membership) -> tuple[str, str, str]:
    page = f"/system/third-party/{make_integration().id}"
    return page, f"{page}/end", "立即不再从这个企业微信集成收到告警"


def closing_many(_admin: Membership) -> tuple[str, str, str]:
    make_incident()
    return "/incidents", "=close", "勾选的故障会全部关闭"


@pytest.mark.parametrize(
    "about",
    [
        freezing,
        deleting_a_team,
        deleting_a_department,
        deleting_a_token,
        stopping_a_channel,
        ending_a_membership,
        unlinking,
        stopping_a_connection,
        giving_up_contacts,
        closing_many,
    ],
)
def test_what_hurts_is_asked_first(
    admin_client: Browser, admin: Membership, about: Callable[..., tuple[str, str, str]]
):
    page, action, words = about(admin)

    shown = Buttons(admin_client.get(page).text)

    assert action in shown.asked
    assert action not in shown.open
    assert words in "".join(shown.asked[action])


def test_giving_up_contacts_says_that_alerting_stops_with_it(admin_client: Browser) -> None:
    shown = admin_client.get(f"/system/third-party/{make_integration().id}").text
    assert "停用整个企业微信集成，不只是通讯录同步" in shown
