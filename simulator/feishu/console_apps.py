"""One app in the developer console: the pages of its left menu, with the console's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from flask import abort, flash, render_template, request

from simulator.feishu import setup, tokens
from simulator.feishu.console import Page, back, bp, find_app
from simulator.feishu.context import Feishu, current_feishu
from simulator.feishu.scopes import EVENTS, NAMES, granted
from simulator.feishu.state import CARD_CALLBACK, HISTORIC_CALLBACK
from simulator.i18n import t
from simulator.ids import random_text

APP = "/app/<app_id>"
CALLBACKS = {CARD_CALLBACK: "卡片回传交互", HISTORIC_CALLBACK: "消息卡片回传交互（旧）"}
TABS = ("events", "callbacks", "encryption")


@bp.get(f"{APP}/")
def app(app_id: str) -> Page:
    """凭证与基础信息."""
    return _page("app", app_id, shows_secret="secret" in request.args)


@bp.post(f"{APP}/")
def app_action(app_id: str) -> Page:
    feishu, app, form = current_feishu(), find_app(app_id), request.form
    action = form.get("action", "")
    with feishu.store.lock:
        if action == "delete":
            setup.remove_app(feishu, app)
            flash(t("应用已删除"))
            return back("apps", tenant_key=app.tenant_key)
        if action == "new_secret":
            setup.new_secret(feishu, app)
            flash(t("App Secret 已重置，旧的已失效"))
        elif action == "withdraw_token":
            tokens.withdraw(feishu, app)
            flash(t("tenant_access_token 已失效"))
        elif action == "save" and form.get("name", "").strip():
            app.name, app.description = form["name"].strip(), form.get("description", "").strip()
            feishu.store.touch()
            flash(t("基础信息已保存"))
    return back("app", app_id=app_id)


@bp.get(f"{APP}/abilities")
def abilities(app_id: str) -> Page:
    """应用能力: 机器人 and 网页应用."""
    return _page("abilities", app_id)


@bp.post(f"{APP}/abilities")
def save_abilities(app_id: str) -> Page:
    feishu, app, form = current_feishu(), find_app(app_id), request.form
    actions: dict[str, tuple[Callable[[], None], str]] = {
        "add_bot": (lambda: setup.change_draft(feishu, app, bot=True), "机器人已添加"),
        "remove_bot": (lambda: setup.change_draft(feishu, app, bot=False), "机器人已移除"),
        "add_web_app": (lambda: setup.change_draft(feishu, app, web_app=True), "网页应用已添加"),
        "remove_web_app": (lambda: setup.change_draft(feishu, app, web_app=False), "网页应用已移除"),
        "homes": (
            lambda: setup.save_homes(feishu, app, form.get("desktop_url", ""), form.get("mobile_url", "")),
            "主页已保存",
        ),
    }
    if form.get("action") == "historic":
        run: Callable[[], None] = lambda: setup.save_historic_url(feishu, app, form.get("historic_url", ""))  # noqa: E731
        return _saved("abilities", app_id, run, "消息卡片请求网址已保存")
    run, said = actions.get(form.get("action", "")) or abort(400)
    return _saved("abilities", app_id, _locked(feishu, run), said)


@bp.get(f"{APP}/permissions")
def permissions(app_id: str) -> Page:
    """权限管理."""
    app = find_app(app_id)
    known = NAMES | {name: "" for name in app.draft.scopes if name not in NAMES}
    return _page("permissions", app_id, known=known, works=granted(app))


@bp.post(f"{APP}/permissions")
def save_permissions(app_id: str) -> Page:
    """Tick permissions, or paste the JSON of 批量导入."""
    feishu, app, form = current_feishu(), find_app(app_id), request.form
    chosen, people = form.getlist("scopes"), list(app.draft.user_scopes)
    if form.get("action") == "import":
        try:
            given = json.loads(form.get("json", ""))["scopes"]
            chosen = sorted({*app.draft.scopes, *map(str, given.get("tenant") or [])})
            people = sorted({*people, *map(str, given.get("user") or [])})
        except (ValueError, KeyError, TypeError, AttributeError):
            flash(t("JSON 格式不正确"), "error")
            return back("permissions", app_id=app_id)
    run = _locked(feishu, lambda: setup.change_draft(feishu, app, scopes=chosen, user_scopes=people))
    return _saved("permissions", app_id, run, "权限已保存，需审核的权限在版本发布后生效")


@bp.get(f"{APP}/events")
def events(app_id: str) -> Page:
    """事件与回调, on three tabs."""
    return _events_page(app_id, request.args.get("tab", TABS[0]), {})


@bp.post(f"{APP}/events")
def save_events(app_id: str) -> Page:
    """An address is checked before it is saved, and what was typed stays when it fails."""
    feishu, app, form = current_feishu(), find_app(app_id), request.form
    url = form.get("url", "").strip()
    actions: dict[str, tuple[str, Callable[[], None], str]] = {
        "event_url": ("events", lambda: setup.save_event_url(feishu, app, url), "请求地址已保存"),
        "events": (
            "events",
            _locked(feishu, lambda: setup.change_draft(feishu, app, events=form.getlist("events"))),
            "事件已保存，发布版本后生效",
        ),
        "card_url": ("callbacks", lambda: setup.save_card_url(feishu, app, url), "请求地址已保存，发布版本后生效"),
        "callbacks": (
            "callbacks",
            _locked(feishu, lambda: setup.change_draft(feishu, app, callbacks=form.getlist("callbacks"))),
            "回调已保存，发布版本后生效",
        ),
        "key": (
            "encryption",
            _locked(feishu, lambda: setup.save_encryption(feishu, app, form.get("encrypt_key", "").strip())),
            "Encrypt Key 已保存",
        ),
        "random_key": (
            "encryption",
            _locked(feishu, lambda: setup.save_encryption(feishu, app, random_text(32))),
            "Encrypt Key 已保存",
        ),
        "new_token": (
            "encryption",
            _locked(feishu, lambda: setup.new_verification_token(feishu, app)),
            "Verification Token 已重置",
        ),
    }
    action = form.get("action", "")
    tab, run, said = actions.get(action) or abort(400)
    try:
        run()
    except setup.SetupError as error:
        flash(t(str(error)), "error")
        return _events_page(app_id, tab, {action: url})
    flash(t(said))
    return back("events", app_id=app_id, tab=tab)


@bp.get(f"{APP}/security")
def security(app_id: str) -> Page:
    """安全设置."""
    return _page("security", app_id)


@bp.post(f"{APP}/security")
def save_security(app_id: str) -> Page:
    feishu, app, form = current_feishu(), find_app(app_id), request.form
    url = form.get("url", "")
    addresses = [part for part in re.split(r"[;；,，\s]+", form.get("addresses", "").strip()) if part]
    actions: dict[str, tuple[Callable[[], None], str]] = {
        "add_redirect": (lambda: setup.add_redirect(feishu, app, url), "重定向 URL 已添加"),
        "remove_redirect": (lambda: setup.remove_redirect(feishu, app, url), "重定向 URL 已删除"),
        "ips": (lambda: setup.save_ips(feishu, app, addresses), "IP 白名单已保存"),
    }
    run, said = actions.get(form.get("action", "")) or abort(400)
    return _saved("security", app_id, _locked(feishu, run), said)


@bp.get(f"{APP}/versions")
def versions(app_id: str) -> Page:
    """版本管理与发布."""
    app = find_app(app_id)
    return _page("versions", app_id, next_version=setup.next_version(app))


@bp.post(f"{APP}/versions")
def save_version(app_id: str) -> Page:
    """创建版本 with its availability range, or 撤回."""
    feishu, app, form = current_feishu(), find_app(app_id), request.form
    if form.get("action") == "withdraw":
        return _saved("versions", app_id, _locked(feishu, lambda: setup.withdraw(feishu, app)), "已撤回")

    def submit() -> None:
        setup.change_draft(feishu, app, is_for_all=form.get("available") == "all", users=form.getlist("users"))
        setup.submit(feishu, app, form.get("number", ""), form.get("notes", ""))

    said = "版本已提交" if not feishu.state.tenant_of(app).approves_at_once else "版本已发布"
    return _saved("versions", app_id, _locked(feishu, submit), said)


def _events_page(app_id: str, tab: str, typed: dict[str, str]) -> Page:
    tab = tab if tab in TABS else TABS[0]
    return _page("events", app_id, section=tab, typed=typed, known_events=EVENTS, known_callbacks=CALLBACKS)


def _page(name: str, app_id: str, **values: object) -> Page:
    feishu, app = current_feishu(), find_app(app_id)
    with feishu.store.lock:
        shared = {"app": app, "tenant": feishu.state.tenant_of(app), "has_changes": setup.has_changes(app)}
        return render_template(f"feishu/app_{name}.html", page=name, **shared, **values)


def _locked(feishu: Feishu, run: Callable[[], None]) -> Callable[[], None]:
    """The same, done while the lock is held."""

    def held() -> None:
        with feishu.store.lock:
            run()

    return held


def _saved(page: str, app_id: str, run: Callable[[], None], said: str) -> Page:
    """Do it, say so or why not, and show the page again."""
    try:
        run()
        flash(t(said))
    except setup.SetupError as error:
        flash(t(str(error)), "error")
    return back(page, app_id=app_id)
