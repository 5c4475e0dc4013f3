"""An incident that has everything, made up: to try a template with before any real one comes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from models import Progress, Severity
from services.incident_values import Account, Assignee, ChannelValues, IncidentValues
from services.template_values import More

LABELS = {
    "resource": "db-03",
    "check": "磁盘使用率",
    "metric": "disk.used",
    "trigger_value": "96.4%",
    "region": "上海",
    "cluster": "payment",
    "service": "订单服务",
    "env": "production",
}
LIN = Account(1, "林晓")


def incident(tenant_id: int, now: datetime) -> IncidentValues:
    """A critical incident of an hour ago, which Lin has taken on."""
    return IncidentValues(
        id=1,
        tenant_id=tenant_id,
        num=1024,
        title="db-03 / disk.used>95%",
        description="磁盘将在 2 小时内写满",
        severity=Severity.CRITICAL,
        progress=Progress.PROCESSING,
        labels=LABELS,
        started_at=now - timedelta(minutes=65),
        acknowledged_at=now - timedelta(minutes=60),
        closed_at=None,
        closed_via=None,
        snoozed_until=None,
        is_private=False,
        assignment={"kind": "assign", "policy": {"name": "默认策略"}, "level": 0},
        alert_count=2,
        version=1,
        channel=ChannelValues(tenant_id, "支付核心", False, None),
        responders=[Assignee(1, LIN.id, True, now - timedelta(minutes=60), LIN)],
    )


def more(now: datetime) -> More:
    """What only templates show of it."""
    began = now - timedelta(minutes=65)
    details: dict[str, Any] = {
        "status": "Critical",
        "last_time": now - timedelta(minutes=5),
        "end_time": None,
        "images": ["https://example.com/disk.png"],
        "active_alert_count": 2,
        "event_count": 7,
        "impact": "下单变慢",
        "root_cause": "",
        "resolution": "",
        "creator": None,
        "closer_email": "",
        "channel_id": 1,
        "tenant_name": "示例组织",
        "recipient_name": LIN.name,
    }
    alert: dict[str, Any] = {
        "title": "db-03 / disk.used>95%",
        "description": "磁盘将在 2 小时内写满",
        "severity": "Critical",
        "status": "Critical",
        "start_time": began,
        "last_time": now - timedelta(minutes=5),
        "labels": LABELS,
    }
    return More(
        details, {LIN.id: ("lin@example.com", began)}, [alert, alert | {"labels": LABELS | {"resource": "db-04"}}]
    )
