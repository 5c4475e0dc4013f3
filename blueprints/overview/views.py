"""The overview: is anything on fire, undelivered, unhealthy; what is left to set up; how the last days went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.overview import chart
from services import channels, incident_queries, licences, overview, rights
from services.clock import utcnow

POLLED_SECONDS = 15
FIRES_SHOWN = 5

bp = Blueprint("overview", __name__)


@dataclass(frozen=True)
class Step:
    """One thing to set up; url is empty for those who may not, or while its page is not there."""

    title: str
    text: str
    is_done: bool
    url: str = ""
    action: str = ""


@bp.get("/")
@requires("incident.view")
def index() -> ResponseReturnValue:
    viewer, now = current_member(), utcnow()
    counts = incident_queries.counts(viewer)
    fires = incident_queries.worst(viewer, limit=FIRES_SHOWN)
    trouble = overview.undelivered(viewer, now)
    health = overview.health(viewer, utcnow())
    setup = overview.setup(viewer)
    stats = incident_queries.stats(viewer, now)
    warned = licences.warnings([each.integration for each in health], now=now) if _may_connect() else []
    etag = live.tag(
        counts,
        [(item.id, item.version) for item in fires],
        trouble.failed,
        trouble.retrying,
        trouble.dead_jobs,
        [(each.integration.id, each.integration.status, each.failed_checks) for each in health],
        setup,
        stats,
        [(one.id, stands.days_left, stands.lacking, stands.refused) for one, stands in warned],
    )
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template(
        "overview/_overview.html" if live.is_fragment() else "overview/index.html",
        counts=counts,
        fires=fires,
        trouble=trouble,
        health=[
            (each, _open("integrations.detail", "integration.view", integration_id=each.integration.id))
            for each in health
        ],
        licence_warnings=warned,
        steps=_steps(setup),
        is_set_up=setup.is_complete,
        bars=chart.bars(stats.days),
        stats=stats,
        to_acknowledge=_length(stats.median_seconds_to_acknowledge),
        to_close=_length(stats.median_seconds_to_close),
        etag=etag,
        seconds=POLLED_SECONDS,
        now=now,
    )


def _steps(setup: overview.Setup) -> list[Step]:
    """What is left to do, in order, each with its next step."""
    spaces = channels.all_for(current_member())
    first = spaces[0].id if spaces else None
    policies_url = (
        _open("policies.new", "channel.edit", channel_id=first) if first else _open("channels.new", "channel.edit")
    )
    return [
        Step(
            _("添加成员"),
            _("把值班的同事加进来，他们会收到一次性密码。"),
            setup.has_colleagues,
            _open("members.new", "member.edit"),
            _("添加成员"),
        ),
        Step(
            _("新建协作空间"),
            _("协作空间把告警源、分派策略和故障放在一起。"),
            setup.has_channel,
            _open("channels.new", "channel.edit"),
            _("新建协作空间"),
        ),
        Step(
            _("接入告警源"),
            _("得到推送地址，填入监控系统。"),
            setup.has_source,
            _open("alert_sources.new", "integration.edit"),
            _("新建告警源"),
        ),
        Step(
            _("设置分派策略"),
            _("故障来了先通知谁，没人处理再通知谁。"),
            setup.has_policy,
            policies_url,
            _("新建分派策略"),
        ),
        Step(
            _("接入即时消息"),
            _("按向导接入即时消息平台，成员就能在手机上收到卡片并直接处理。"),
            setup.has_integration,
            _open("integrations.index", "integration.edit"),
            _("打开集成中心"),
        ),
        Step(
            _("关联您自己的账号"),
            _("从工作台打开应用并登录一次；在此之前发给您的消息会显示「未关联应用」。"),
            setup.is_linked,
            _open("me.links", "incident.view"),
            _("怎么关联"),
        ),
    ]


def _may_connect() -> bool:
    return rights.can(current_member(), "integration.edit")


def _open(endpoint: str, right: str, **values: Any) -> str:
    """The address of a page for those who may use it, "" for others."""
    return url_for(endpoint, **values) if rights.can(current_member(), right) else ""


def _length(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=round(seconds))
