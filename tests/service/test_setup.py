"""The wizard's memory: drafts, values, what has to be proven, and how far each step is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from errors import AccessDenied, InvalidInput, NotFound
from extensions import db
from models import CheckState, Integration, IntegrationStatus, Job, PlatformToken, Role
from platforms.errors import remember
from platforms.wecom.errors import IpNotTrusted, SecretInvalid
from platforms.wecom.platform import WeCom
from services import accounts, checks, integrations, setup
from services.setup import AlreadyConnected, ApplicationTaken
from services.wording import error_sentence
from tests.factories import NOW, make_member, make_tenant

IDS = {"corp_id": "ww1234567890abcdef", "agent_id": "1000002", "trusted_domain": "oncall.example.com"}
SECRETS = {
    "secret": "kFTfhbxxFFT1eSrXEKlbQTdTEBhLMpwIqJu_dROaWTo",
    "token": "QDG6eKxVkPqWzLmN",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}


def admin(username: str = "admin", **values):
    return make_member(username, Role.ADMIN, **values)


def begin(by=None) -> Integration:
    made = setup.begin("wecom", "self_built", by=by or admin(), now=NOW)
    db.session.commit()
    return made


def save(integration: Integration, values: dict[str, str], by=None) -> list[str]:
    changed = setup.save(integration, values, by=by or admin(), now=NOW)
    db.session.commit()
    return changed


def secret_of(integration: Integration) -> str:
    platform = integrations.platform_for(integration)
    assert isinstance(platform, WeCom)
    return platform.settings.secret


def step(integration: Integration, key: str):
    return next(item for item in setup.progress(integration) if item.step.key == key)


def staged() -> list[str]:
    return sorted(job.payload["check"] for job in db.session.scalars(select(Job).where(Job.kind == "run_check")))


# --- where a secret may be sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elsewhere", [{"endpoint": "https://elsewhere.example.com"}, {"is_private": ""}, {"is_private": "", "endpoint": ""}]
)
def test_another_address_must_be_given_the_secret_again(app, elsewhere):
    listed = ("wecom.example.com", "elsewhere.example.com")
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], endpoint_allowlist=listed)
    by, integration = admin(), begin(admin("other"))
    save(integration, {"is_private": "1", "endpoint": "https://wecom.example.com"}, by)
    save(integration, IDS | SECRETS, by)
    assert secret_of(integration) == SECRETS["secret"]
    save(integration, elsewhere, by)
    assert secret_of(integration) == ""
    assert [field.name for field in setup.missing(integration)] == ["secret"]
    save(integration, {"endpoint": "https://wecom.example.com", "is_private": "1"} | SECRETS, by)
    assert secret_of(integration) == SECRETS["secret"]


# --- beginning ----------------------------------------------------------------------------------------------------


def test_beginning_twice_goes_on_with_the_draft(app):
    assert begin() == begin()


def test_one_application_of_a_platform_is_enough(app):
    save(begin(), IDS | SECRETS)
    with pytest.raises(AlreadyConnected):
        begin()


def test_only_administrators_begin_and_save(app):
    integration = begin()
    with pytest.raises(AccessDenied):
        setup.begin("wecom", "self_built", by=make_member("lin"), now=NOW)
    with pytest.raises(AccessDenied):
        save(integration, IDS, by=make_member("lin"))


@pytest.mark.parametrize(("platform", "mode"), [("carrier_pigeon", "self_built"), ("wecom", "carrier_pigeon")])
def test_unknown_platforms_and_modes_do_not_exist(app, platform, mode):
    with pytest.raises(NotFound):
        setup.begin(platform, mode, by=admin(), now=NOW)


def test_another_organisations_connection_is_not_found(app):
    integration = begin()
    stranger = admin("zhou", tenant=make_tenant())
    with pytest.raises(NotFound):
        setup.get(integration.id, viewer=stranger)
    assert setup.all_for(stranger) == []


# --- values -------------------------------------------------------------------------------------------------------


def test_the_last_needed_value_makes_a_draft_active(app):
    integration = begin()
    save(integration, IDS)
    assert integration.status is IntegrationStatus.DRAFT
    assert {field.name for field in setup.missing(integration)} == set(SECRETS)
    save(integration, SECRETS)
    assert integration.status is IntegrationStatus.ACTIVE


def test_saving_says_what_changed(app):
    integration = begin()
    assert set(save(integration, IDS)) == set(IDS)
    assert save(integration, IDS) == []
    assert save(integration, {"agent_id": "1000003"}) == ["agent_id"]


def test_a_wrong_shape_keeps_nothing_at_all(app):
    integration = begin()
    with pytest.raises(InvalidInput) as refused:
        setup.save(integration, {"corp_id": IDS["corp_id"], "agent_id": "x"}, by=admin(), now=NOW)
    db.session.rollback()
    assert refused.value.field == "agent_id"
    assert db.session.get_one(Integration, integration.id).settings == {setup.LEFT: []}


def test_secrets_are_sealed_and_never_shown(app):
    integration = begin()
    save(integration, IDS | SECRETS)
    fields = {field.name: field for field in setup.mode_of(integration).fields}
    for name, secret in SECRETS.items():
        assert secret not in str(integration.secrets) + str(integration.settings)
        assert setup.stored(integration, fields[name]) == ""
        assert setup.has_secret(integration, fields[name])


def test_an_empty_secret_keeps_the_stored_one(app):
    integration = begin()
    save(integration, IDS | SECRETS)
    assert save(integration, {"secret": ""}) == []
    assert secret_of(integration) == SECRETS["secret"]


def test_a_company_belongs_to_one_organisation(app):
    stranger = admin("zhou", tenant=make_tenant())
    save(begin(stranger), IDS, by=stranger)
    mine = begin()
    with pytest.raises(ApplicationTaken) as refused:
        setup.save(mine, IDS, by=admin(), now=NOW)
    db.session.rollback()
    assert refused.value.message == "AppKey重复"
    assert error_sentence(refused.value) == "AppKey重复。该企业已被其他组织接入；一个企业只能接入一个组织。"


def test_who_administers_the_other_organisation_is_told_which_it_is(app):
    theirs = admin("zhou", tenant=make_tenant())
    save(begin(theirs), IDS, by=theirs)
    mine = begin()
    accounts.join(admin().user, theirs.tenant, Role.ADMIN, source="manual", now=NOW)
    with pytest.raises(ApplicationTaken) as refused:
        setup.save(mine, IDS, by=admin(), now=NOW)
    assert f"组织「{theirs.tenant.name}」的集成「企业微信」" in error_sentence(refused.value)


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.VIEWER])
def test_who_merely_belongs_to_the_other_organisation_is_not_told(app, role):
    theirs = admin("zhou", tenant=make_tenant())
    save(begin(theirs), IDS, by=theirs)
    mine = begin()
    accounts.join(admin().user, theirs.tenant, role, source="manual", now=NOW)
    with pytest.raises(ApplicationTaken) as refused:
        setup.save(mine, IDS, by=admin(), now=NOW)
    assert theirs.tenant.name not in error_sentence(refused.value)


def test_new_values_drop_tokens_and_ask_for_new_proof(app):
    integration = begin()
    checks.passed(integration, "credentials", now=NOW)
    checks.passed(integration, "callback", now=NOW)
    db.session.add(PlatformToken(tenant_id=0, integration_id=integration.id, kind="access_token"))
    db.session.commit()
    save(integration, IDS)
    by_name = checks.by_name(integration)
    assert by_name["credentials"].state is CheckState.WAITING
    assert by_name["callback"].state is CheckState.PASSED, "only others can prove it again"
    assert not db.session.scalars(select(PlatformToken)).all()
    assert staged() == ["credentials", "domain", "trusted_ip", "visible_range"]


# --- proofs -------------------------------------------------------------------------------------------------------


def test_a_try_is_staged_once_while_it_waits(app):
    integration = begin()
    for _ in range(3):
        setup.try_check(integration, "credentials", now=NOW)
    assert staged() == ["credentials"]


def test_a_watched_page_tries_again_what_may_have_changed(app):
    integration = begin()
    checks.passed(integration, "domain", now=NOW)
    checks.failed(integration, "credentials", now=NOW, **remember(SecretInvalid("wrong", platform_code=40001)))
    checks.failed(integration, "trusted_ip", now=NOW, **remember(IpNotTrusted("no", platform_code=60020, ip="1.2.3.4")))
    db.session.commit()
    assert set(setup.due_again(integration, now=NOW + timedelta(seconds=5))) == {"visible_range"}
    later = setup.due_again(integration, now=NOW + timedelta(seconds=11))
    assert set(later) == {"visible_range", "trusted_ip"}, "a wrong secret is not tried again by itself"


def test_a_page_that_is_left_open_asks_ever_more_rarely(app):
    integration = begin()
    checks.wait(integration, "trusted_ip", now=NOW).at = NOW + timedelta(hours=8)
    db.session.commit()
    for seconds, is_due in ((11, False), (59, False), (61, True)):
        due = setup.due_again(integration, now=NOW + timedelta(hours=8, seconds=seconds))
        assert ("trusted_ip" in due) is is_due


# --- steps --------------------------------------------------------------------------------------------------------


def test_a_step_is_green_when_it_was_seen_to_work_and_not_when_it_is_filled_in(app):
    integration = begin()
    assert step(integration, "secret").state == "todo"
    save(integration, IDS | {"secret": SECRETS["secret"]})
    assert step(integration, "corp_id").state == "done"
    assert step(integration, "secret").state == "waiting"
    checks.passed(integration, "credentials", now=NOW)
    assert step(integration, "secret").state == "passed"
    checks.failed(integration, "credentials", now=NOW, **remember(SecretInvalid("wrong")))
    assert step(integration, "secret").state == "failed"


def test_looking_at_a_later_step_finishes_none_of_those_before_it(app):
    integration = begin()
    *before, last = setup.mode_of(integration).steps
    setup.visit(integration, last, by=admin(), now=NOW)
    db.session.commit()
    assert {item.state for item in setup.progress(integration) if item.step in before} == {"todo"}


def test_a_step_without_values_is_done_once_it_was_left_by_the_button(app):
    integration = begin()
    shown = next(one for one in setup.mode_of(integration).steps if not one.fields and not one.checks)
    setup.leave(integration, shown)
    setup.leave(integration, shown)
    db.session.commit()
    assert integration.settings[setup.LEFT] == [shown.key]
    assert step(integration, shown.key).state == "done"


def test_a_connection_that_works_has_not_done_the_steps_that_nobody_opened(app):
    integration = begin()
    save(integration, IDS | SECRETS)
    assert integration.status is IntegrationStatus.ACTIVE
    unopened = [one for one in setup.mode_of(integration).steps if not one.fields and not one.checks]
    assert {step(integration, one.key).state for one in unopened} == {"todo"}
    integration.settings = {name: kept for name, kept in integration.settings.items() if name != setup.LEFT}
    assert {step(integration, one.key).state for one in unopened} == {"done"}, "older than the note"


def test_the_step_that_was_left_opens_again(app):
    integration = begin()
    opened = setup.open_step(integration, "agent_id")
    setup.visit(integration, opened, by=admin(), now=NOW)
    db.session.commit()
    assert setup.open_step(integration, None).key == "agent_id"
    with pytest.raises(NotFound):
        setup.open_step(integration, "nothing")


def test_visiting_begins_to_wait_for_what_only_others_can_show(app):
    integration = begin()
    setup.visit(integration, setup.open_step(integration, "callback_url"), by=admin(), now=NOW)
    known = checks.get(integration, "callback")
    assert known
    assert (known.state, known.since) == (CheckState.WAITING, NOW)


def test_somebody_else_at_it_is_told_for_five_minutes(app):
    integration, me, wu = begin(), admin(), admin("wu")
    setup.visit(integration, setup.open_step(integration, None), by=wu, now=NOW)
    assert setup.also_editing(integration, viewer=me, now=NOW + timedelta(minutes=4))
    assert not setup.also_editing(integration, viewer=wu, now=NOW)
    assert not setup.also_editing(integration, viewer=me, now=NOW + timedelta(minutes=5))


# --- afterwards ---------------------------------------------------------------------------------------------------


def test_enabling_an_incomplete_connection_makes_it_a_draft_again(app):
    integration = begin()
    setup.set_enabled(integration, False, by=admin())
    assert integration.status is IntegrationStatus.DISABLED
    setup.set_enabled(integration, True, by=admin())
    assert integration.status is IntegrationStatus.DRAFT


def test_deleting_needs_the_name_and_takes_everything_along(app):
    integration = begin()
    save(integration, IDS | SECRETS)
    with pytest.raises(InvalidInput):
        setup.remove(integration, typed_name="something", by=admin())
    setup.remove(integration, typed_name=f" {integration.name} ", by=admin())
    db.session.commit()
    assert setup.all_for(admin()) == []


def test_an_ownership_file_is_found_by_its_name(app):
    integration = begin()
    save(integration, {"ownership_file_name": "WW_verify_AbCdEfGh01234567.txt", "ownership_file_content": "x"})
    assert setup.find_by_ownership_file("WW_verify_AbCdEfGh01234567.txt") == integration
    assert setup.find_by_ownership_file("WW_verify_0000000000000000.txt") is None
    assert setup.find_by_ownership_file("") is None
