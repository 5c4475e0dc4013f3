"""应用管理 in the admin console: creating an app and the pages of its settings, with the console's own words."""

from __future__ import annotations

import base64
from collections.abc import Callable

from flask import Response, abort, flash, render_template, request

from simulator.i18n import t
from simulator.ids import random_text
from simulator.wecom import setup, tokens
from simulator.wecom.console import Page, back, bp, find_corp
from simulator.wecom.context import WeCom, current_wecom
from simulator.wecom.state import CONTACT_SYNC, App, Callback, Corp

MAX_LOGO_BYTES = 512 * 1024
LOGO_TYPES = {"image/png", "image/jpeg"}

APP = "/<corp_id>/apps/<int:agent_id>"


@bp.get("/<corp_id>/apps")
def apps(corp_id: str) -> Page:
    return render_template("wecom/apps.html", corp=find_corp(corp_id))


@bp.get("/<corp_id>/apps/new")
def new_app(corp_id: str) -> Page:
    return render_template("wecom/app_new.html", corp=find_corp(corp_id))


@bp.post("/<corp_id>/apps/new")
def create_app(corp_id: str) -> Page:
    wecom, corp = current_wecom(), find_corp(corp_id)
    try:
        with wecom.store.lock:
            app = setup.create_app(wecom, corp, request.form.get("name", ""))
            try:
                app.description, app.logo = request.form.get("description", "")[:120], _logo()
                setup.set_visible(wecom, corp, app, *_chosen_range())
            except setup.SetupError:
                setup.remove_app(wecom, corp, app)
                raise
    except setup.SetupError as error:
        flash(str(error), "error")
        return render_template("wecom/app_new.html", corp=corp)
    flash(t("应用已创建"))
    return back("app", corp_id=corp_id, agent_id=app.agent_id)


@bp.get(APP)
def app(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    now = current_wecom().store.now()
    return render_template("wecom/app.html", corp=corp, app=app, now=now, shows_secret="secret" in request.args)


@bp.post(APP)
def app_action(corp_id: str, agent_id: int) -> Page:
    """The buttons of the app page, by the name of what they do."""
    wecom = current_wecom()
    corp, app = _app(corp_id, agent_id)
    actions: dict[str, tuple[Callable[[], object], str]] = {
        "disable": (lambda: setup.set_enabled(wecom, app, False), "应用已停用"),
        "enable": (lambda: setup.set_enabled(wecom, app, True), "应用已启用"),
        "new_secret": (lambda: setup.new_secret(wecom, app), "Secret 已重新生成，旧的已失效"),
        "withdraw_token": (lambda: tokens.withdraw(wecom, app), "access_token 已失效"),
        "delete": (lambda: setup.remove_app(wecom, corp, app), "应用已删除"),
    }
    name = request.form.get("action", "")
    run, said = actions.get(name) or abort(400)
    with wecom.store.lock:
        run()
    flash(t(said))
    return back("apps", corp_id=corp_id) if name == "delete" else back("app", corp_id=corp_id, agent_id=agent_id)


@bp.get(f"{APP}/receive")
def receive(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    return render_template("wecom/receive.html", corp=corp, app=app, draft=app.callback or Callback("", "", ""))


@bp.post(f"{APP}/receive")
def save_receive(corp_id: str, agent_id: int) -> Page:
    """随机获取 fills a field without saving; 保存 verifies the address first and keeps what was typed when it fails."""
    wecom = current_wecom()
    corp, app = _app(corp_id, agent_id)
    form = {name: request.form.get(name, "").strip() for name in ("url", "token", "encoding_aes_key")}
    action = request.form.get("action", "save")
    if action == "random_token":
        form["token"] = random_text(24)
    elif action == "random_key":
        form["encoding_aes_key"] = random_text(43)
    elif action == "remove":
        return _saved(corp_id, agent_id, lambda: _remove_callback(wecom, app), "接收消息已关闭")
    else:
        try:
            setup.save_callback(wecom, corp, app, Callback(form["url"], form["token"], form["encoding_aes_key"]))
        except setup.SetupError as error:
            flash(str(error), "error")
        else:
            flash(t("接收消息服务器已保存"))
            return back("app", corp_id=corp_id, agent_id=agent_id)
    draft = Callback(form["url"], form["token"], form["encoding_aes_key"])
    return render_template("wecom/receive.html", corp=corp, app=app, draft=draft)


@bp.get(f"{APP}/domain")
def domain(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    return render_template("wecom/domain.html", corp=corp, app=app, file_name=setup.verify_file(app))


@bp.post(f"{APP}/domain")
def save_domain(corp_id: str, agent_id: int) -> Page:
    wecom = current_wecom()
    corp, app = _app(corp_id, agent_id)
    try:
        if request.form.get("action") == "verify":
            setup.check_ownership(wecom, app)
            flash(t("域名归属校验通过"))
        else:
            with wecom.store.lock:
                setup.save_domain(wecom, corp, app, request.form.get("domain", ""))
            flash(t("可信域名已保存"))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back("domain", corp_id=corp_id, agent_id=agent_id)


@bp.get(f"{APP}/WW_verify_<name>.txt")
def verify_file(corp_id: str, agent_id: int, name: str) -> Response:
    """下载文件: its content is its name's 16 characters."""
    _, app = _app(corp_id, agent_id)
    disposition = {"Content-Disposition": f"attachment; filename={setup.verify_file(app)}"}
    return Response(app.verify_name, mimetype="text/plain", headers=disposition)


@bp.get(f"{APP}/ip")
def ip(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    return render_template("wecom/ip.html", corp=corp, app=app, now=current_wecom().store.now())


@bp.post(f"{APP}/ip")
def save_ip(corp_id: str, agent_id: int) -> Page:
    wecom, (corp, app) = current_wecom(), _app(corp_id, agent_id)
    text = request.form.get("addresses", "")
    return _saved(corp_id, agent_id, lambda: setup.save_trusted_ips(wecom, corp, app, text), "企业可信IP已保存")


@bp.get(f"{APP}/home")
def home(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    return render_template("wecom/home.html", corp=corp, app=app)


@bp.post(f"{APP}/home")
def save_home(corp_id: str, agent_id: int) -> Page:
    wecom, (_, app) = current_wecom(), _app(corp_id, agent_id)
    return _saved(
        corp_id,
        agent_id,
        lambda: setup.save_home(wecom, app, request.form.get("url", "")),
        "应用主页已保存",
    )


@bp.get(f"{APP}/login")
def login(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    return render_template("wecom/login_domain.html", corp=corp, app=app)


@bp.post(f"{APP}/login")
def save_login(corp_id: str, agent_id: int) -> Page:
    wecom, (_, app) = current_wecom(), _app(corp_id, agent_id)
    return _saved(
        corp_id,
        agent_id,
        lambda: setup.save_login_domain(wecom, app, request.form.get("domain", "")),
        "授权回调域已保存",
    )


@bp.get(f"{APP}/visible")
def visible(corp_id: str, agent_id: int) -> Page:
    corp, app = _app(corp_id, agent_id)
    return render_template("wecom/visible.html", corp=corp, app=app)


@bp.post(f"{APP}/visible")
def save_visible(corp_id: str, agent_id: int) -> Page:
    wecom, (corp, app) = current_wecom(), _app(corp_id, agent_id)
    users, departments = _chosen_range()
    return _saved(corp_id, agent_id, lambda: setup.set_visible(wecom, corp, app, users, departments), "可见范围已保存")


def _app(corp_id: str, agent_id: int) -> tuple[Corp, App]:
    corp = find_corp(corp_id)
    found = corp.apps.get(agent_id)
    if found is None or agent_id == CONTACT_SYNC:
        abort(404, "没有这个应用")
    return corp, found


def _saved(corp_id: str, agent_id: int, save: Callable[[], None], said: str) -> Page:
    """Save under the lock and go to the app's page, or back to the form with the console's refusal."""
    try:
        with current_wecom().store.lock:
            save()
    except setup.SetupError as error:
        flash(str(error), "error")
        return back((request.endpoint or "").rpartition("save_")[2], corp_id=corp_id, agent_id=agent_id)
    flash(t(said))
    return back("app", corp_id=corp_id, agent_id=agent_id)


def _remove_callback(wecom: WeCom, app: App) -> None:
    app.callback = None
    wecom.store.touch()


def _chosen_range() -> tuple[list[str], list[int]]:
    return request.form.getlist("users"), request.form.getlist("departments", type=int)


def _logo() -> str:
    """The uploaded picture as a data URI, "" without one."""
    upload = request.files.get("logo")
    content = upload.read(MAX_LOGO_BYTES + 1) if upload else b""
    if not upload or not content:
        return ""
    if upload.mimetype not in LOGO_TYPES or len(content) > MAX_LOGO_BYTES:
        raise setup.SetupError("应用logo 应为 PNG 或 JPG，不超过 512 KB")
    return f"data:{upload.mimetype};base64,{base64.b64encode(content).decode()}"
