"""The two consoles: the developer's (开发者后台) with its apps, and the administrator's (管理后台). Plain forms."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator.feishu import setup
from simulator.feishu.context import current_feishu
from simulator.feishu.state import App, Person, Tenant
from simulator.i18n import t

bp = Blueprint("feishu_console", __name__, url_prefix="/feishu/console")

Page = str | BaseResponse
EXAMPLES = (("lin", "林芳"), ("wu", "吴伟"), ("zhou", "周敏"))


@bp.get("/")
def tenants() -> Page:
    feishu = current_feishu()
    with feishu.store.lock:
        counted = [(tenant, len(feishu.state.apps_of(key))) for key, tenant in feishu.state.tenants.items()]
        return render_template("feishu/tenants.html", tenants=counted)


@bp.post("/")
def create_tenant() -> Page:
    feishu, form = current_feishu(), request.form
    try:
        with feishu.store.lock:
            tenant = setup.create_tenant(feishu, form.get("name", ""), brand=form.get("brand", "feishu"))
            if form.get("with_people"):
                for user_id, name in EXAMPLES:
                    setup.save_person(feishu, tenant, Person(user_id, name, f"{user_id}@example.com"))
    except setup.SetupError as error:
        flash(str(error), "error")
        return back("tenants")
    flash(t("企业已创建"))
    return back("apps", tenant_key=tenant.tenant_key)


@bp.get("/tenant/<tenant_key>/")
def apps(tenant_key: str) -> Page:
    """开发者后台: the apps of one organisation."""
    feishu, tenant = current_feishu(), find_tenant(tenant_key)
    with feishu.store.lock:
        return render_template("feishu/apps.html", tenant=tenant, apps=feishu.state.apps_of(tenant_key))


@bp.post("/tenant/<tenant_key>/")
def create_app(tenant_key: str) -> Page:
    feishu, tenant, form = current_feishu(), find_tenant(tenant_key), request.form
    try:
        with feishu.store.lock:
            made = setup.create_app(feishu, tenant, form.get("name", ""), description=form.get("description", ""))
    except setup.SetupError as error:
        flash(str(error), "error")
        return back("apps", tenant_key=tenant_key)
    flash(t("应用已创建"))
    return back("app", app_id=made.app_id)


@bp.get("/tenant/<tenant_key>/admin")
def admin(tenant_key: str) -> Page:
    """管理后台: app review, app management, members."""
    feishu, tenant = current_feishu(), find_tenant(tenant_key)
    with feishu.store.lock:
        apps_here = feishu.state.apps_of(tenant_key)
        waiting = [(app, app.reviewed) for app in apps_here if app.reviewed]
        return render_template("feishu/admin.html", tenant=tenant, apps=apps_here, waiting=waiting)


@bp.post("/tenant/<tenant_key>/admin")
def admin_action(tenant_key: str) -> Page:
    """The buttons of the administrator, by the name of what they do."""
    feishu, tenant, form = current_feishu(), find_tenant(tenant_key), request.form
    action = form.get("action", "")
    try:
        if action == "resign":
            setup.resign(feishu, tenant, form.get("user_id", ""))
            flash(t("成员已离职"))
            return back("admin", tenant_key=tenant_key)
        with feishu.store.lock:
            flash(t(_administer(tenant, action)))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back("admin", tenant_key=tenant_key)


def _administer(tenant: Tenant, action: str) -> str:
    """What one button does; returns what to say. The lock is held."""
    feishu, form = current_feishu(), request.form
    if action in ("approve", "reject"):
        setup.decide(feishu, find_app(form.get("app_id", "")), is_approved=action == "approve")
        return "应用已上线" if action == "approve" else "版本已驳回"
    if action in ("enable", "disable"):
        find_app(form.get("app_id", "")).enabled = action == "enable"
        said = "应用已启用" if action == "enable" else "应用已停用"
    elif action == "add_person":
        user_id, name, email, mobile = (form.get(f, "").strip() for f in ("user_id", "name", "email", "mobile"))
        setup.save_person(feishu, tenant, Person(user_id, name, email, mobile))
        said = "成员已保存"
    elif action == "review":
        tenant.approves_at_once = form.get("approves_at_once") == "1"
        said = "审核方式已保存"
    else:
        abort(400)
    feishu.store.touch()
    return said


def find_tenant(tenant_key: str) -> Tenant:
    """The tenant of the address, or 404."""
    return current_feishu().state.tenants.get(tenant_key) or abort(404, "没有这个企业")


def find_app(app_id: str) -> App:
    """The app of the address, or 404."""
    return current_feishu().state.apps.get(app_id) or abort(404, "没有这个应用")


def back(page: str, **values: object) -> BaseResponse:
    """To a console page after a POST."""
    return redirect(url_for(f"feishu_console.{page}", **values), code=303)  # type: ignore[arg-type]
