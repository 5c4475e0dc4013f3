"""Logging: structured lines (JSON, or readable on a terminal) with the request's number and without secrets."""

from __future__ import annotations

import logging
import math
import re
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import json_text
from config import Settings
from slim_imports import without

with without("rich"), without("greenlet"):  # coloured tracebacks, another kind of thread: four megabytes a process
    import structlog
    from structlog.typing import EventDict, Processor

MASKED_NAMES = (
    r"integration_key|access_token|refresh_token|suite_access_token|provider_access_token|tenant_access_token"
    r"|app_access_token|user_access_token|accessToken|refreshToken|api_token|token|corpsecret|app_?secret|client_?secret|suite_secret"
    r"|secret|secret_key|password|passwd|pwd|aes_key|encoding_?aes_?key|encrypt_?key|code|auth_code|ticket|user_ticket"
    r"|suite_ticket|response_code|msg_signature|signature|sign|echostr|nonce|cookie|set-cookie|authorization|csrf_token"
)
MASK = "***"
IN_QUERY = re.compile(rf"(?i)(?<![A-Za-z0-9_])({MASKED_NAMES})=[^&\s\"'<>,;)\]}}]+")
IN_JSON = re.compile(rf"(?i)([\"'](?:{MASKED_NAMES})[\"']\s*:\s*)([\"'])(?:\\.|(?!\2).)*\2")
IN_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|cookie|set-cookie)([\"']?\s*[:=]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\r\n\"',]+"
)
BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
IN_URL = re.compile(r"(?i)\b([a-z][a-z0-9+]{0,30}://[^\s:/@]{0,200}):[^\s@/]{1,500}@")
NAME = re.compile(rf"(?i)(?!code$)(?:{MASKED_NAMES})")
"""Names of values to mask whole. `code` is also what errors are called, which a log is read for."""
LINE_BREAKS = str.maketrans({"\r": "\\r", "\n": "\\n", "\x1b": "\\x1b", "\u2028": "\\u2028", "\u2029": "\\u2029"})
MARKS = ("=", ":", " ")
"""One of these is in every text that has anything to mask."""
OWN = "dutybell"


class Throttle:
    """Lets one line through every so many seconds, in this process, and counts those that it keeps back."""

    def __init__(self, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._lock = threading.Lock()
        self._next_at = -math.inf
        self._kept_back = 0

    def take(self) -> int | None:
        """How many lines were kept back since the last one; None if this one is kept back too."""
        with self._lock:
            if time.monotonic() < self._next_at:
                self._kept_back += 1
                return None
            kept_back, self._kept_back = self._kept_back, 0
            self._next_at = time.monotonic() + self.every_seconds
            return kept_back


def configure(settings: Settings) -> None:
    """Send every log line of this process, also those of libraries, to stderr in one form. Safe to repeat."""
    readable = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.set_name(OWN)
    foreign = [*before, _without_formatted]
    renderers = _renderers(readable=readable)
    formatter = structlog.stdlib.ProcessorFormatter if readable else _JsonLines
    handler.setFormatter(formatter(foreign_pre_chain=foreign, processors=renderers))
    root = logging.getLogger()
    for other in [each for each in root.handlers if each.get_name() == OWN]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for noisy in ("werkzeug", "urllib3", "alembic.runtime.plugins", "huey"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def write_quickly(logger: logging.Logger, event: str, values: dict[str, Any]) -> None:
    """Write an info line past the steps of structlog, which take 0.15 ms: for requests that have a millisecond.

    values  the whole line; what may hold secrets or line breaks is masked here
    """
    record = logging.LogRecord(logger.name, logging.INFO, "", 0, event, (), None)
    record.ready = {name: _cleaned(name, value) for name, value in values.items()}
    logger.handle(record)


class _JsonLines(structlog.stdlib.ProcessorFormatter):
    """Renders what structlog prepared, and at once what came by write_quickly()."""

    def format(self, record: logging.LogRecord) -> str:
        ready = record.__dict__.get("ready")
        if ready is None:
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        line = {"timestamp": f"{at}Z", "level": "info", "logger": record.name, "event": record.msg}
        return json_text.log_line(line | ready)


def without_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask secrets everywhere in a line, also in exceptions, and keep every value on one line."""
    traceback = event.pop("exception", None)
    cleaned = {name: _cleaned(name, value) for name, value in event.items()}
    if traceback is not None:
        cleaned["exception"] = masked(str(traceback))
    return cleaned


def _without_formatted(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Drop what another handler's formatter left on a library's record: it says everything twice.

    What came by write_quickly() is laid out as if it had not.
    """
    event.update(event.pop("ready", {}))
    event.pop("message", None)
    event.pop("asctime", None)
    return event


def masked(text: str) -> str:
    """The text without the values of secret parameters, headers and members."""
    text = IN_HEADER.sub(rf"\1\2{MASK}", text)
    text = BEARER.sub(rf"\1 {MASK}", text)
    text = IN_QUERY.sub(rf"\1={MASK}", text)
    text = IN_URL.sub(rf"\1:{MASK}@", text)
    return IN_JSON.sub(rf"\1\2{MASK}\2", text)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def _cleaned(name: str, value: Any) -> Any:
    if _is_secret(name) and value not in (None, ""):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _cleaned(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned("", item) for item in value]
    if value is None or isinstance(value, (bool, int, float)) or name.startswith("_"):
        return value  # the underscored ones are structlog's own
    text = str(value)
    if text.isprintable() and not any(mark in text for mark in MARKS):
        return text
    return masked(text).translate(LINE_BREAKS)


def _renderers(*, readable: bool) -> list[Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if readable:
        return [drop, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [drop, _in_order, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]


def _in_order(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What one looks for first stands first."""
    first = ("timestamp", "level", "logger", "event", "request_id")
    return {name: event[name] for name in first if name in event} | dict(event)
