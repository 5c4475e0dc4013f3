"""Pages at the real addresses on the plain host: the authorise link outside the client, the web login, the console.

https://developer.work.weixin.qq.com/document/path/98152
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from simulator.wecom import oauth
from simulator.wecom.context import current_wecom

AUTHORISE_PATH = "/connect/oauth2/authorize"

bp = Blueprint("wecom_login", __name__)

Page = str | tuple[str, int] | Response


@bp.get(AUTHORISE_PATH)
def authorise() -> Page:
    """Outside WeCom nobody is signed in."""
    return render_template("notice.html", title="请在企业微信客户端打开链接", detail=""), 403


@bp.get("/wwlogin/sso/login")
@bp.get("/wwopen/sso/qrConnect")
def web_login() -> Page:
    """Choose who scans."""
    wecom = current_wecom()
    try:
        with wecom.store.lock:
            link = oauth.read_link(wecom, request.args.to_dict(), is_web_login=True)
            people = list(link.corp.people.values())
    except oauth.BadLink as error:
        return render_template("notice.html", title=error.title, detail=error.detail), 400
    return render_template("wecom/web_login.html", link=link, people=people)


@bp.post("/wwlogin/sso/login")
@bp.post("/wwopen/sso/qrConnect")
def confirm() -> Page:
    """Send the browser back with code and state; without a code when the person refused."""
    wecom = current_wecom()
    try:
        with wecom.store.lock:
            link = oauth.read_link(wecom, request.args.to_dict(), is_web_login=True)
            if request.form.get("answer") == "refuse":
                return redirect(oauth.with_answer(link.redirect_uri, {"state": link.state}))
            target = oauth.grant(wecom, link, link.corp.corp_id, request.form.get("userid", ""))
    except oauth.BadLink as error:
        return render_template("notice.html", title=error.title, detail=error.detail), 400
    return redirect(target)


@bp.get("/wework_admin/frame")
def admin_console() -> Page:
    """Where deep links into the real console lead: to the company's applications, if there is but one company."""
    wecom = current_wecom()
    with wecom.store.lock:
        corps = list(wecom.state.corps)
    if len(corps) == 1:
        return redirect(url_for("wecom_console.apps", corp_id=corps[0]))
    return redirect(url_for("wecom_console.corps"))
