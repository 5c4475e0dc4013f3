"""The product's own push format: one event a request, for scripts and systems without a connector of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from models import Severity
from sources.base import (
    IncomingEvent,
    Push,
    Refused,
    check_alert_key,
    cut_description,
    cut_labels,
    cut_title,
    derive_key,
    images_of,
    kind_of,
    labels_of,
    text_of,
)
from texts import N_
from visible_text import is_visible

TEMPLATE_MARK = "[TPL]"
RULE_CHARS = 2048
MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138; as milliseconds 1973
_PLACE = re.compile(r"\$\{([^${}]*)\}")


class StandardSource:
    """title_rule, event_status, alert_key, description, labels, images, event_time (seconds since 1970)."""

    label: ClassVar[str] = N_("标准告警事件")
    takes_many: ClassVar[bool] = False

    @staticmethod
    def parse(body: Any, options: Mapping[str, Any]) -> Push:
        """Read the one event of `body`; `options` has nothing for this kind. Raises Refused naming the field."""
        if not isinstance(body, dict):
            raise Refused(f"body must be a JSON object, got {kind_of(body)}")
        warnings: list[str] = []
        labels = cut_labels(labels_of(body.get("labels")), warnings)
        title = cut_title(title_from(text_of(body, "title_rule"), labels), warnings)
        if not is_visible(title):
            raise Refused("title_rule is required")
        status = _status(body.get("event_status"))
        event = IncomingEvent(
            status=status,
            title=title,
            description=cut_description(text_of(body, "description"), warnings),
            alert_key=_alert_key(text_of(body, "alert_key"), status, title, labels),
            labels=labels,
            images=images_of(body.get("images"), warnings),
            event_at=_event_at(body.get("event_time")),
            raw=body,
        )
        return Push([event], warnings)


def title_from(rule: str, labels: Mapping[str, str]) -> str:
    """A title as it is, or `[TPL]${resource} / ${check}` filled from labels; a missing one becomes `<no value>`."""
    if not rule.startswith(TEMPLATE_MARK):
        return rule
    template = rule.removeprefix(TEMPLATE_MARK)[:RULE_CHARS]
    return _PLACE.sub(lambda place: labels.get(place[1].strip(), "<no value>"), template)


def _status(value: Any) -> Severity:
    if value is None:
        raise Refused("event_status is required")
    known = [severity.value for severity in Severity]
    if value in known:
        return Severity(value)
    listed = "event_status must be one of Critical, Warning, Info, Ok"
    if not isinstance(value, str):
        raise Refused(f"{listed}, got {kind_of(value)}")
    if value.strip().capitalize() in known:
        raise Refused(f"{listed}; it is case-sensitive: write {value.strip().capitalize()!r}, got {value[:40]!r}")
    raise Refused(f"{listed}, got {value[:40]!r}")


def _alert_key(alert_key: str, status: Severity, title: str, labels: Mapping[str, str]) -> str:
    if alert_key:
        return check_alert_key(alert_key)
    if status is Severity.OK:
        raise Refused("alert_key is required when event_status is Ok")
    return derive_key(title, dict(labels))


def _event_at(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"event_time must be a number of seconds since 1970, got {kind_of(value)}")
    if value >= MILLISECONDS_FROM:
        raise Refused("event_time must be in seconds since 1970; this looks like milliseconds")
    if value <= 0:
        raise Refused("event_time must be a positive number of seconds since 1970")
    return datetime.fromtimestamp(value, UTC)
