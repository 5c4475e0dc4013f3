"""Templates: kept, tried, and written onto cards, which arrive whatever happens to their template."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from blueprints.templating import markdown
from errors import AccessDenied, Conflict, InvalidInput, NotFound
from extensions import db
from models import AuditEntry, Channel, DispatchPolicy, Incident, Role, Template
from services import incident_progress, policies, template_previews, templates
from services.clock import utcnow
from services.template_engine import Compiled
from services.template_run import MAX_SECONDS
from services.templates import InUse
from services.wording import say
from tests.factories import (
    NOW,
    make_alert,
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_source,
    make_tenant,
)
from tests.fakes import FakePlatform
from tests.noted import noted
from tests.service.messaging import Office

KIND = "wecom_app"


@pytest.fixture
def office(app: Flask, monkeypatch: pytest.MonkeyPatch):
    platform = FakePlatform()
    monkeypatch.setattr("services.integrations.platform_for", lambda integration: platform)
    with time_machine.travel(NOW, tick=False) as clock:
        lin = make_member("lin", email="lin@example.com")
        integration = make_integration()
        make_link(integration, lin)
        labels = {"resource": "db-03", "env": "prod"}
        channel = make_channel()
        incident = make_incident(channel, responders=(lin,), labels=labels, impact="下单变慢")
        make_alert(make_source(channel), incident=incident, title="一条告警", labels={"host": "h1"})
        yield Office(app, platform, clock, integration, incident, lin)


@pytest.fixture
def boss(office: Office):
    return make_member("boss", Role.ADMIN)


def write(by, text: str = "环境 {{ incident.labels.env }}", **values) -> Template:
    written: dict[str, Any] = {"name": "消息", "is_default": True} | values
    made = templates.create(templates.draft(texts={KIND: text}, **written), by=by, now=utcnow())
    db.session.commit()
    return made


def rewrite(template: Template, by, text: str, **values) -> None:
    written: dict[str, Any] = {"name": template.name, "is_default": template.is_default} | values
    templates.update(template, templates.draft(texts={KIND: text}, **written), by=by, now=utcnow())
    db.session.commit()


def broken(template: Template, text: str = "{{ 1 / incident.num * 0 / 0 }}") -> None:
    """What an older version may have let through."""
    template.texts, template.revision = {KIND: text}, "another"
    db.session.commit()


def _channel(office: Office) -> Channel:
    assert office.incident.channel is not None
    return office.incident.channel


def body(office: Office, **values) -> tuple[str, ...]:
    return office.platform.by_reference(office.tell(**values).reference).shown.body


# --- cards --------------------------------------------------------------------------------------------------------


def test_the_default_template_writes_the_custom_area(office: Office, boss) -> None:
    assert body(office)[0] == "资源：db-03"
    template = write(boss)
    delivery = office.tell()
    assert office.platform.by_reference(delivery.reference).shown.body == ("环境 prod",)
    assert delivery.rendered["template_id"] == template.id
    assert delivery.rendered["used_default"] is False
    assert "error" not in delivery.rendered


def test_the_policys_template_comes_before_the_default_one(office: Office, boss) -> None:
    write(boss)
    own = write(boss, "策略 {{ assignment.policy_name }} {{ assignment.level }}", name="另一个", is_default=False)
    policy = make_policy(_channel(office), office.lin, name="先找林", template_id=own.id)
    office.incident.assignment = {
        "kind": "assign",
        "policy": policies.snapshot(policy),
        "level": 0,
        "times": 1,
        "run": 1,
    }
    assert body(office) == ("策略 先找林 1",)


def test_an_edit_shows_on_later_cards_and_updates(office: Office, boss) -> None:
    template = write(boss)
    delivery = office.tell()
    rewrite(template, boss, "新 {{ incident.progress }}")
    office.change(incident_progress.acknowledge)
    office.pass_time(seconds=5)
    assert office.platform.by_reference(delivery.reference).shown.body == ("新 Processing",)
    assert body(office) == ("新 Processing",)


def test_a_press_is_answered_with_the_template_and_no_further_statement(office: Office, boss) -> None:
    def statements_of_a_press() -> int:
        card = office.platform.by_reference(office.tell().reference).shown
        office.work()
        seen: list[str] = []
        connection = db.session.connection()
        if connection.dialect.name == "sqlite":
            connection.connection.driver_connection.set_trace_callback(seen.append)
            result = office.press(card, "状态刷新")
            db.session.connection().connection.driver_connection.set_trace_callback(None)
        else:
            with noted() as seen_by_driver:
                result = office.press(card, "状态刷新")
            seen += [one.text for one in seen_by_driver]
        assert result.card is not None
        bodies.append(result.card.body)
        return len(seen)

    bodies: list[tuple[str, ...]] = []
    statements_of_a_press()
    builtin = statements_of_a_press()
    names = ("incident.num", "incident.labels.env", "channel.name", "incident.ack_time | ago", "assignment.level")
    write(boss, " ".join(f"{{{{ {name} }}}}" for name in names))
    statements_of_a_press()
    assert statements_of_a_press() == builtin
    assert bodies[0] != bodies[-1]


def test_everything_that_a_template_can_name_is_there(office: Office, boss) -> None:
    wanted = [
        ("incident.impact", "下单变慢"),
        ("incident.status | severity_text", "严重"),
        ("incident.event_count", "0"),
        ("incident.last_time | date('%H:%M')", "09:31"),
        ("incident.responders[0].email", "lin@example.com"),
        ("incident.responders[0].assigned_at | date('%H:%M')", "09:31"),
        ("incident.alerts[0].title", "一条告警"),
        ("incident.alerts | join_alert_labels('host')", "h1"),
        ("tenant.name", "默认组织"),
        ("tenant.timezone", "Asia/Shanghai"),
        ("channel.id", str(office.incident.channel_id)),
        ("recipient.name", "林晓"),
        ("notification.fire_type", "refire"),
        ("notification.times", "2"),
        ("incident.detail_url", "http://localhost:8000/h5/"),
        ("incident.is_flapping", "true"),
    ]
    office.incident.flapping_since = NOW
    db.session.commit()
    write(boss, "\n".join(f"{{{{ {expression} }}}}" for expression, _expected in wanted))
    shown = body(office, cause="repeat", times=2)
    for line, (expression, expected) in zip(shown, wanted, strict=True):
        assert line.startswith(expected), expression


def test_a_running_incident_goes_on_when_its_template_is_gone(office: Office, boss) -> None:
    template = write(boss, is_default=False)
    policy = make_policy(_channel(office), office.lin, template_id=template.id)
    office.incident.assignment = {
        "kind": "assign",
        "policy": policies.snapshot(policy),
        "level": 0,
        "times": 1,
        "run": 1,
    }
    assert body(office) == ("环境 prod",)
    with pytest.raises(InUse):
        templates.delete(template, by=boss, now=utcnow())
    policies.delete(policy, by=boss, now=NOW)
    templates.delete(template, by=boss, now=utcnow())
    db.session.commit()
    assert body(office)[0] == "资源：db-03"


def test_a_template_that_cannot_be_rendered_gives_way_to_the_built_in_text(office: Office, boss) -> None:
    template = write(boss)
    broken(template)
    delivery = office.tell()
    assert office.platform.by_reference(delivery.reference).shown.body[0] == "资源：db-03"
    assert delivery.rendered["used_default"] is True
    assert delivery.rendered["error"] == {"code": "failed", "line": 1, "detail": "float division by zero"}
    broken(template, "{{ nonsense")
    db.session.get_one(Template, template.id).revision = "yet another"
    delivery = office.tell()
    assert delivery.rendered["error"]["code"] == "syntax"
    card = office.platform.by_reference(delivery.reference).shown
    assert office.press(card, "开始处理").card is not None


def test_an_update_that_falls_back_is_noted_on_the_delivery(office: Office, boss) -> None:
    template = write(boss)
    delivery = office.tell()
    broken(template)
    office.change(incident_progress.acknowledge)
    office.pass_time(seconds=5)
    assert office.platform.by_reference(delivery.reference).shown.body[0] == "资源：db-03"
    db.session.refresh(delivery)
    assert delivery.rendered["used_default"] is True


def test_a_kind_without_a_text_has_the_built_in_one(office: Office, boss) -> None:
    made = templates.create(templates.draft(name="空", is_default=True, texts={KIND: " \n "}), by=boss, now=utcnow())
    assert made.texts == {}
    delivery = office.tell()
    assert office.platform.by_reference(delivery.reference).shown.body[0] == "资源：db-03"
    assert "template_id" not in delivery.rendered


def test_another_organisations_default_writes_nothing_here(office: Office, boss) -> None:
    stranger = make_member("zhou", Role.ADMIN, tenant=make_tenant("别家"))
    foreign = write(stranger, "别家的")
    assert body(office)[0] == "资源：db-03"
    policy = make_policy(_channel(office), office.lin, template_id=foreign.id)
    office.incident.assignment = {
        "kind": "assign",
        "policy": policies.snapshot(policy),
        "level": 0,
        "times": 1,
        "run": 1,
    }
    assert body(office)[0] == "资源：db-03"


SLOW = "{% for a in incident.alerts %}{% for b in incident.alerts %}{{ a.title }}{% endfor %}{% endfor %}"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, bool]]:
    """Every rendering: the seconds that it may take, and whether a transaction was open."""
    kept: list[tuple[float, bool]] = []
    render = Compiled.render

    def watched(compiled: Compiled, *values: Any, seconds: float = MAX_SECONDS, **more: Any) -> list[str]:
        kept.append((seconds, db.session().in_transaction()))
        return render(compiled, *values, seconds=seconds, **more)

    monkeypatch.setattr(Compiled, "render", watched)
    return kept


def test_a_slow_template_is_written_while_nothing_is_held(office: Office, boss, seen, monkeypatch) -> None:
    write(boss, SLOW + "{{ incident.progress }}")
    delivery = office.tell()
    monkeypatch.setattr("services.card_bodies.HURRIED_SECONDS", -1.0)
    seen.clear()
    office.change(incident_progress.acknowledge)
    office.pass_time(seconds=5)
    assert seen == [(-1.0, True), (MAX_SECONDS, False)]
    assert office.platform.by_reference(delivery.reference).shown.body == ("一条告警Processing",)


def test_a_press_on_a_card_with_a_slow_template_is_done_and_the_card_follows(office: Office, boss, monkeypatch) -> None:
    write(boss, SLOW + "{{ incident.progress }}")
    delivery = office.tell()
    monkeypatch.setattr("services.card_bodies.HURRIED_SECONDS", -1.0)
    pressed = office.press(office.platform.by_reference(delivery.reference).shown, "开始处理")
    assert pressed.card is None
    office.pass_time(seconds=5)
    assert office.platform.by_reference(delivery.reference).shown.body == ("一条告警Processing",)


def test_a_card_whose_template_took_too_long_once_keeps_the_built_in_text(office: Office, boss, monkeypatch) -> None:
    template = write(boss, SLOW)
    with monkeypatch.context() as slow:
        slow.setattr("services.card_bodies.MAX_SECONDS", -1.0)
        delivery = office.tell()
    assert delivery.rendered["error"]["code"] == "time"
    office.change(incident_progress.acknowledge)
    office.pass_time(seconds=5)
    assert office.platform.by_reference(delivery.reference).shown.body[0] == "资源：db-03"
    rewrite(template, boss, "新")
    office.change(incident_progress.close)
    office.pass_time(seconds=5)
    db.session.refresh(delivery)
    assert "error" not in delivery.rendered


# --- keeping them -------------------------------------------------------------------------------------------------


def test_there_is_one_default_at_most(office: Office, boss) -> None:
    first, second = write(boss), write(boss, name="第二")
    db.session.refresh(first)
    assert (first.is_default, second.is_default) == (False, True)
    rewrite(first, boss, "x", is_default=True)
    db.session.refresh(second)
    assert (first.is_default, second.is_default) == (True, False)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"name": ""}, "name"), ({"name": "x" * 40}, "name"), ({"name": "a", "description": "x" * 501}, "description")],
)
def test_names_and_descriptions_have_lengths(office: Office, values, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        templates.draft(texts={}, **values)
    assert refused.value.field == field


def test_a_name_is_taken_once_in_an_organisation(office: Office, boss) -> None:
    template = write(boss)
    with pytest.raises(InvalidInput):
        write(boss)
    rewrite(template, boss, "x")
    write(make_member("zhou", Role.ADMIN, tenant=make_tenant("别家")))


def test_what_cannot_be_rendered_is_not_saved(office: Office, boss) -> None:
    with pytest.raises(InvalidInput) as refused:
        write(boss, "好\n{{ 1 | foo }}")
    assert refused.value.field == KIND
    assert db.session.scalars(select(Template)).all() == []


def test_only_administrators_change_them_and_only_their_own(office: Office, boss) -> None:
    template = write(boss)
    draft = templates.draft(name="x", texts={})
    for change in (
        lambda: templates.create(draft, by=office.lin, now=utcnow()),
        lambda: templates.update(template, draft, by=office.lin, now=utcnow()),
        lambda: templates.delete(template, by=office.lin, now=utcnow()),
    ):
        with pytest.raises(AccessDenied):
            change()
    with pytest.raises(NotFound):
        templates.get(template.id, viewer=make_member("zhou", Role.ADMIN, tenant=make_tenant("别家")))


def test_an_edit_of_what_somebody_else_changed_is_refused(office: Office, boss) -> None:
    template = write(boss)
    with pytest.raises(Conflict):
        templates.update(template, templates.draft(name="x", texts={}), by=boss, now=utcnow(), version=99)


def test_of_two_defaults_at_once_one_is_refused(office: Office, boss, monkeypatch: pytest.MonkeyPatch) -> None:
    write(boss)
    monkeypatch.setattr(templates, "update_rows", lambda _table: update(Template).where(Template.id == 0))
    with pytest.raises(Conflict):
        write(boss, name="第二")
    db.session.rollback()


def test_changes_are_recorded(office: Office, boss) -> None:
    template = write(boss)
    rewrite(template, boss, "x", name="新名", is_default=False)
    templates.delete(template, by=boss, now=utcnow())
    found = db.session.scalars(
        select(AuditEntry).where(AuditEntry.event.startswith("template.")).order_by(AuditEntry.id)
    )
    created, changed, deleted = found.all()
    assert (created.event, created.target, created.detail) == ("template.created", "消息", {"kinds": [KIND]})
    assert changed.detail["changed"][:2] == ["name: 消息 → 新名", "is_default: true → false"]
    assert changed.detail["changed"][2].startswith(f"{KIND}: ")
    assert (deleted.event, deleted.target) == ("template.deleted", "新名")


def test_policies_name_only_templates_of_their_organisation(office: Office, boss) -> None:
    template = write(boss)
    foreign = write(make_member("zhou", Role.ADMIN, tenant=make_tenant("别家")))
    level = [make_level(office.lin)]
    policy = policies.create(
        _channel(office), policies.draft(name="a", levels=level, template_id=template.id), by=boss, now=NOW
    )
    assert policies.snapshot(policy)["template_id"] == template.id
    assert policies.duplicate(policy, name="b", by=boss, now=NOW).template_id == template.id
    with pytest.raises(InvalidInput):
        policies.create(
            _channel(office), policies.draft(name="c", levels=level, template_id=foreign.id), by=boss, now=NOW
        )
    assert templates.use_counts(boss) == {template.id: 2}
    assert [each.name for each in templates.uses(template, viewer=boss)] == ["a", "b"]
    assert db.session.scalars(select(DispatchPolicy).where(DispatchPolicy.name == "c")).all() == []


def test_policies_of_private_spaces_are_named_only_to_who_may_see_these(office: Office, boss) -> None:
    template = write(boss)
    hidden = make_channel(name="并购", is_private=True)
    make_policy(_channel(office), office.lin, name="公开", template_id=template.id)
    make_policy(hidden, office.lin, name="绝密", template_id=template.id)
    assert [each.name for each in templates.uses(template, viewer=office.lin)] == ["公开"]
    assert templates.use_counts(office.lin) == {template.id: 1}
    assert templates.use_counts(boss) == {template.id: 2}
    with pytest.raises(InUse) as refused:
        templates.delete(template, by=boss, now=utcnow())
    assert refused.value.params["names"] == ["公开", "绝密"]


# --- trying them --------------------------------------------------------------------------------------------------


def look(office: Office, text: str, incident: Incident | None = None) -> template_previews.Look:
    return template_previews.look_at(KIND, text, tenant=office.lin.tenant, now=utcnow(), incident=incident)


def test_a_text_is_tried_on_made_up_and_on_real_incidents(office: Office) -> None:
    text = "{{ incident.labels.env }} {{ incident.alerts[0].title }} {{ tenant.name }}"
    assert look(office, text).lines == ("production db-03 / disk.used>95% 示例组织",)
    assert look(office, text, office.incident).lines == ("prod 一条告警 默认组织",)


def test_the_ninth_line_is_reported(office: Office) -> None:
    found = look(office, "\n".join(f"行 {n}" for n in range(11)))
    assert (len(found.lines), found.limit, found.cut) == (11, 8, 3)
    assert [say(each) for each in found.warnings] == ["共 11 行，只显示 8 行，其余会被截去"]
    assert look(office, "x\n" * 8).cut == 0


def test_much_text_and_mistyped_names_are_warned_of(office: Office) -> None:
    found = look(office, "{{ incident.tilte }}\n" + "字" * 200 + "{{ chanel.name }}")
    assert [say(each) for each in found.warnings] == [
        "共 200 个字符，平台建议不超过 160 个",
        "第 1 行：没有变量 incident.tilte，会留空",
        "第 2 行：没有变量 chanel.name，会留空",
    ]


def test_a_problem_is_said_and_the_built_in_text_shown(office: Office) -> None:
    found = look(office, "{{ 1 | foo }}")
    assert found.is_builtin
    assert found.problem is not None
    assert say(found.problem) == "第 1 行：没有过滤器 foo"
    assert found.lines[0] == "资源：db-03"
    assert look(office, "").problem is None


@pytest.mark.parametrize("kind", [kind for kind, shows in template_previews.kinds().items() if shows.escape_body])
def test_what_an_alert_says_never_becomes_markup_on_any_platform(office: Office, kind: str) -> None:
    hostile = (
        "[x](http://evil.example) **b** _i_ `c` # h <at id=all></at> <b>b</b> ![i](http://evil.example/i) @所有人 ~s~"
    )
    office.incident.title, office.incident.labels = hostile, {"env": f"# {hostile}"}
    shown_as = ("incident.title", "incident.labels.env", "incident.labels", "'a ' ~ incident.title | upper")
    text = "\n\n".join(f"{{{{ {expression} }}}}" for expression in shown_as)
    tenant = office.lin.tenant
    found = template_previews.look_at(kind, text, tenant=tenant, now=utcnow(), incident=office.incident)
    assert found.problem is None
    assert found.card.body_is_markup
    shown = markdown("\n".join(found.lines))
    assert not re.search(r"<(?!/?p>)", shown), shown
    assert "@所有人" not in shown
    own = template_previews.look_at(kind, "**{{ incident.labels.x | default('b') }}**", tenant=tenant, now=utcnow())
    assert markdown(own.lines[0]) == "<p><strong>b</strong></p>\n"


def test_long_alerts_do_not_stop_a_card(office: Office, boss) -> None:
    office.incident.description = "长" * 20_000
    office.incident.labels = {"env": "值\n" * 9000}
    write(boss, "{{ incident.description }}\n{{ incident.labels.env | truncate(20) }}")
    delivery = office.tell()
    assert delivery.rendered["used_default"] is False
    assert office.platform.by_reference(delivery.reference).shown.body[1].startswith("值 值")
    assert delivery.created_at < utcnow() + timedelta(minutes=1)
