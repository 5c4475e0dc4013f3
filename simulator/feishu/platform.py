"""The simulated Feishu as the rest of the simulator sees it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, redirect, render_template, request, url_for

from simulator.base import Laboratory, Organisation, Page, Platform, Webview
from simulator.feishu import api, client, console_apps, control, login, oauth, reports
from simulator.feishu.context import PLATFORM, Feishu
from simulator.feishu.login import AUTHORISE_PATHS
from simulator.feishu.state import FeishuState
from simulator.webview import is_own_port, local_path, origin_of, shows

FEISHU_HOSTS = {"accounts.feishu.cn", "accounts.larksuite.com", "open.feishu.cn", "open.larksuite.com"}
SHOWN_PEOPLE = 6


class FeishuPlatform(Platform):
    """飞书 and Lark."""

    slug = PLATFORM
    name = "飞书"
    blueprints = (login.bp, api.bp, control.bp, console_apps.bp, client.bp)
    reports = reports
    machine_paths = ("/open-apis/", "/oauth/v3/")
    user_agent = "Lark/7.40.6 LarkLocale/zh_CN ChannelName/Feishu"

    state: FeishuState

    def __init__(self, laboratory: Laboratory) -> None:
        self.world = Feishu(laboratory.store, laboratory.wire, laboratory.faults)
        self.state = self.world.state

    def console_url(self) -> str:
        return url_for("feishu_console.tenants")

    def client_url(self) -> str:
        return url_for("feishu_client.people")

    def organisations(self) -> list[Organisation]:
        return [
            Organisation(
                tenant.tenant_key,
                tenant.name,
                url_for("feishu_console.apps", tenant_key=tenant.tenant_key),
                [
                    (person.name, url_for("feishu_client.chats", tenant_key=tenant.tenant_key, user_id=person.user_id))
                    for person in list(tenant.people.values())[:SHOWN_PEOPLE]
                ],
            )
            for tenant in self.state.tenants.values()
        ]

    @property
    def webviews(self) -> dict[str, list[str]]:
        return self.state.webviews

    def trusted_origins(self) -> set[str]:
        """The origins of home pages, redirect addresses and callbacks."""
        urls: list[str] = []
        for app in self.state.apps.values():
            urls += [app.event_url, *app.redirect_urls, app.draft.desktop_url, app.draft.mobile_url]
            if app.online:
                urls += [app.online.desktop_url, app.online.mobile_url, app.online.card_url]
        return {origin_of(url) for url in urls if url}

    def own_page(self, url: str) -> str | None:
        """The authorise page, on the simulator or on the real host."""
        parts = urlsplit(url)
        if parts.path not in AUTHORISE_PATHS or not (is_own_port(url) or parts.hostname in FEISHU_HOSTS):
            return None
        return f"{parts.path}?{parts.query}"

    def answer(self, view: Webview) -> Page | None:
        """The authorise page as its owner: silent, except that a link with permissions asks first."""
        if request.path not in AUTHORISE_PATHS:
            return None
        try:
            with self.world.store.lock:
                link = oauth.read_link(self.world, request.args.to_dict())
                if link.asks and request.method != "POST":
                    return Response(render_template("feishu/consent.html", link=link))
                is_refused = request.method == "POST" and request.form.get("answer") == "refuse"
                granted = oauth.refused(link) if is_refused else oauth.grant(self.world, link, view.person)
                shows(self, view, link.redirect_uri)
        except oauth.BadLink as error:
            return login.error_page(error)
        return redirect(local_path(granted))
