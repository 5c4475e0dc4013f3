"""The pages of message templates: written on an ordinary form, tried while writing, chosen by policies."""

from __future__ import annotations

import pytest

from extensions import db
from models import DeliveryState, DispatchPolicy, Template
from services import notifications, templates
from services.clock import utcnow
from services.template_engine import Compiled
from tests.factories import make_channel, make_incident, make_integration, make_policy

KIND = "wecom_app"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def template(admin) -> Template:
    draft = templates.draft(name="精简", is_default=True, texts={KIND: "环境 {{ incident.labels.env }}"})
    made = templates.create(draft, by=admin, now=utcnow())
    db.session.commit()
    return made


def fields(text="资源 {{ incident.labels.resource }}", **values):
    return {"name": "新模板", "description": "", f"text-{KIND}": text} | values


def test_the_empty_list_says_what_cards_show_now(admin_client) -> None:
    page = admin_client.get("/templates").text
    assert "还没有模板" in page
    assert 'href="/templates/new"' in page


def test_a_template_is_written_and_found_in_the_list_and_the_menu(admin_client) -> None:
    answer = admin_client.submit("/templates/new", fields(is_default="1"), follow_redirects=True)
    assert "模板「新模板」已创建" in answer.text
    assert "默认" in answer.text
    assert "模板管理" in admin_client.get("/").text
    made = db.session.scalars(db.select(Template)).one()
    page = admin_client.get(f"/templates/{made.id}").text
    assert "资源 {{ incident.labels.resource }}" in page
    assert "资源 db-03" in page


def test_a_refused_text_comes_back_with_what_is_wrong_beside_it(admin_client) -> None:
    answer = admin_client.submit("/templates/new", fields("好\n{{ incident.title.upper() }}"))
    assert answer.status_code == 422
    assert "第 2 行：模板里不能使用 ( )" in answer.text
    assert f'href="#text-{KIND}"' in answer.text
    assert "{{ incident.title.upper() }}" in answer.text
    assert db.session.scalars(db.select(Template)).all() == []
    assert "应为 1–39 个字符" in admin_client.submit("/templates/new", fields(name="")).text


def test_the_ruler_marks_the_ninth_line_while_somebody_types(admin_client) -> None:
    text = "\n".join(f"第{n}行" for n in range(1, 11))
    token = admin_client.token("/templates/new")
    data = fields(text, csrf_token=token)
    answer = admin_client.post(f"/templates/look/{KIND}", data=data, headers=HTMX)
    assert answer.text.count('class="is-cut"') == 2
    assert "共 10 行，只显示 8 行" in answer.text
    assert "<html" not in answer.text
    assert admin_client.post("/templates/look/fax", data=data, headers=HTMX).status_code == 404


def test_a_preview_shows_the_chosen_incident_and_keeps_what_was_typed(admin_client, template) -> None:
    incident = make_incident(make_channel("支付核心"), title="磁盘 <b>满</b>", labels={"env": "预发 <i>"})
    data = fields("在 {{ incident.labels.env }}", incident=str(incident.num), change="preview", name="改了名")
    page = admin_client.submit(f"/templates/{template.id}", data, page="/templates/new").text
    assert "在 预发 &lt;i&gt;" in page
    assert "[严重] 磁盘 &lt;b&gt;满&lt;/b&gt;" in page
    assert 'value="改了名"' in page
    db.session.refresh(template)
    assert template.name == "精简"
    data["incident"] = "99999"
    assert "在 production" in admin_client.submit(f"/templates/{template.id}", data, page="/templates/new").text


def test_a_wrong_text_is_listed_with_the_channel_that_it_is_of(admin_client, template) -> None:
    page = admin_client.submit(f"/templates/{template.id}", fields("{{ }}", name=""), page="/templates/new").text
    assert '<a href="#name">模板名称</a>：应为 1–39 个字符' in page
    page = admin_client.submit(f"/templates/{template.id}", fields("{{ }}"), page="/templates/new").text
    assert f'<a href="#text-{KIND}">企业微信</a>：第 1 行：语法有误：}}}} 前面缺少变量或值' in page


def test_saving_over_a_later_change_is_refused(admin_client, template) -> None:
    answer = admin_client.submit(f"/templates/{template.id}", fields(version="0"), page="/templates/new")
    assert answer.status_code == 422
    assert "内容刚刚被其他人修改" in answer.text
    version = str(template.version)
    assert (
        admin_client.submit(f"/templates/{template.id}", fields(version=version), page="/templates/new").status_code
        == 303
    )
    db.session.refresh(template)
    assert template.texts == {KIND: "资源 {{ incident.labels.resource }}"}


def test_a_template_in_use_is_not_deleted(admin_client, admin, template) -> None:
    policy = make_policy(make_channel(), admin, name="先找林", template_id=template.id)
    path, page = f"/templates/{template.id}/delete", f"/templates/{template.id}"
    assert "与模板名称不一致" in admin_client.submit(path, {"confirm_name": "x"}, page=page).text
    answer = admin_client.submit(path, {"confirm_name": "精简"}, page=page)
    assert answer.status_code == 409
    assert "模板正被分派策略使用：先找林" in answer.text
    db.session.delete(policy)
    assert (
        "模板「精简」已删除"
        in admin_client.submit(path, {"confirm_name": "精简"}, page=page, follow_redirects=True).text
    )


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each text that was rendered: whether a transaction that writes was open meanwhile."""
    seen: list[bool] = []
    render = Compiled.render

    def watched(compiled: Compiled, *values, **more) -> list[str]:
        seen.append(db.session.connection().info.get("writes", False))
        return render(compiled, *values, **more)

    monkeypatch.setattr(Compiled, "render", watched)
    return seen


def test_nobody_waits_for_the_database_while_a_text_is_tried(admin_client, writes) -> None:
    answer = admin_client.submit(f"/templates/look/{KIND}", fields(), page="/templates/new", headers=HTMX)
    assert answer.status_code == 200
    assert writes and not any(writes)


def test_nor_while_a_template_is_saved_or_refused(admin_client, writes) -> None:
    assert admin_client.submit("/templates/new", fields(), page="/templates").status_code == 303
    path = f"/templates/{db.session.scalars(db.select(Template.id)).one()}"
    db.session.rollback()
    assert admin_client.submit(path, fields(), page="/templates").status_code == 303
    refused = fields("{{ incident.title.upper() }}", name="")
    assert admin_client.submit(path, refused, page="/templates").status_code == 422
    assert writes and not any(writes)


def test_others_may_look_and_change_nothing(client, viewer, template) -> None:
    client.sign_in(viewer)
    assert "精简" in client.get("/templates").text
    page = client.get(f"/templates/{template.id}").text
    assert "环境 production" in page
    assert "删除模板" not in page
    assert client.get("/templates/new").status_code == 403
    token = client.token("/me")
    for path in (
        "/templates/new",
        f"/templates/{template.id}",
        f"/templates/{template.id}/delete",
        f"/templates/look/{KIND}",
    ):
        assert client.post(path, data={"csrf_token": token}).status_code == 403


def test_a_policy_chooses_its_template(admin_client, admin, template) -> None:
    policy = make_policy(make_channel(), admin)
    page = admin_client.get(f"/policies/{policy.id}").text
    assert "默认：精简" in page
    level = {"levels-0-people": str(admin.user_id), "levels-0-mode": "follow_preference", "levels-0-max": "0"}
    level |= {"levels-0-every": "10", "levels-0-escalate_after": "30", "levels-0-condition": "not_closed"}
    data = {"name": "有模板", "priority": "1", "delay_seconds": "0", "template_id": str(template.id)} | level
    assert admin_client.submit(f"/policies/{policy.id}", data).status_code == 303
    db.session.refresh(policy)
    assert policy.template_id == template.id
    assert f'<option value="{template.id}" selected>' in admin_client.get(f"/policies/{policy.id}").text
    answer = admin_client.submit(f"/policies/{policy.id}", data | {"template_id": "99999"})
    assert answer.status_code == 422
    assert "没有这个模板" in answer.text
    assert db.session.get_one(DispatchPolicy, policy.id).template_id == template.id


def test_a_delivery_says_that_its_template_could_not_be_rendered(admin_client, admin, template) -> None:
    make_integration()
    incident = make_incident(make_channel(), responders=(admin,))
    (delivery,) = notifications.notify(incident, cause="assign", user_ids=[admin.user_id], now=utcnow()).deliveries
    delivery.state, delivery.failure_code = DeliveryState.SENT, None
    error = {"code": "steps", "line": 3, "detail": ""}
    delivery.rendered = {"template_id": template.id, "used_default": True, "error": error}
    for page in ("/deliveries", f"/incidents/{incident.num}"):
        shown = admin_client.get(page).text
        assert "模板无法渲染，卡片使用了内置文字：第 3 行：循环超过 100000 步" in shown, page
        assert f"/templates/{template.id}" in shown, page
