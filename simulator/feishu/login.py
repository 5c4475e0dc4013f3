"""Pages at the real addresses on the plain host: the authorise page in an ordinary browser, and the console.

https://open.feishu.cn/document/common-capabilities/sso/api/obtain-oauth-code
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from simulator import csrf
from simulator.feishu import oauth
from simulator.feishu.context import current_feishu

AUTHORISE_PATH = "/open-apis/authen/v1/authorize"
HISTORIC_PATH = "/open-apis/authen/v1/index"
AUTHORISE_PATHS = (AUTHORISE_PATH, HISTORIC_PATH)

CONSOLE_PAGES = {
    "capability": "abilities",
    "bot": "abilities",
    "web": "abilities",
    "auth": "permissions",
    "event": "events",
    "safe": "security",
    "version": "versions",
}

bp = Blueprint("feishu_login", __name__)

Page = str | tuple[str, int] | Response


@bp.get(AUTHORISE_PATH)
@bp.get(HISTORIC_PATH)
def authorise() -> Page:
    """Outside the client: choose who signs in."""
    feishu = current_feishu()
    try:
        with feishu.store.lock:
            link = oauth.read_link(feishu, request.args.to_dict())
            tenant = feishu.state.tenant_of(link.app)
            people = [person for person in tenant.people.values() if not person.is_resigned]
    except oauth.BadLink as error:
        return error_page(error)
    return render_template("feishu/authorise.html", link=link, tenant=tenant, people=people)


@bp.post(AUTHORISE_PATH)
@bp.post(HISTORIC_PATH)
def confirm() -> Page:
    """Send the browser back with a code, or with access_denied."""
    csrf.protect()
    feishu = current_feishu()
    try:
        with feishu.store.lock:
            link = oauth.read_link(feishu, request.args.to_dict())
            if request.form.get("answer") == "refuse":
                return redirect(oauth.refused(link))
            return redirect(oauth.grant(feishu, link, request.form.get("user_id", "")))
    except oauth.BadLink as error:
        return error_page(error)


@bp.get("/app")
@bp.get("/app/<app_id>")
@bp.get("/app/<app_id>/<path:page>")
def developer_console(app_id: str = "", page: str = "") -> Page:
    """Where deep links into the real developer console lead."""
    feishu = current_feishu()
    with feishu.store.lock:
        app = feishu.state.apps.get(app_id)
        tenants = list(feishu.state.tenants)
    if app is not None:
        name = CONSOLE_PAGES.get(page.split("/", maxsplit=1)[0], "app")
        tab = "callbacks" if request.args.get("tab") == "callback" else None
        return redirect(url_for(f"feishu_console.{name}", app_id=app_id, tab=tab))
    if len(tenants) == 1:
        return redirect(url_for("feishu_console.apps", tenant_key=tenants[0]))
    return redirect(url_for("feishu_console.tenants"))


def error_page(error: oauth.BadLink) -> tuple[str, int]:
    return render_template("feishu/authorise_error.html", error=error), 400
