"""What templates may say beyond Flask's own: sentences, times, names of ways and channels, Markdown made safe."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import nh3
from flask import Flask
from flask_babel import gettext
from markdown_it import MarkdownIt
from markupsafe import Markup

from blueprints import database_trouble
from blueprints.qr import qr_code
from extensions import db
from models import Delivery, DeliveryState, Integration
from platforms import PLATFORMS
from services import failures, integrations, timeline
from services.clock import utcnow
from services.incident_queries import COUNT_CAP
from services.template_run import problem_text
from services.wording import clock_time, listed, say, say_error
from texts import N_

MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
TAGS = {
    "p", "br", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip

VIA_LABELS = {
    "console": N_("控制台"),
    "h5": N_("移动页面"),
    "api": N_("接口"),
    "event": N_("告警事件"),
    "timeout": N_("超时"),
    "system": N_("系统"),
}


def markdown(text: str) -> Markup:
    """Render Markdown that anybody may have written: no HTML of their own, no images, links to http(s) only."""
    html = nh3.clean(
        MARKDOWN.render(text),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(html)  # noqa: S704  (nh3 has just cleaned it)


def via_label(via: str) -> str:
    """Where an action came from, in words: "card_wecom" is 企业微信卡片."""
    platform = PLATFORMS.get(via.removeprefix("card_"))
    if platform is not None:
        return gettext("%(platform)s卡片", platform=gettext(platform.label))
    return gettext(VIA_LABELS.get(via, via))


def channel_label(kind: str) -> str:
    """A channel kind in words: "wecom_app" is 企业微信."""
    labels = {platform.capabilities.channel_kind: platform.label for platform in PLATFORMS.values()}
    return gettext(labels.get(kind, kind))


def connection_name(integration: Integration) -> str:
    """A connection by its platform, and by its own name where that says more."""
    label = PLATFORMS[integration.platform].label if integration.platform in PLATFORMS else integration.platform
    return gettext(label) if integration.name == label else f"{gettext(label)} · {integration.name}"


def recipient(sent: Delivery) -> str:
    """Who a message is for; a group whose name nobody knew by the end of its id."""
    if sent.group_chat_id is not None and sent.recipient_name.startswith("…"):
        return gettext("未命名群聊 (…%(tail)s)", tail=sent.recipient_name[1:])
    return sent.recipient_name or "—"


def way(sent: Delivery) -> str:
    """Through what: "企业微信", "钉钉 · 群聊"."""
    if not sent.channel_kind:
        return gettext("无可用渠道")
    label = channel_label(sent.channel_kind)
    return gettext("%(channel)s · 群聊", channel=label) if sent.group_chat_id is not None else label


def app_address(sent: Delivery) -> str:
    """What somebody opens once to be linked, where the lack of a link is why they were not reached; else ""."""
    if sent.failure_code != "app_not_linked" or sent.state is not DeliveryState.FAILED or sent.integration_id is None:
        return ""
    integration = db.session.get(Integration, sent.integration_id)
    if integration is None or integration.tenant_id != sent.tenant_id:
        return ""
    return integrations.app_url(integration)


def capped(count: int) -> str:
    """A count that stopped at its cap as "999+"."""
    return f"{COUNT_CAP - 1}+" if count >= COUNT_CAP else str(count)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def translated(words: Iterable[str]) -> list[str]:
    """Catalogue ids in the reader's language."""
    return [gettext(word) for word in words]


def register(app: Flask) -> None:
    """Make these known to every template."""
    for rule in (
        markdown,
        via_label,
        channel_label,
        connection_name,
        recipient,
        way,
        capped,
        minutes,
        clock_time,
        listed,
    ):
        app.add_template_filter(rule)
    app.jinja_env.globals.update(
        translated=translated,
        utcnow=utcnow,
        database_is_troubled=database_trouble.is_recent,
        say=say,
        describe=timeline.describe,
        failure_label=failures.label,
        failure_hint=failures.hint,
        app_address=app_address,
        qr_code=qr_code,
        template_problem=problem_text,
        say_error=say_error,
    )
