"""The simulated DingTalk as the rest of the simulator sees it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import jsonify, redirect, request, url_for

from simulator.base import Laboratory, Organisation, Page, Platform, Webview
from simulator.dingtalk import api, client, console_apps, control, events, login, pages, reports
from simulator.dingtalk.context import PLATFORM, DingTalk
from simulator.dingtalk.state import DingTalkState
from simulator.webview import is_own_port, local_path, notice, origin_of, shows

CODE_PATH = "/__dingtalk/code"
SIGN_IN_HOST = "login.dingtalk.com"
SHOWN_PEOPLE = 6


class DingTalkPlatform(Platform):
    """钉钉."""

    slug = PLATFORM
    name = "钉钉"
    blueprints = (api.bp, control.bp, console_apps.bp, client.bp, pages.bp)
    reports = reports
    machine_paths = (
        "/v1.0/",
        "/v2.0/",
        "/topapi/",
        "/gettoken",
        "/get_jsapi_ticket",
        "/auth/scopes",
        "/call_back/",
        "/chat/",
    )
    user_agent = "AliApp(DingTalk/7.6.0) DingTalk/7.6.0"
    bridge = "dingtalk/bridge.js"

    state: DingTalkState
    world: DingTalk

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        self.world = DingTalk(laboratory.store, laboratory.wire, laboratory.faults)
        self.state = self.world.state

    def tick(self) -> None:
        events.retry(self.world)

    def console_url(self) -> str:
        return url_for("dingtalk_console.corps")

    def client_url(self) -> str:
        return url_for("dingtalk_client.people")

    def organisations(self) -> list[Organisation]:
        return [
            Organisation(
                corp.corp_id,
                corp.name,
                url_for("dingtalk_console.apps", corp_id=corp.corp_id),
                [
                    (person.name, url_for("dingtalk_client.chats", corp_id=corp.corp_id, userid=person.userid))
                    for person in list(corp.people.values())[:SHOWN_PEOPLE]
                ],
            )
            for corp in self.state.corps.values()
        ]

    @property
    def webviews(self) -> dict[str, list[str]]:
        return self.state.webviews

    def trusted_origins(self) -> set[str]:
        """Where the published apps' pages are, and the origins of event addresses."""
        found: set[str] = set()
        for _, app in self.state.apps():
            found |= login.origins_of(app)
            if app.subscription:
                found.add(origin_of(app.subscription.url))
        return found

    def own_page(self, url: str) -> str | None:
        """The browser's sign-in page, on the simulator or on the real host."""
        parts = urlsplit(url)
        if parts.path != pages.SIGN_IN_PATH or not (is_own_port(url) or parts.hostname == SIGN_IN_HOST):
            return None
        return local_path(url)

    def answer(self, view: Webview) -> Page | None:
        """The codes that the bridge asks for, and the sign-in page, which knows here who is asking."""
        if request.path == CODE_PATH:
            return self._code(view)
        if request.path != pages.SIGN_IN_PATH:
            return None
        try:
            with self.world.store.lock:
                link = login.read_link(self.world, request.args.to_dict())
                target = login.grant(self.world, link, view.person)
                shows(self, view, link.redirect_uri)
        except login.BadLink as error:
            return notice("无法登录", str(error), 400)
        return redirect(local_path(target))

    def _code(self, view: Webview) -> Page:
        """`{"corpId", "clientId"?}` → `{"code"}`, or the client's refusal with its number."""
        if request.method != "POST" or request.headers.get("Origin") != request.host_url.rstrip("/"):
            return jsonify({"errorCode": 7, "errorMessage": "no permission"})
        body, origin = request.get_json(force=True), self.webviews[view.label][2] or self.laboratory.product_url
        if body.get("corpId") != view.organisation:
            return jsonify({"errorCode": 3, "errorMessage": "用户不在该企业中"})
        try:
            with self.world.store.lock:
                client_id = str(body.get("clientId") or "")
                code = login.client_code(self.world, view.organisation, client_id, view.person, origin)
        except login.NoCode as error:
            return jsonify({"errorCode": error.number, "errorMessage": str(error)})
        return jsonify({"code": code})
