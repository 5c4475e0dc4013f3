"""Every route of the console that changes something leaves an entry in the audit record, or says here why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from extensions import db
from models import (
    AuditEntry,
    ContactSync,
    ContactSyncState,
    DeliveryState,
    Integration,
    Membership,
    MembershipState,
    Role,
    SsoProvider,
)
from services import api_tokens, deliveries, policies
from services.clock import utcnow
from services.notifications import notify
from tests.factories import (
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_tenant,
)
from tests.security.conftest import World
from tests.security.test_crawl import UNSAFE
from tests.web.conftest import Browser

NOT_THE_CONSOLE = {"api", "callbacks", "provider_callbacks", "intake", "send_message", "h5"}
"""Programs and platforms; in-app pages use the same services (below)."""
LOOKS = "reads what was typed, and stores nothing"
TRIES = "asks a platform or a provider again; stores its answer, nothing that somebody set"
OWN_LOOK = "how pages look to this person or browser"
SIGNING_IN = "recorded, see test_audit.py and web/test_joining.py"
ROOMS = "recorded by services/timeline.py once the platform has done it: service/test_war_rooms.py"
CONNECTED = "recorded; needs a connection whose platform can do that"
EXEMPT = {
    "incidents.open_room": ROOMS,
    "incidents.invite_to_room": ROOMS,
    "incidents.dismiss_room": ROOMS,
    "integrations.switch_mode": CONNECTED,
    "integrations.switch_war_room": CONNECTED,
    "message_templates.look": LOOKS,
    "policies.group_offer": LOOKS,
    "integrations.recheck": TRIES,
    "integrations.recheck_all": TRIES,
    "integrations.refresh_groups": TRIES,
    "integrations.refresh_licences": TRIES,
    "providers.check": TRIES,
    "sso.check": TRIES,
    "preferences.set_language": OWN_LOOK,
    "preferences.set_theme": OWN_LOOK,
    "auth.enter_organisation": "chooses among one's own organisations, in the session alone",
    "auth.create_first_admin": SIGNING_IN,
    "auth.submit_password": SIGNING_IN,
    "auth.submit_sign_in": SIGNING_IN,
    "auth.sign_out": SIGNING_IN,
    "joining.sign_in": SIGNING_IN,
    "joining.new_account": SIGNING_IN,
    "joining.accept": SIGNING_IN,
    "joining.accept_named": SIGNING_IN,
    "joining.decline": SIGNING_IN,
    "joining.ask": SIGNING_IN,
    "me.ask_email": "needs a mail server: web/test_own_email.py",
    "me.prove_email": "needs a mail server: web/test_own_email.py",
    "contact_sync.passwords": "needs a synchronisation that is done: web/test_contact_sync.py",
    "alert_sources.try_again": "needs alerts that could not be stored: service/test_stored_pushes.py",
}


@dataclass
class Step:
    """One request: the route, what is sent, and what the record says afterwards. before: makes what it acts on."""

    endpoint: str
    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    before: Callable[[], dict[str, Any] | None] | None = None


LEVEL = {"levels-0-mode": "follow_preference", "levels-0-max": "0", "levels-0-every": "10"}
LEVEL |= {"levels-0-escalate_after": "30", "levels-0-condition": "not_closed_and_not_acked"}
POLICY = {"name": "新策略", "priority": "5", "delay_seconds": "0", "is_enabled": "1", **LEVEL}
CHANNEL = {"name": "新空间", "close_timeout_minutes": "0", "closes_on_recovery": "y"}


def steps(own: World, admin: Membership) -> Iterator[Step]:
    """In this order, over one organisation; what is deleted comes last."""
    yield from _incidents(own)
    yield from _people(own)
    yield from _spaces(own, admin)
    yield from _connections(own)
    yield from _oneself(own, admin)
    yield from _instance()
    yield Step("me.leave", "member.left", {"confirm_name": "改名的组织"}, before=_successor)


def _incidents(own: World) -> Iterator[Step]:
    def failed() -> dict[str, Any]:
        incident = make_incident(make_channel(f"空间 {utcnow().timestamp()}"), responders=(own.admin,))
        (made,) = notify(incident, cause="assign", user_ids=[own.admin.user_id], now=utcnow()).deliveries
        made.state, made.failure_code = DeliveryState.FAILED, "app_not_linked"
        return {"delivery_id": made.id, "id": made.id}

    def doubtful() -> dict[str, Any]:
        named = failed()
        made = deliveries.get(named["delivery_id"], viewer=own.admin)
        made.failure_code = sorted(deliveries.AWAITING_A_WORD)[0]
        return named

    def running() -> dict[str, Any]:
        channel = make_channel("两个环节")
        policy = make_policy(channel, levels=[make_level(own.admin), make_level(own.admin)])
        kept = {"kind": "assign", "policy": policies.snapshot(policy), "level": 0, "times": 1, "run": 1}
        return {"num": make_incident(channel, assignment=kept).num}

    person = str(own.admin.user_id)
    yield Step("incidents.create", "incident.new", {"title": "手工", "severity": "Critical", "people": person})
    yield Step("incidents.batch", "incident.ack", {"action": "acknowledge", "num": str(own.ids["num"])})
    yield Step("incidents.do", "incident.unack", values={"verb": "unacknowledge"})
    yield Step("incidents.snooze", "incident.snooze", {"minutes": "120"})
    yield Step("incidents.do", "incident.wake", values={"verb": "wake"})
    yield Step("incidents.comment", "incident.comment", {"text": "看过了"})
    yield Step("incidents.add_responders", "incident.add_responder", {"add-people": str(make_member("wu").user_id)})
    yield Step("incidents.reassign", "incident.assign", {"reassign-people": person})
    yield Step("incidents.escalate", "incident.assign", {"level": "1"}, before=running)
    yield Step("incidents.save", "incident.title", {"title": "改过的标题", "severity": "Critical"})
    yield Step("incidents.close", "incident.close")
    yield Step("incidents.reopen", "incident.reopen", {"reason": "又来了"})
    yield Step("deliveries.resend", "delivery.resent", before=failed)
    yield Step("deliveries.resend_all", "delivery.resent", before=failed)
    yield Step("deliveries.drop", "delivery.dropped", before=doubtful)


def _people(own: World) -> Iterator[Step]:
    def in_state(state: MembershipState) -> Callable[[], dict[str, Any]]:
        def make() -> dict[str, Any]:
            made = make_member(f"p-{state.value}", state=state)
            made.state = state
            return {"member_id": made.id}

        return make

    def somebody() -> dict[str, Any]:
        return {"member_id": make_member("somebody").id}

    waiting, refused = in_state(MembershipState.UNDER_REVIEW), in_state(MembershipState.REFUSED)
    who = {"username": "newcomer", "real_name": "新人", "role": "responder"}
    yield Step("members.add", "member.added", who)
    yield Step("members.save", "member.role_changed", {"real_name": "某人", "role": "viewer"}, before=somebody)
    yield Step("members.reset_password", "password.reset", before=somebody)
    yield Step("members.disable", "member.disabled", before=somebody)
    yield Step("members.restore", "member.restored", before=somebody)
    yield Step("members.approve", "member.approved", {"role": "viewer"}, before=waiting)
    yield Step("members.refuse", "member.refused", {"reason": "不认识"}, before=waiting)
    yield Step("members.reopen", "member.reopened", before=refused)
    yield Step("members.create_invitation", "invitation.created", {"role": "viewer", "days": "7"})
    yield Step("members.revoke_invitation", "invitation.revoked")
    yield Step("plan.save", "seat.number_changed", {"seats": "5"})
    yield Step("plan.give", "seat.given", {"username": "wu"})
    yield Step("plan.take_back", "seat.taken_back", values={"user_id": make_member("wu").user_id})
    yield Step("teams.create", "team.created", {"name": "新团队"})
    yield Step("teams.save", "team.changed", {"name": "改名的团队"})
    yield Step("teams.add_member", "team.changed", {"username": "wu"})
    yield Step("teams.remove_member", "team.changed", values={"member_id": make_member("wu").id})
    yield Step("teams.delete", "team.deleted")
    yield Step("departments.create", "department.created", {"name": "新部门", "parent_id": ""})
    yield Step("departments.save", "department.changed", {"name": "改名的部门", "parent_id": ""})
    yield Step("departments.add_member", "department.changed", {"username": "wu"})
    yield Step("departments.remove_member", "department.changed", values={"member_id": make_member("wu").id})
    yield Step("departments.delete", "department.deleted")


def _spaces(own: World, admin: Membership) -> Iterator[Step]:
    person = {"levels-0-people": str(admin.user_id)}
    source = {"name": "新告警源", "channel_id": str(own.ids["channel_id"]), "type": "standard"}
    template = {"confirm_name": "改名的模板"}
    yield Step("channels.create", "channel.created", CHANNEL)
    yield Step("channels.save", "channel.changed", CHANNEL | {"name": "改名的空间"})
    yield Step("channels.switch", "channel.disabled", values={"verb": "disable"})
    yield Step("policies.create", "policy.created", POLICY | person)
    yield Step("policies.save", "policy.changed", POLICY | person | {"name": "改名的策略"})
    yield Step("policies.switch", "policy.disabled", values={"verb": "disable"})
    yield Step("policies.move", "policy.moved", values={"way": "down"})
    yield Step("policies.duplicate", "policy.created")
    yield Step("policies.delete", "policy.deleted", {"confirm_name": "改名的策略"})
    yield Step("message_templates.create", "template.created", {"name": "新模板"})
    yield Step("message_templates.save", "template.changed", {"name": "改名的模板"})
    yield Step("message_templates.delete", "template.deleted", template)
    yield Step("alert_sources.add", "alert_source.created", source)
    yield Step("alert_sources.save", "alert_source.changed", source | {"name": "改名的告警源"})
    yield Step("alert_sources.set_enabled", "alert_source.disabled", values={"verb": "disable"})
    yield Step("alert_sources.set_enabled", "alert_source.enabled", values={"verb": "enable"})
    yield Step("alert_sources.rotate", "alert_source.key_rotated")
    yield Step("alert_sources.end_old_keys", "alert_source.old_keys_ended")
    yield Step("alert_sources.delete", "alert_source.deleted", {"confirm_name": "改名的告警源"})
    yield Step("channels.delete", "channel.deleted", {"confirm_name": "改名的空间"})


def _connections(own: World) -> Iterator[Step]:
    integration = db.session.get_one(Integration, own.ids["integration_id"])
    person = {"recipient": f"user-{own.admin.user_id}"}
    step = {"key": "agent_id"}

    def linked() -> None:
        make_link(integration, own.admin, external_user_id="again")

    def no_comparison() -> dict[str, Any]:
        return {"integration_id": make_integration(settings=SYNCED, secrets=integration.secrets).id}

    yield Step("contact_sync.change", "contact_sync.compared", {"version": "1"}, {"verb": "exclude"})
    yield Step("contact_sync.apply", "contact_sync.confirmed", {"version": "2", "is_shrinking_meant": "y"})
    yield Step("contact_sync.discard", "contact_sync.discarded", before=lambda: _comparison(own))
    yield Step("contact_sync.begin", "contact_sync.started", before=no_comparison)
    yield Step("contact_sync.save", "integration.changed", {"agent_id": "1000077", "corp_id": "ww0000000000000011"})
    yield Step("contact_sync.remove", "link.ended")
    yield Step("integrations.send_test_card", "delivery.test_sent", person, before=linked)
    yield Step("integrations.unlink", "link.ended")
    yield Step("integrations.name_group", "group.renamed", {"alias": "值班群"})
    yield Step("integrations.save_step", "integration.changed", {"agent_id": "1000078"}, step)
    yield Step("integrations.check_field", "integration.changed", {"agent_id": "1000079"}, step | {"name": "agent_id"})
    yield Step("integrations.set_quota", "integration.account_limit_changed", {"number": "500"})
    yield Step("integrations.rename", "integration.changed", {"name": "改名的集成"})
    yield Step("integrations.set_enabled", "integration.disabled", values={"verb": "disable"})
    yield Step("contact_sync.end", "integration.disabled")
    yield Step("integrations.delete", "integration.deleted", {"confirm_name": "改名的集成"})
    yield Step("integrations.begin", "integration.created", values={"platform": "feishu", "mode": "self_built"})
    yield Step("contact_sync.new", "integration.created", values={"platform": "dingtalk"})


SYNCED = {"corp_id": "ww0000000000000999", "agent_id": "1000002"}
"""What contacts are read with, beside the secret."""


def _comparison(own: World) -> dict[str, Any]:
    """A comparison of another connection that nobody has confirmed."""
    made = ContactSync(tenant_id=own.tenant.id, integration_id=make_integration().id, started_at=utcnow())
    made.state, made.departments = ContactSyncState.COMPARING, []
    db.session.add(made)
    db.session.flush()
    return {"sync_id": made.id}


def _oneself(own: World, admin: Membership) -> Iterator[Step]:
    def mine() -> dict[str, Any]:
        token, _text = api_tokens.create("旧", ["read"], by=admin, now=utcnow())
        return {"token_id": token.id}

    def linked() -> dict[str, Any]:
        return {"link_id": make_link(make_integration(), admin).id}

    profile = {"real_name": "王小芳", "locale": "", "theme": "auto", "timezone": ""}
    preferences = {"Critical": "wecom_app"}
    provider = {"issuer": "https://id.example.com", "client_id": "console", "secret": "a-secret-of-the-provider"}
    about = {"name": "改名的组织", "locale": "zh_CN", "timezone": "Asia/Tokyo"}
    snoozes = {"snooze_presets": "10, 20, 30"}
    yield Step("me.save_profile", "member.profile_changed", profile)
    yield Step("me.save_preferences", "member.preferences_changed", preferences)
    yield Step("me.create_token", "api_token.created", {"name": "ci", "scopes": "read", "lifetime": "30"})
    yield Step("me.revoke_token", "api_token.revoked", before=mine)
    yield Step("me.unlink", "link.ended", before=linked)
    yield Step("audit.export", "audit.exported")
    yield Step("organisation.save", "organisation.changed", about | snoozes)
    yield Step("sso.save", "sso.changed", provider)
    yield Step("sso.switch", "sso.enabled", values={"verb": "enable"}, before=_tried_provider)
    yield Step("sso.require", "sso.optional", values={"verb": "allow"}, before=lambda: _required(admin))
    yield Step("sso.remove", "sso.removed", {"confirm_name": provider["issuer"]})


def _tried_provider() -> None:
    provider = db.session.scalars(select(SsoProvider)).one()
    provider.checked_at, provider.problem = utcnow(), None


def _required(admin: Membership) -> None:
    admin.tenant.requires_sso = True


def _successor() -> None:
    make_member("successor", Role.ADMIN)


def _instance() -> Iterator[Step]:
    other = {"organisation_id": make_tenant("别家").id}
    yield Step("instance.create", "organisation.created", {"name": "新组织"})
    yield Step("instance.rename", "organisation.changed", {"name": "改名", "house_number": "NEWNUMBER"}, other)
    yield Step("instance.invite", "invitation.created", values=other)
    yield Step("instance.freeze", "organisation.frozen", values=other)
    meant = {"confirm_name": "改名"}
    yield Step("instance.delete", "organisation.deletion_asked", meant, values=other)
    yield Step("instance.keep", "organisation.deletion_taken_back", values=other)
    provider = {"provider_corp_id": "ww0123456789abcdef"}
    yield Step("providers.save", "provider.changed", provider, {"platform": "wecom"})
    yield Step("instance_audit.export_all", "audit.exported")
    yield Step("instance.unfreeze", "organisation.unfrozen", values=other)


def mutating(app: Flask) -> set[str]:
    rules = [rule for rule in app.url_map.iter_rules() if (rule.methods or set()) & set(UNSAFE)]
    return {rule.endpoint for rule in rules if rule.endpoint.partition(".")[0] not in NOT_THE_CONSOLE}


def path_of(app: Flask, step: Step, values: dict[str, Any]) -> str:
    with app.test_request_context():
        rules = app.url_map.iter_rules(step.endpoint)
        rule = next(rule for rule in rules if "POST" in (rule.methods or ()))
        names = {name: values[name] for name in rule.arguments}
        return app.url_map.bind("localhost").build(step.endpoint, names, method="POST")


def test_every_change_leaves_an_entry(app: Flask, client: Browser, own: World, admin: Membership) -> None:
    client.sign_in(admin)
    token = client.token("/me")
    walked, missing = set(), []
    for step in steps(own, admin):
        made = (step.before() if step.before else None) or {}
        path = path_of(app, step, own.ids | {"member_id": own.admin.id} | step.values | made)
        last = db.session.scalar(select(func.max(AuditEntry.id))) or 0
        answer = client.post(path, data={"csrf_token": token, "id": made.get("id", ""), **step.fields})
        entries = list(db.session.scalars(select(AuditEntry).where(AuditEntry.id > last)))
        if step.event not in [entry.event for entry in entries]:
            missing.append((step.endpoint, answer.status_code, [entry.event for entry in entries]))
        for entry in entries:
            assert (entry.actor_name, entry.address) == (admin.user.username, "127.0.0.1"), (step.endpoint, entry.event)
            assert entry.request_id, step.endpoint
        walked.add(step.endpoint)
    assert missing == []
    assert mutating(app) - walked - EXEMPT.keys() == set(), "walk over these, or say why nothing is recorded"
    assert EXEMPT.keys() <= mutating(app)
