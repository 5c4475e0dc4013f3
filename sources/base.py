"""What a monitoring system's push becomes: neutral events, with every limit of the intake applied. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from models import Severity

TITLE_CHARS = 512
DESCRIPTION_CHARS = 2048
ALERT_KEY_CHARS = 255
LABELS = 50
LABEL_KEY_CHARS = 128
LABEL_VALUE_CHARS = 2048
IMAGES = 20
IMAGE_ALT_CHARS = 128
IMAGE_ADDRESS_CHARS = 256
REASON_CHARS = 300

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Refused(Exception):
    """A push, or one event of it, cannot be understood. The message names the field and is answered to the sender."""

    def __init__(self, message: str) -> None:
        super().__init__(message[:REASON_CHARS])


@dataclass(frozen=True)
class IncomingEvent:
    """One report, ready to be stored.

    status    Ok means recovered
    event_at  when it happened by the sender's clock, aware; None if the sender did not say
    raw       what was pushed for this one event, JSON
    """

    status: Severity
    title: str
    description: str
    alert_key: str
    labels: dict[str, str]
    images: list[dict[str, str]]
    event_at: datetime | None
    raw: Any


@dataclass(frozen=True)
class Rejection:
    """An element that was refused while others of the same push were taken; index counts from 0."""

    index: int
    reason: str


@dataclass(frozen=True)
class Push:
    """Everything one request said. truncated: how many more alerts the sender left out of this push."""

    events: list[IncomingEvent]
    warnings: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    truncated: int = 0


class Source(Protocol):
    """A kind of monitoring system. `label` is shown in the console, `takes_many` tells the shape of the answer."""

    label: ClassVar[str]
    takes_many: ClassVar[bool]

    @staticmethod
    def parse(body: Any, options: Mapping[str, Any]) -> Push:
        """Read a decoded JSON body; raises Refused if nothing of it can be taken."""
        ...


def kind_of(value: Any) -> str:
    """The JSON name of a value's type, for messages: "a string", "an array" …"""
    names = {str: "a string", bool: "a boolean", dict: "an object", list: "an array", type(None): "null"}
    return names.get(type(value), "a number")


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A text field that may be absent or null; raises Refused if it is anything but a string."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(f"{name} must be a string, got {kind_of(value)}")
    return value


def cut_title(title: str, warnings: list[str]) -> str:
    """One line, at most 512 characters."""
    return _cut("title", _CONTROL.sub(" ", title).strip(), TITLE_CHARS, warnings)


def cut_description(description: str, warnings: list[str]) -> str:
    return _cut("description", description.strip(), DESCRIPTION_CHARS, warnings)


def check_alert_key(alert_key: str) -> str:
    """Refuse a key that is too long: cut, it might join alerts that are different."""
    if len(alert_key) > ALERT_KEY_CHARS:
        raise Refused(f"alert_key must have at most {ALERT_KEY_CHARS} characters, got {len(alert_key)}")
    return alert_key


def derive_key(*parts: Any) -> str:
    """A key that is the same for the same JSON values: "auto:" and 32 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"auto:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def labels_of(value: Any, name: str = "labels") -> dict[str, str]:
    """A flat map of text. Numbers and booleans become text as JSON writes them, null is left out.

    Raises Refused for anything nested.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{name} must be an object, got {kind_of(value)}")
    labels = {}
    for key, item in value.items():
        if isinstance(item, (dict, list)):
            raise Refused(f"{name}.{key[:LABEL_KEY_CHARS]} must be a string, got {kind_of(item)}")
        if item is not None and key.strip():
            labels[key] = item if isinstance(item, str) else json.dumps(item)
    return labels


def cut_labels(labels: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    """Keep the first 50 labels within their limits; say in `warnings` what was cut or left out."""
    if len(labels) <= LABELS and all(
        len(key) <= LABEL_KEY_CHARS and len(value) <= LABEL_VALUE_CHARS for key, value in labels.items()
    ):
        return dict(labels)
    kept: dict[str, str] = {}
    for key, value in list(labels.items())[:LABELS]:
        short = _cut(f"label name {key[:40]!r}", key, LABEL_KEY_CHARS, warnings)
        kept.setdefault(short, _cut(f"label {short[:40]!r}", value, LABEL_VALUE_CHARS, warnings))
    if len(labels) > LABELS:
        left_out = ", ".join(key[:40] for key in list(labels)[LABELS : LABELS + 10])
        warnings.append(f"{len(labels)} labels, the first {LABELS} kept; left out: {left_out}"[:REASON_CHARS])
    return kept


def images_of(value: Any, warnings: list[str]) -> list[dict[str, str]]:
    """At most 20 images with http(s) addresses, which nothing proves: platforms/pictures.py alone fetches any."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"images must be an array, got {kind_of(value)}")
    if len(value) > IMAGES:
        warnings.append(f"{len(value)} images, the first {IMAGES} kept")
    images = (_image(item, index, warnings) for index, item in enumerate(value[:IMAGES]))
    return [image for image in images if image]


def _image(item: Any, index: int, warnings: list[str]) -> dict[str, str] | None:
    if not isinstance(item, dict):
        raise Refused(f"images[{index}] must be an object, got {kind_of(item)}")
    src, href = text_of(item, "src"), text_of(item, "href")
    if not is_web_address(src):
        warnings.append(f"images[{index}] discarded: src must be an http(s) address of {IMAGE_ADDRESS_CHARS} at most")
        return None
    if href and not is_web_address(href):
        warnings.append(f"images[{index}].href discarded: not an http(s) address of {IMAGE_ADDRESS_CHARS} at most")
        href = ""
    alt = _cut(f"images[{index}].alt", text_of(item, "alt"), IMAGE_ALT_CHARS, warnings)
    return {"alt": alt, "src": src, "href": href}


def is_web_address(address: str) -> bool:
    """Whether an address is http(s), has a host, and is short and plain enough to be shown as a link."""
    if len(address) > IMAGE_ADDRESS_CHARS or _CONTROL.search(address) or " " in address:
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _cut(name: str, value: str, limit: int, warnings: list[str]) -> str:
    if len(value) <= limit:
        return value
    warnings.append(f"{name} cut to {limit} characters")
    return value[:limit]
