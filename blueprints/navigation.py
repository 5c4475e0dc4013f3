"""What every page is told: where one can go, who is reading, in which language and colours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, request, url_for
from flask_babel import LazyString, get_locale
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext as _p

from blueprints.access import current_member_or_none, places_told, stands_above
from blueprints.reader import choose_theme
from models import Membership
from services import rights


@dataclass(frozen=True)
class Place:
    """An entry of the navigation, shown to those who have its right."""

    label: LazyString
    icon: str
    endpoint: str = ""
    right: str = ""
    children: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Link:
    """A place as the templates draw it."""

    label: str
    url: str
    icon: str = ""
    active: bool = False
    children: tuple[Link, ...] = ()


PLACES = (
    Place(_l("概览"), "layout-dashboard", "overview.index"),
    Place(_l("故障"), "flame", "incidents.index", "incident.view"),
    Place(_p("list", "协作空间"), "stack-2", "channels.index", "channel.view"),
    Place(
        _l("集成中心"),
        "plug-connected",
        children=(
            Place(_l("即时消息"), "", "integrations.index", "integration.view"),
            Place(_l("告警源"), "", "alert_sources.index", "integration.view"),
        ),
    ),
    Place(_l("模板管理"), "template", "message_templates.index", "channel.view"),
    Place(_l("发送记录"), "send", "deliveries.index", "delivery.view"),
    Place(
        _l("系统管理"),
        "settings",
        children=(
            Place(_l("成员"), "", "members.index", "incident.view"),
            Place(_l("部门"), "", "departments.index", "channel.view"),
            Place(_l("团队"), "", "teams.index", "channel.view"),
            Place(_l("我的组织"), "", "organisation.index", "organisation.edit"),
            Place(_l("第三方配置"), "", "contact_sync.index", "member.edit"),
            Place(_l("费用中心"), "", "plan.index", "organisation.edit"),
            Place(_p("sign-in", "单点登录"), "", "sso.settings", "organisation.edit"),
            Place(_l("审计日志"), "", "audit.index", "audit.view"),
        ),
    ),
    Place(_l("个人中心"), "user-circle", "me.index"),
)
INSTANCE_PLACES = (
    Place(_l("租户管理"), "building-community", "instance.list_all"),
    Place(_l("服务商配置"), "plug-connected", "providers.index"),
    Place(_l("实例审计日志"), "history", "instance_audit.index_of_all"),
)
"""For super-administrators, whether or not they are in an organisation."""
ACCOUNT_PLACES = (
    Place(_l("个人中心"), "user-circle", "me.index"),
    Place(_l("通知偏好"), "bell", "me.preferences"),
    Place(_l("切换组织"), "building", "auth.choose_organisation"),
)


def register(app: Flask) -> None:
    app.context_processor(page_context)
    app.config["ASSET_VERSION"] = asset_version(Path(app.static_folder or "static"))


@cache
def asset_version(folder: Path) -> str:
    """A short name for the present state of all static files: part of their addresses, which may be kept for ever."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def page_context() -> dict[str, Any]:
    """Values that layouts/ use. An error page of an unreachable database gets those that need no question."""
    member = None if g.get("bare") else current_member_or_none()
    above = not g.get("bare") and stands_above()
    return {
        "locale": str(get_locale()).partition("_")[0].replace("zh", "zh_CN"),
        "theme": choose_theme(),
        "asset_version": current_app.config["ASSET_VERSION"],
        "member": member,
        "can": lambda right: rights.can(member, right),
        "organisation_name": member.tenant.name if member else "",
        "nav": [*(_links(PLACES, member) if member else ()), *(_links(INSTANCE_PLACES, member) if above else ())],
        "other_places": lambda: _other_places(member),
        "account_links": list(_links(ACCOUNT_PLACES, member)) if member else [],
    }


def _other_places(member: Membership | None) -> list[Membership]:
    """Organisations that this session may go on to: none from one that an organisation vouches for."""
    return [place for place in places_told() if place is not member]


def _links(places: Iterable[Place], member: Membership | None) -> Iterator[Link]:
    for place in places:
        children = tuple(_links(place.children, member))
        if not _is_open(place, member) or (place.children and not children):
            continue
        url = url_for(place.endpoint) if place.endpoint else children[0].url
        active = _is_here(place.endpoint) or any(child.active for child in children)
        yield Link(str(place.label), url, place.icon, active, children=children)


def _is_open(place: Place, member: Membership | None) -> bool:
    return not place.right or rights.can(member, place.right)


def _is_here(endpoint: str) -> bool:
    """A place stays marked on all pages of its blueprint."""
    return bool(endpoint) and request.blueprint == endpoint.partition(".")[0]
