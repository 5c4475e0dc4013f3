"""Alertmanager's webhook, version "4". https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from models import Severity
from sources.base import (
    IncomingEvent,
    Push,
    Refused,
    Rejection,
    check_alert_key,
    cut_description,
    cut_labels,
    cut_title,
    derive_key,
    kind_of,
    labels_of,
    text_of,
)
from visible_text import is_visible

VERSION = "4"
WARNINGS = 50
TRUNCATED = 1_000_000
SEVERITY_LABELS = ("severity", "priority", "level")
SEVERITIES = {
    "critical": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "warn": Severity.WARNING,
    "info": Severity.INFO,
    "acknowledged": Severity.INFO,
    "unknown": Severity.INFO,
    "unk": Severity.INFO,
    "ok": Severity.OK,
}


class PrometheusSource:
    """One request carries the alerts of a group; each of them is taken or refused on its own."""

    label: ClassVar[str] = "Prometheus Alertmanager"
    takes_many: ClassVar[bool] = True

    @staticmethod
    def parse(body: Any, options: Mapping[str, Any]) -> Push:
        """Read every element of `alerts`.

        options  {"title": "summary"} takes the title from that annotation instead of `alertname / instance`.
        Raises Refused if the body is no such webhook at all.
        """
        if not isinstance(body, dict):
            raise Refused(f"body must be a JSON object, got {kind_of(body)}")
        alerts = body.get("alerts")
        if not isinstance(alerts, list):
            raise Refused(f"alerts must be an array, got {kind_of(alerts)}")
        push = Push([], truncated=_truncated(body.get("truncatedAlerts")))
        if str(body.get("version")) != VERSION:
            push.warnings.append(f"version {str(body.get('version'))[:20]!r} read as version {VERSION!r}")
        for index, alert in enumerate(alerts):
            warnings: list[str] = []
            try:
                push.events.append(_event(alert, options, warnings))
            except Refused as error:
                push.rejections.append(Rejection(index, str(error)))
            push.warnings.extend(f"alerts[{index}]: {warning}" for warning in warnings)
        del push.warnings[WARNINGS:]
        return push


def _event(alert: Any, options: Mapping[str, Any], warnings: list[str]) -> IncomingEvent:
    if not isinstance(alert, dict):
        raise Refused(f"must be an object, got {kind_of(alert)}")
    own = labels_of(alert.get("labels"))
    annotations = labels_of(alert.get("annotations"), "annotations")
    is_resolved = _is_resolved(alert)
    alert_key = check_alert_key(text_of(alert, "fingerprint")) or derive_key(own)
    titles = (_title(own, annotations, options), alert_key)
    return IncomingEvent(
        status=Severity.OK if is_resolved else severity_of(own),
        title=cut_title(next(filter(is_visible, titles), derive_key(own)), warnings),
        description=cut_description(_description(annotations), warnings),
        alert_key=alert_key,
        labels=cut_labels(_labels(own, annotations, text_of(alert, "generatorURL")), warnings),
        images=[],
        event_at=_time(alert, "endsAt" if is_resolved else "startsAt", warnings),
        raw=alert,
    )


def _is_resolved(alert: Mapping[str, Any]) -> bool:
    status = text_of(alert, "status")
    if status not in {"firing", "resolved"}:
        raise Refused(f"status must be firing or resolved, got {status[:40]!r}")
    return status == "resolved"


def severity_of(labels: Mapping[str, str]) -> Severity:
    """The first of severity, priority and level whose value is known, in any letter case; else Warning."""
    found = (SEVERITIES.get(labels.get(name, "").strip().lower()) for name in SEVERITY_LABELS)
    return next((severity for severity in found if severity), Severity.WARNING)


def _title(labels: Mapping[str, str], annotations: Mapping[str, str], options: Mapping[str, Any]) -> str:
    summary = annotations.get("summary", "").strip()
    if options.get("title") == "summary" and summary:
        return summary
    return " / ".join(part for part in (labels.get("alertname"), labels.get("instance")) if part) or summary


def _description(annotations: Mapping[str, str]) -> str:
    texts = (annotations.get(name, "").strip() for name in ("description", "message", "summary"))
    return next((text for text in texts if text), "")


def _labels(own: Mapping[str, str], annotations: Mapping[str, str], generator_url: str) -> dict[str, str]:
    """Labels win over annotations, and both over the address of the rule's graph."""
    extra = {"generator_url": generator_url} if generator_url else {}
    more = {**annotations, **extra}
    return {**own, **{key: value for key, value in more.items() if key not in own}}


def _time(alert: Mapping[str, Any], name: str, warnings: list[str]) -> datetime | None:
    """An RFC 3339 time; the year 1, Go's empty time, means that there is none. A bad one costs a warning only."""
    text = alert.get(name)
    if not isinstance(text, str) or not text or text.startswith("0001-"):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        warnings.append(f"{name} is not a time: {text[:40]!r}")
        return None


def _truncated(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), TRUNCATED)
