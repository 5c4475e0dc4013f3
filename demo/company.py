"""The company of the demo as data: its people, what they are on duty for, and what happened to them lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models import Role, Severity

ORGANISATION = "星河科技"
APPLICATION = "值班铃"
GROUP = "支付值班群"


@dataclass(frozen=True)
class DemoPerson:
    """username is also what the simulator calls the person; is_linked: has opened the applications there once."""

    username: str
    name: str
    role: Role
    is_linked: bool = True


PEOPLE = (
    DemoPerson("lin", "林晓", Role.RESPONDER),
    DemoPerson("wu", "吴迪", Role.RESPONDER),
    DemoPerson("wang", "王芳", Role.RESPONDER),
    DemoPerson("zhou", "周成", Role.RESPONDER, is_linked=False),
)


@dataclass(frozen=True)
class DemoLevel:
    """A step of a policy: who, and how long until the next one, in minutes."""

    usernames: tuple[str, ...]
    escalate_after_minutes: int
    repeats: int = 0


@dataclass(frozen=True)
class DemoChannel:
    """tells_groups: the first level posts to the group of every platform that has groups, too."""

    name: str
    description: str
    policy: str
    levels: tuple[DemoLevel, ...]
    tells_groups: bool = False


CHANNELS = (
    DemoChannel(
        "支付核心",
        "下单、支付与对账的核心链路",
        "先找值班，再找全组",
        (DemoLevel(("lin",), 10, repeats=3), DemoLevel(("wu", "wang", "zhou"), 0)),
        tells_groups=True,
    ),
    DemoChannel("基础设施", "数据库、消息队列与网络", "全组同时通知", (DemoLevel(("lin", "wu", "wang"), 0),)),
)
# type → name and channel of an alert source
SOURCES = {"standard": ("自研监控", "支付核心"), "prometheus": ("Prometheus", "基础设施")}


@dataclass(frozen=True)
class PastIncident:
    """An incident that is over: when it began (hours ago), who took and closed it after how many minutes, and why."""

    channel: str
    title: str
    description: str
    severity: Severity
    labels: dict[str, str]
    hours_ago: int
    taken_by: str
    closed_by: str
    closed_after_minutes: int
    root_cause: str
    resolution: str


HISTORY = (
    PastIncident(
        "支付核心",
        "pay-gateway / http.5xx.rate>2%",
        "网关 5xx 比例 4.7%，持续 5 分钟",
        Severity.CRITICAL,
        {"resource": "pay-gateway", "check": "http.5xx.rate>2%", "region": "cn-north-1", "env": "prod"},
        hours_ago=52,
        taken_by="lin",
        closed_by="lin",
        closed_after_minutes=34,
        root_cause="新版本把连接池上限误设为 8。",
        resolution="回滚到上一版本，并在发布检查中加入连接池参数。",
    ),
    PastIncident(
        "支付核心",
        "settle-worker / queue.lag>10000",
        "对账队列积压 23,418 条",
        Severity.WARNING,
        {"resource": "settle-worker", "check": "queue.lag>10000", "service": "settle", "env": "prod"},
        hours_ago=27,
        taken_by="wu",
        closed_by="wang",
        closed_after_minutes=71,
        root_cause="渠道对账文件晚到两小时，集中入队。",
        resolution="临时扩容到 6 个消费者，积压在一小时内清空。",
    ),
    PastIncident(
        "支付核心",
        "cert / days_left<14",
        "api.example.com 的证书将在 13 天后过期",
        Severity.INFO,
        {"resource": "api.example.com", "check": "days_left<14"},
        hours_ago=9,
        taken_by="wang",
        closed_by="wang",
        closed_after_minutes=18,
        root_cause="自动续期任务在迁移后没有启用。",
        resolution="已续期，并为续期任务加了监控。",
    ),
)
# What is pushed, as a monitoring system would, once everything is connected: it reaches the simulated chat.
FIRST_ALERT: dict[str, Any] = {
    "title_rule": "db-03 / disk.used>95%",
    "event_status": "Critical",
    "alert_key": "demo-db-03-disk",
    "description": "数据盘 /data 使用率 96.3%，预计 40 分钟后写满",
    "labels": {
        "resource": "db-03",
        "check": "disk.used>95%",
        "metric": "disk.used",
        "trigger_value": "96.3%",
        "region": "cn-north-1",
        "service": "order-db",
        "env": "prod",
    },
}
