"""Lines to copy into a terminal or a monitoring system's configuration. Pure; the key travels in a header."""

from __future__ import annotations

import json

EVENT = {
    "event_status": "Critical",
    "alert_key": "disk-full:db-03:/data",
    "title_rule": "[TPL]${resource} / ${check}",
    "description": "/data 97%",
    "labels": {"resource": "db-03", "check": "disk.used>95%", "service": "orders"},
}
RECOVERY = {"event_status": "Ok", "alert_key": EVENT["alert_key"], "title_rule": "db-03 / disk.used>95%"}


def curl_line(address: str, key: str, *, recovered: bool = False) -> str:
    """A shell command that triggers an alert, or ends the same one."""
    body = json.dumps(RECOVERY if recovered else EVENT, ensure_ascii=False)
    return "\n".join(
        (
            f"curl -X POST '{address}' \\",
            f"  -H 'X-Integration-Key: {key}' \\",
            "  -H 'Content-Type: application/json' \\",
            f"  -d '{body}'",
        )
    )


def alertmanager_receiver(address: str, key: str) -> str:
    """Parts of alertmanager.yml: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""
    return f"""route:
  receiver: dutybell
  group_by: [alertname, cluster, service]
receivers:
  - name: dutybell
    webhook_configs:
      - url: '{address}'
        send_resolved: true
        http_config:
          authorization:
            credentials: '{key}'
"""


def prometheus_rule() -> str:
    """An alerting rule whose label and annotations are read here."""
    return """groups:
  - name: dutybell-example
    rules:
      - alert: InstanceDown
        expr: up == 0
        for: 2m
        labels:
          severity: critical   # critical | warning | info
        annotations:
          summary: '{{ $labels.instance }} is down'
          description: '{{ $labels.job }} has not answered for 2 minutes'
"""
