"""Several organisations on one instance: above them, inside one, and from one to another."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from errors import InvalidInput
from extensions import db
from models import AuditEntry, Job, JobState, Membership, Role, Tenant, TenantStatus
from services import accounts, outbox, tenants
from services.clock import utcnow
from services.timers import AUTO_CLOSE, SNOOZE_EXPIRY, STEP
from tests.factories import NOW, make_tenant
from tests.web.conftest import PASSWORD, Browser

ALL = "/instance/organisations"


@pytest.fixture
def second(responder: Membership) -> Tenant:
    """Another organisation that Lin belongs to as well."""
    tenant = make_tenant("第二家")
    accounts.join(responder.user, tenant, Role.VIEWER, source="manual", now=NOW)
    return tenant


def test_an_organisation_is_made_and_gets_its_administrator_by_a_link(client: Browser, admin_client: Browser) -> None:
    answer = admin_client.submit(f"{ALL}/new", {"name": "星河科技", "house_number": "xh01"})
    path = unescape(re.search(r"/join\?token=[\w-]+", answer.text)[0])
    tenant = db.session.scalars(db.select(Tenant).where(Tenant.name == "星河科技")).one()
    assert (tenant.house_number, tenant.status) == ("XH01", TenantStatus.ACTIVE)
    assert "星河科技" in admin_client.get(ALL).text
    admin_client.submit("/sign-out", page="/me")
    fields = {"username": "boss", "real_name": "总", "password": PASSWORD, "repeated": PASSWORD}
    client.submit("/join/new", {**fields, "token": path.partition("=")[2]}, page=path)
    assert client.get("/members").status_code == 200
    assert client.get(ALL).status_code == 403


def test_a_super_administrator_has_no_place_inside(admin_client: Browser) -> None:
    other = make_tenant("别家")
    assert admin_client.submit("/organisations", {"tenant_id": other.id}, page="/me").status_code == 404


def test_a_super_administrator_needs_no_organisation(client: Browser, admin: Membership, viewer: Membership) -> None:
    viewer.role = Role.ADMIN
    db.session.delete(admin)
    client.sign_in("wang")
    assert client.get(ALL).status_code == 200
    assert client.get("/members").status_code in {303, 403}


def test_a_one_time_password_opens_nothing_above_either(client: Browser, admin: Membership) -> None:
    admin.user.must_change_password = True
    client.sign_in(admin)
    assert client.get(ALL).location.startswith("/password")


@pytest.mark.parametrize("path", [ALL, f"{ALL}/new", f"{ALL}/0"])
def test_nobody_else_stands_above(client: Browser, viewer: Membership, path: str) -> None:
    viewer.role = Role.ADMIN
    client.sign_in(viewer)
    assert client.get(path).status_code == 403
    assert client.submit(path, page="/me").status_code in {403, 405}


def test_house_numbers_are_never_given_twice(admin: Membership) -> None:
    by, now = admin.user, utcnow()
    first, _ = tenants.create("甲", by=by, now=now)
    assert re.fullmatch(r"[A-Z2-9]{6}", first.house_number)
    given_up = first.house_number
    tenants.rename(first, "甲", "NEW1", by=by, now=now)
    for number in (given_up, given_up.lower(), "new1", "不行", "A"):
        with pytest.raises(InvalidInput):
            tenants.create("乙", number, by=by, now=now)
    tenants.rename(first, "甲二", "new1", by=by, now=now)
    assert (first.name, first.house_number) == ("甲二", "NEW1")


def test_a_frozen_organisation_is_closed_and_its_timers_stand_still(client: Browser, admin: Membership) -> None:
    tenant, _ = tenants.create("冰", by=admin.user, now=NOW)
    due: dict[str, Any] = {"tenant_id": tenant.id, "subject_id": 1, "now": NOW}
    for kind, minutes in ((STEP, 5), (SNOOZE_EXPIRY, 60), (AUTO_CLOSE, -1)):
        outbox.enqueue(kind, due_at=NOW + timedelta(minutes=minutes), **due)
    accounts.join(admin.user, tenant, Role.ADMIN, source="manual", now=NOW)
    db.session.commit()
    tenants.freeze(tenant, by=admin.user, now=NOW)
    tenants.freeze(tenant, by=admin.user, now=NOW)
    client.sign_in(admin)
    assert client.submit("/organisations", {"tenant_id": tenant.id}, page="/me").status_code == 404
    assert "组织已被冻结" in client.get("/organisations").text
    later = NOW + timedelta(days=3)
    assert not db.session.scalar(db.select(Job.id).where(Job.tenant_id == tenant.id, Job.due_at <= later))
    tenants.unfreeze(tenant, by=admin.user, now=later)
    db.session.commit()
    jobs = {job.kind: job.due_at for job in db.session.scalars(db.select(Job).where(Job.tenant_id == tenant.id))}
    assert jobs == {
        STEP: later + timedelta(minutes=5),
        SNOOZE_EXPIRY: later + timedelta(minutes=60),
        AUTO_CLOSE: later,
    }
    assert {job.state for job in db.session.scalars(db.select(Job))} == {JobState.PENDING}
    assert client.submit("/organisations", {"tenant_id": tenant.id}, page="/me").status_code == 303


def test_freezing_is_done_and_undone_on_the_page(admin_client: Browser) -> None:
    other = make_tenant("别家")
    page = f"{ALL}/{other.id}"
    admin_client.submit(f"{page}/freeze", page=page)
    assert other.status is TenantStatus.FROZEN
    assert "已冻结" in admin_client.get(ALL).text
    admin_client.submit(f"{page}/unfreeze", page=page)
    assert other.status is TenantStatus.ACTIVE
    events = db.session.scalars(db.select(AuditEntry.event).where(AuditEntry.tenant_id == other.id)).all()
    assert events == ["organisation.frozen", "organisation.unfrozen"]


def test_people_of_several_organisations_switch_in_the_top_bar(
    client: Browser, responder: Membership, second: Tenant
) -> None:
    client.sign_in(responder)
    client.submit("/organisations", {"tenant_id": 0}, page="/organisations")
    page = client.get("/me").text
    assert '<summary class="top-organisation"' in page
    assert f'name="tenant_id" value="{second.id}"' in page
    client.submit("/organisations", {"tenant_id": second.id}, page="/me")
    assert "组织：第二家" in client.get("/me").text


def test_people_of_one_organisation_have_nothing_to_switch(admin_client: Browser) -> None:
    assert '<summary class="top-organisation"' not in admin_client.get("/me").text


def test_administrators_say_how_their_organisation_speaks(admin_client: Browser, admin: Membership) -> None:
    assert admin.tenant.house_number in admin_client.get("/organisation").text
    fields = {"name": "新名", "locale": "en", "timezone": "Asia/Tokyo", "snooze_presets": "30, 60，240"}
    assert admin_client.submit("/organisation", fields).status_code == 303
    assert (admin.tenant.name, admin.tenant.timezone) == ("新名", "Asia/Tokyo")
    assert admin.tenant.snooze_presets == [30, 60, 240]
    for wrong in ({"snooze_presets": "1,2,3"}, {"snooze_presets": "60"}, {"timezone": "Mars"}, {"name": ""}):
        assert admin_client.submit("/organisation", fields | wrong).status_code == 422


def test_beside_a_field_stands_what_is_wrong_and_not_what_the_code_calls_it(admin_client: Browser) -> None:
    fields = {"name": "新名", "locale": "zh_CN", "timezone": "Asia/Tokyo", "snooze_presets": "1,2,3"}
    answer = admin_client.submit("/organisation", fields)
    assert "<span>请填写三个 5 到 1440 之间的分钟数</span>" in answer.text
    assert "snooze_presets 无效" not in answer.text


def test_others_do_not(client: Browser, responder: Membership) -> None:
    client.sign_in(responder)
    assert client.get("/organisation").status_code == 403


def test_deleting_is_asked_for_and_taken_back_on_the_page(admin_client: Browser) -> None:
    other = make_tenant("别家")
    page = f"{ALL}/{other.id}"
    assert f"{page}/delete" not in admin_client.get(page).text
    assert admin_client.submit(f"{page}/delete", {"confirm_name": "别家"}, page=page).status_code == 409
    admin_client.submit(f"{page}/freeze", page=page)
    refused = admin_client.submit(f"{page}/delete", {"confirm_name": "别"}, page=page)
    assert refused.status_code == 422
    assert "输入的名称不一致" in refused.text
    admin_client.submit(f"{page}/delete", {"confirm_name": "别家"}, page=page)
    shown = admin_client.get(page).text
    assert "撤回删除" in shown
    assert f"{page}/unfreeze" not in shown
    assert "待删除" in admin_client.get(ALL).text
    refused = admin_client.submit(f"{page}/unfreeze", page=page, follow_redirects=True)
    assert other.status is TenantStatus.FROZEN
    admin_client.submit(f"{page}/keep", page=page)
    assert other.deletion_due_at is None
    assert admin_client.get(f"{ALL}/0").text.count("/delete") == 0
    events = db.session.scalars(db.select(AuditEntry.event).where(AuditEntry.tenant_id == other.id)).all()
    assert events == ["organisation.frozen", "organisation.deletion_asked", "organisation.deletion_taken_back"]


def test_a_refused_name_does_not_offer_to_take_a_deletion_back_that_has_begun(admin_client: Browser) -> None:
    other = make_tenant("别家")
    other.status, other.deletion_due_at = TenantStatus.FROZEN, utcnow() - timedelta(minutes=1)
    page = f"{ALL}/{other.id}"
    assert "正在删除" in admin_client.get(page).text
    refused = admin_client.submit(page, {"name": "别家", "house_number": "!!"}, page=page)
    assert refused.status_code == 422
    assert "正在删除" in refused.text
