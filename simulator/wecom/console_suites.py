"""第三方应用 by hand: the provider's console, and where a company installs and removes the application."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from simulator.i18n import t
from simulator.wecom import oauth, setup, suites
from simulator.wecom.console import Page, back, bp, find_corp
from simulator.wecom.context import current_wecom
from simulator.wecom.state import Suite

provider = Blueprint("wecom_provider", __name__)


# --- the provider -------------------------------------------------------------------------------------------------


@provider.get("/wecom/provider/")
def home() -> Page:
    wecom = current_wecom()
    with wecom.store.lock:
        return render_template("wecom/provider.html", suites=list(wecom.state.suites.values()))


@provider.post("/wecom/provider/")
def create() -> Page:
    wecom = current_wecom()
    name = request.form.get("name", "").strip()
    if not name:
        flash(t("请填写应用名称"), "error")
        return redirect(url_for(".home"), code=303)
    with wecom.store.lock:
        suite = suites.create_suite(wecom, name)
    return redirect(url_for(".suite", suite_id=suite.suite_id), code=303)


@provider.get("/wecom/provider/<suite_id>")
def suite(suite_id: str) -> Page:
    found = _suite(suite_id)
    return render_template("wecom/suite.html", suite=found, keys=(found.token, found.encoding_aes_key))


@provider.post("/wecom/provider/<suite_id>")
def change(suite_id: str) -> Page:
    """回调配置 verifies both addresses; what was typed stays when that fails."""
    wecom, found, form = current_wecom(), _suite(suite_id), request.form
    action = form.get("action", "")
    if action == "pages":
        with wecom.store.lock:
            suites.change_pages(
                wecom, found, home_url=form.get("home_url", ""), trusted_domain=form.get("trusted_domain", "")
            )
        flash(t("应用主页与域名已保存"))
    elif action == "ticket":
        suites.push_ticket(wecom, found)
        flash(t("suite_ticket 已推送"))
    elif action == "callbacks":
        urls = {name: form.get(name, "").strip() for name in ("command", "data")}
        keys = (form.get("token", "").strip(), form.get("encoding_aes_key", "").strip())
        try:
            suites.save_callbacks(wecom, found, urls, *keys)
        except setup.SetupError as error:
            flash(str(error), "error")
            return render_template("wecom/suite.html", suite=found, keys=keys, typed=urls)
        flash(t("回调配置已保存"))
    else:
        abort(400)
    return redirect(url_for(".suite", suite_id=suite_id), code=303)


# --- a company ----------------------------------------------------------------------------------------------------


@bp.get("/<corp_id>/third-party")
def third_party(corp_id: str) -> Page:
    """添加第三方应用: search by name."""
    wanted = request.args.get("q", "").strip().lower()
    found = [suite for suite in current_wecom().state.suites.values() if wanted and wanted in suite.name.lower()]
    return render_template("wecom/third_party.html", corp=find_corp(corp_id), found=found, wanted=wanted)


@bp.get("/<corp_id>/third-party/<suite_id>")
def third_party_install(corp_id: str, suite_id: str) -> Page:
    return render_template("wecom/install.html", corp=find_corp(corp_id), suite=_suite(suite_id))


@bp.post("/<corp_id>/third-party/<suite_id>")
def third_party_agree(corp_id: str, suite_id: str) -> Page:
    """同意以上授权并添加. What the provider answers, if it is not `success`, is shown as an error."""
    wecom, corp, suite = current_wecom(), find_corp(corp_id), _suite(suite_id)
    try:
        with wecom.store.lock:
            app, code = suites.install(wecom, corp, suite, *_range())
    except setup.SetupError as error:
        flash(str(error), "error")
        return back("third_party_install", corp_id=corp_id, suite_id=suite_id)
    problem = suites.announce(wecom, suite, code)
    if problem:
        flash(problem, "error")
    else:
        flash(t("应用已添加"))
    return back("app", corp_id=corp_id, agent_id=app.agent_id)


@bp.post("/<corp_id>/third-party/<suite_id>/remove")
def third_party_remove(corp_id: str, suite_id: str) -> Page:
    suites.cancel(current_wecom(), find_corp(corp_id), _suite(suite_id))
    flash(t("应用已删除"))
    return back("apps", corp_id=corp_id)


# --- by link ------------------------------------------------------------------------------------------------------


@provider.get("/3rdapp/install")
def install_page() -> Page | tuple[str, int]:
    """Where a provider's link leads: which company is it, and whom shall the application reach?"""
    suite, problem = _linked()
    if suite is None:
        return render_template("notice.html", title=t("安装链接已失效"), detail=problem), 400
    wecom = current_wecom()
    with wecom.store.lock:
        corps = list(wecom.state.corps.values())
    return render_template("wecom/install_by_link.html", suite=suite, corps=corps)


@provider.post("/3rdapp/install")
def install_by_link() -> Page | tuple[str, int]:
    """Everybody in the company sees it; the browser goes back with a code, and no event is sent."""
    suite, problem = _linked()
    wecom = current_wecom()
    corp = wecom.state.corps.get(request.form.get("corp_id", ""))
    if suite is None or corp is None:
        return render_template("notice.html", title=t("安装链接已失效"), detail=problem), 400
    with wecom.store.lock:
        _app, code = suites.install(wecom, corp, suite, [], [1])
    answer = {"auth_code": code, "expires_in": "600", "state": request.args.get("state", "")}
    return redirect(oauth.with_answer(request.args.get("redirect_uri", ""), answer))


def _linked() -> tuple[Suite | None, str]:
    wecom = current_wecom()
    suite = wecom.state.suites.get(request.args.get("suite_id", ""))
    if suite is None:
        return None, "suite_id"
    pre = request.args.get("pre_auth_code", "")
    known = suites.take_code(wecom, suite, suites.PRE_AUTH_CODE, pre, suites.PRE_AUTH_CODE_SECONDS)
    return (suite, "") if known else (None, "pre_auth_code")


def _range() -> tuple[list[str], list[int]]:
    return request.form.getlist("users"), request.form.getlist("departments", type=int)


def _suite(suite_id: str) -> Suite:
    return current_wecom().state.suites.get(suite_id) or abort(404, "没有这个应用")
