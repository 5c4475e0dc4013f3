"""The simulated WeCom as the rest of the simulator sees it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Response, redirect, render_template, request, url_for

from simulator.base import Laboratory, Organisation, Page, Platform, Webview
from simulator.webview import is_own_port, local_path, notice, origin_of, shows
from simulator.wecom import (
    api,
    client,
    console_apps,
    console_suites,
    control,
    licence_desk,
    licence_gate,
    login,
    oauth,
    reports,
    suite_control,
    suites,
)
from simulator.wecom.context import PLATFORM, WeCom
from simulator.wecom.login import AUTHORISE_PATH
from simulator.wecom.state import WeComState

AUTHORISE_HOSTS = {"open.weixin.qq.com", "open.work.weixin.qq.com"}
SHOWN_PEOPLE = 6


class WeComPlatform(Platform):
    """企业微信."""

    slug = PLATFORM
    name = "企业微信"
    blueprints = (
        api.bp,
        control.bp,
        licence_desk.scripts,
        suite_control.bp,
        console_apps.bp,
        console_suites.provider,
        client.bp,
        login.bp,
    )
    reports = reports
    machine_paths = ("/cgi-bin/",)
    user_agent = "wxwork/4.1.30 MicroMessenger/7.0.1 Language/zh"

    state: WeComState
    world: WeCom

    def __init__(self, laboratory: Laboratory) -> None:
        self.world = WeCom(laboratory.store, laboratory.wire, laboratory.faults)
        self.state = self.world.state

    def console_url(self) -> str:
        return url_for("wecom_console.corps")

    def further_consoles(self) -> list[tuple[str, str, str]]:
        return [("服务商后台", "创建第三方应用，填写回调地址", url_for("wecom_provider.home"))]

    def client_url(self) -> str:
        return url_for("wecom_client.people")

    def organisations(self) -> list[Organisation]:
        return [
            Organisation(
                corp.corp_id,
                corp.name,
                url_for("wecom_console.apps", corp_id=corp.corp_id),
                [
                    (person.name, url_for("wecom_client.chats", corp_id=corp.corp_id, userid=person.userid))
                    for person in list(corp.people.values())[:SHOWN_PEOPLE]
                ],
            )
            for corp in self.state.corps.values()
        ]

    @property
    def webviews(self) -> dict[str, list[str]]:
        return self.state.webviews

    def trusted_origins(self) -> set[str]:
        """Trusted domains and the origins of callbacks."""
        found = set()
        for corp in self.state.corps.values():
            for app in corp.own_apps():
                if app.trusted_domain:
                    found |= {f"http://{app.trusted_domain}", f"https://{app.trusted_domain}"}
                if app.callback:
                    found.add(origin_of(app.callback.url))
        return found

    def tick(self) -> None:
        suites.push_due(self.world)

    def own_page(self, url: str) -> str | None:
        """The authorise page, on the simulator or on the real host. Its fragment never reaches a server, so that its
        absence is passed on in the query."""
        parts = urlsplit(url)
        if parts.path != AUTHORISE_PATH or not (is_own_port(url) or parts.hostname in AUTHORISE_HOSTS):
            return None
        query = parse_qsl(parts.query, keep_blank_values=True)
        if parts.fragment != "wechat_redirect":
            query.append(("_fragment", "missing"))
        return f"{AUTHORISE_PATH}?{urlencode(query)}"

    def answer(self, view: Webview) -> Page | None:
        """The authorise page as its owner: silent, except that snsapi_privateinfo asks first."""
        if request.path != AUTHORISE_PATH:
            return None
        query = request.args.to_dict()
        try:
            with self.world.store.lock:
                link = oauth.read_link(self.world, query, is_web_login=False, corp_id=view.organisation)
                if link.scope == "snsapi_privateinfo" and request.method != "POST":
                    return Response(render_template("wecom/consent.html", app=link.app))
                if not licence_gate.admits(self.world, link.corp, link.app, view.person):
                    return notice(licence_gate.TITLE, licence_gate.TEXT, 403)
                target = oauth.grant(self.world, link, view.organisation, view.person)
                shows(self, view, link.redirect_uri)
        except oauth.BadLink as error:
            return notice(error.title, error.detail, 400)
        return redirect(local_path(target))
