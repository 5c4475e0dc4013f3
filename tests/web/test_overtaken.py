"""Two administrators with the same form open: whoever is later is told what was saved meanwhile, and loses nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest

from extensions import db
from models import Membership, Role, Team
from services import alert_sources
from services.clock import utcnow
from tests.factories import make_channel, make_tenant
from tests.web.conftest import Browser

SEEN = re.compile(r'name="seen"[^>]* value="([^"]*)"')


@dataclass
class Form:
    """A page with a form; what is typed there; what somebody else does meanwhile, and how that is shown."""

    page: str
    typed: dict[str, Any]
    meanwhile: Callable[[], None]
    shown: str
    stored: Callable[[], Any]


@pytest.fixture(params=["member", "alert source", "own organisation", "organisation", "team"])
def form(request: pytest.FixtureRequest, admin: Membership, responder: Membership) -> Form:
    tenant = admin.tenant
    if request.param == "member":
        typed = {"real_name": "林晓晓", "email": "", "role": "responder"}
        return Form(
            f"/members/{responder.id}",
            typed,
            lambda: setattr(responder, "role", Role.VIEWER),
            f"{Role.VIEWER.label} · 只能查看",
            lambda: (responder.user.real_name, responder.role.value),
        )
    if request.param == "alert source":
        here, there = make_channel("支付核心"), make_channel("别处")
        source = alert_sources.create(here.id, "standard", "旧名", by=admin, now=utcnow())
        return Form(
            f"/integrations/alerts/{source.id}",
            {"name": "新名", "channel_id": here.id},
            lambda: setattr(source, "channel_id", there.id),
            "别处",
            lambda: (source.name, source.channel_id),
        )
    if request.param == "own organisation":
        return Form(
            "/organisation",
            {"name": "新名", "locale": "zh_CN", "timezone": "Asia/Shanghai", "snooze_presets": "120, 240, 720"},
            lambda: setattr(tenant, "timezone", "Asia/Tokyo"),
            "Asia/Tokyo",
            lambda: (tenant.name, tenant.locale, tenant.timezone, ", ".join(map(str, tenant.snooze_presets))),
        )
    if request.param == "organisation":
        other = make_tenant("别处", house_number="ABC1")
        return Form(
            f"/instance/organisations/{other.id}",
            {"name": "新名", "house_number": "ABC1"},
            lambda: setattr(other, "house_number", "ABC2"),
            "ABC2",
            lambda: (other.name, other.house_number),
        )
    team = Team(tenant_id=tenant.id, name="旧名", description="一行\n又一行", created_at=utcnow())
    db.session.add(team)
    db.session.commit()
    return Form(
        f"/teams/{team.id}",
        {"name": "新名", "description": "改过的"},
        lambda: setattr(team, "description", "另一段"),
        "另一段",
        lambda: (team.name, team.description),
    )


def seen_on(page: str) -> str:
    found = SEEN.search(page)
    assert found
    return unescape(found[1])


def test_whoever_is_later_is_told_and_may_insist(admin_client: Browser, form: Form):
    typed = form.typed | {"seen": seen_on(admin_client.get(form.page).text)}
    form.meanwhile()
    before = form.stored()
    late = admin_client.submit(form.page, typed)
    assert late.status_code == 409
    assert form.stored() == before
    assert "在您打开此页之后，其他人修改了这里的内容" in late.text
    assert f"现在保存的是：{form.shown}" in late.text
    assert unescape(late.text).count(next(iter(form.typed.values())))  # nothing typed is lost
    again = admin_client.submit(form.page, typed | {"seen": seen_on(late.text)})
    assert again.status_code == 303
    assert form.stored() == tuple(form.typed.values() if "email" not in typed else (typed["real_name"], typed["role"]))


def test_nobody_else_no_question(admin_client: Browser, form: Form):
    typed = form.typed | {"seen": seen_on(admin_client.get(form.page).text)}
    assert admin_client.submit(form.page, typed).status_code == 303


def test_who_wanted_the_same_is_not_asked(admin_client: Browser, admin: Membership, responder: Membership):
    page = f"/members/{responder.id}"
    seen = seen_on(admin_client.get(page).text)
    responder.role = Role.VIEWER
    same = {"real_name": "林晓", "email": "", "role": "viewer", "seen": seen}
    assert admin_client.submit(page, same).status_code == 303
