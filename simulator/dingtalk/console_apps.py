"""应用开发 in the developer console: creating an internal app and the pages of its settings, in the console's words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import abort, flash, render_template, request

from simulator.dingtalk import events, setup, tokens
from simulator.dingtalk.console import Page, back, bp, find_corp
from simulator.dingtalk.context import DingTalk, current_dingtalk
from simulator.dingtalk.state import EVERYBODY, App, CoolApp, Corp, Subscription
from simulator.i18n import t
from simulator.ids import random_text

APP = "/<corp_id>/apps/<client_id>"


@bp.get("/<corp_id>/apps")
def apps(corp_id: str) -> Page:
    return render_template("dingtalk/apps.html", corp=find_corp(corp_id))


@bp.get("/<corp_id>/apps/new")
def new_app(corp_id: str) -> Page:
    return render_template("dingtalk/app_new.html", corp=find_corp(corp_id))


@bp.post("/<corp_id>/apps/new")
def create_app(corp_id: str) -> Page:
    world, corp = current_dingtalk(), find_corp(corp_id)
    description = request.form.get("description", "").strip()
    try:
        if len(description) < 4:
            raise setup.SetupError("应用描述至少 4 个字符")
        with world.store.lock:
            app = setup.create_app(world, corp, request.form.get("name", ""))
            app.description = description
    except setup.SetupError as error:
        flash(str(error), "error")
        return render_template("dingtalk/app_new.html", corp=corp)
    flash(t("应用已创建"))
    return back("app", corp_id=corp_id, client_id=app.client_id)


@bp.get(APP)
def app(corp_id: str, client_id: str) -> Page:
    """凭证与基础信息."""
    return _page("app", corp_id, client_id, shows_secret="secret" in request.args)


@bp.post(APP)
def app_action(corp_id: str, client_id: str) -> Page:
    world, (corp, app) = current_dingtalk(), _app(corp_id, client_id)
    action = request.form.get("action", "")
    with world.store.lock:
        if action == "new_secret":
            app.client_secret = random_text(62) + "-_"
        if action in ("new_secret", "withdraw_token"):
            tokens.withdraw(world, app)
        if action == "delete":
            corp.apps.pop(client_id)
            world.store.touch()
    if action == "delete":
        flash(t("应用已删除"))
        return back("apps", corp_id=corp_id)
    flash(t("ClientSecret 已重置，旧的已失效") if action == "new_secret" else t("access_token 已失效"))
    return back("app", corp_id=corp_id, client_id=client_id)


@bp.get(f"{APP}/web")
def web(corp_id: str, client_id: str) -> Page:
    return _page("web", corp_id, client_id)


@bp.post(f"{APP}/web")
def save_web(corp_id: str, client_id: str) -> Page:
    form = request.form
    return _saved(
        corp_id,
        client_id,
        "网页应用已保存，发布新版本后生效",
        lambda world, app: setup.save_addresses(world, app, form.get("home_url", ""), form.get("pc_home_url", "")),
    )


@bp.get(f"{APP}/robot")
def robot(corp_id: str, client_id: str) -> Page:
    """The robot, and the templates of scene groups that it is in."""
    templates = current_dingtalk().state.group_templates.values()
    return _page("robot", corp_id, client_id, templates=[one for one in templates if one.client_id == client_id])


@bp.post(f"{APP}/group_templates")
def save_group_template(corp_id: str, client_id: str) -> Page:
    name = request.form.get("name", "")

    def save(world: DingTalk, app: App) -> object:
        return setup.create_group_template(world, app, name)

    return _saved(corp_id, client_id, "群模板已启用", save, "robot")


@bp.post(f"{APP}/robot")
def save_robot(corp_id: str, client_id: str) -> Page:
    form = request.form
    return _saved(
        corp_id,
        client_id,
        "机器人已保存，发布新版本后生效",
        lambda world, app: setup.save_robot(world, app, form.get("name", ""), is_on=bool(form.get("is_on"))),
    )


@bp.get(f"{APP}/cool_app")
def cool_app(corp_id: str, client_id: str) -> Page:
    return _page("cool_app", corp_id, client_id)


@bp.post(f"{APP}/cool_app")
def save_cool_app(corp_id: str, client_id: str) -> Page:
    """The four steps of 扩展到群会话 on one page; 发布 publishes at once."""
    form, (_, app) = request.form, _app(corp_id, client_id)
    is_published = form.get("action") == "publish" or bool(app.cool_app and app.cool_app.published)
    given = CoolApp(
        code=app.cool_app_code,
        name=form.get("name", ""),
        published=is_published,
        has_entry=bool(form.get("has_entry")),
        has_cards=bool(form.get("has_cards")),
        pc_url=form.get("pc_url", "").strip(),
        mobile_url=form.get("mobile_url", "").strip(),
    )
    said = "酷应用已发布" if form.get("action") == "publish" else "酷应用已保存"
    return _saved(corp_id, client_id, said, lambda world, app: setup.save_cool_app(world, app, given))


@bp.get(f"{APP}/events")
def events_page(corp_id: str, client_id: str) -> Page:
    _, app = _app(corp_id, client_id)
    draft = app.subscription or Subscription("", "", "")
    return _page("events", corp_id, client_id, draft=draft, known_events=events.EVENTS)


@bp.post(f"{APP}/events")
def save_events(corp_id: str, client_id: str) -> Page:
    """重新生成 fills a field of this page alone: whoever leaves it before 保存 succeeded has lost the values."""
    world, (_, app) = current_dingtalk(), _app(corp_id, client_id)
    form = {name: request.form.get(name, "").strip() for name in ("url", "aes_key", "token")}
    action = request.form.get("action", "save")
    if action == "tick":
        tags = request.form.getlist("tags")
        save = partial(setup.tick_events, tags=tags)
        return _saved(corp_id, client_id, "事件订阅已保存", save, "events_page")
    if action == "random_key":
        form["aes_key"] = random_text(43)
    elif action == "random_token":
        form["token"] = random_text(24)
    else:
        try:
            setup.save_subscription(world, app, Subscription(form["url"], form["aes_key"], form["token"]))
        except setup.SetupError as error:
            flash(str(error), "error")
        else:
            flash(t("请求网址已保存，请在下方选择要订阅的事件"))
            return back("events_page", corp_id=corp_id, client_id=client_id)
    draft = Subscription(form["url"], form["aes_key"], form["token"])
    return _page("events", corp_id, client_id, draft=draft, known_events=events.EVENTS)


@bp.get(f"{APP}/security")
def security(corp_id: str, client_id: str) -> Page:
    return _page("security", corp_id, client_id)


@bp.post(f"{APP}/security")
def save_security(corp_id: str, client_id: str) -> Page:
    form = request.form

    def save(world: DingTalk, app: App) -> None:
        setup.save_addresses_allowed(world, app, form.get("addresses", "").replace("\n", ",").split(","))
        setup.save_redirects(world, app, form.get("redirect_urls", "").split())

    return _saved(corp_id, client_id, "安全设置已保存", save)


@bp.get(f"{APP}/permissions")
def permissions(corp_id: str, client_id: str) -> Page:
    wanted = request.args.get("q", "").strip()
    points = {point: name for point, name in setup.POINTS.items() if wanted in point or wanted in name}
    return _page("permissions", corp_id, client_id, points=points, granted=setup.GRANTED, q=wanted)


@bp.post(f"{APP}/permissions")
def save_permissions(corp_id: str, client_id: str) -> Page:
    """申请 one point, or give it back."""
    point, is_wanted = request.form.get("point", ""), request.form.get("action") == "grant"

    def save(world: DingTalk, app: App) -> None:
        others = [each for each in app.permissions if each != point]
        setup.set_permissions(world, app, others + ([point] if is_wanted else []))

    return _saved(corp_id, client_id, "权限已开通" if is_wanted else "权限已关闭", save)


@bp.get(f"{APP}/release")
def release(corp_id: str, client_id: str) -> Page:
    _, app = _app(corp_id, client_id)
    return _page("release", corp_id, client_id, number=setup.next_version(app))


@bp.post(f"{APP}/release")
def save_release(corp_id: str, client_id: str) -> Page:
    """创建新版本 > 直接发布. Left alone, the visible range is nobody but the chosen members."""
    form = request.form
    visible = EVERYBODY if form.get("visible") == EVERYBODY else form.getlist("users")
    return _saved(
        corp_id,
        client_id,
        "新版本已发布",
        lambda world, app: setup.publish(
            world, app, form.get("number", ""), parts=set(form.getlist("parts")), visible=visible
        ),
    )


def _app(corp_id: str, client_id: str) -> tuple[Corp, App]:
    corp = find_corp(corp_id)
    return corp, corp.apps.get(client_id) or abort(404, "没有这个应用")


def _page(name: str, corp_id: str, client_id: str, **values: object) -> str:
    corp, app = _app(corp_id, client_id)
    return render_template(f"dingtalk/app_{name}.html", corp=corp, app=app, page=name, **values)


def _saved(corp_id: str, client_id: str, said: str, save: Callable[[DingTalk, App], object], page: str = "") -> Page:
    """Save under the lock and come back to the page, with the console's refusal if there is one."""
    world, (_, app) = current_dingtalk(), _app(corp_id, client_id)
    try:
        with world.store.lock:
            save(world, app)
        flash(t(said))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back(page or (request.endpoint or "").rpartition("save_")[2], corp_id=corp_id, client_id=client_id)
