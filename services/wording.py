"""Says a stored sentence in the reader's language and zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from babel import Locale
from babel.support import NullTranslations
from flask_babel import force_locale, get_domain, get_timezone, gettext

from errors import AppError, InvalidInput
from services import field_names
from services.clock import utcnow
from texts import N_, Text

LANGUAGES = {"zh_CN": "中文", "en": "English"}
"""Each in its own words."""
LOCALES = tuple(LANGUAGES)
DEFAULT_LOCALE = "zh_CN"
DEFAULT_TIMEZONE = "Asia/Shanghai"
PLACE = re.compile(r"%\((\w+)\)s")


def say(text: Text | str) -> str:
    """Translate a sentence and fill in its values.

    Datetimes become HH:MM today and MM-DD HH:MM on other days, in the current zone; nested Texts are said first,
    lists are joined.
    """
    if not text:
        return ""
    message, params = (text, None) if isinstance(text, str) else (text.message, text.params)
    values = {name: _spoken(value) for name, value in params.items()} if params else {}
    voice = _voice.get()
    if voice is None:
        return gettext(message, **values)
    said = voice.translate(message)
    return said % values if values else said


def say_error(error: AppError) -> tuple[str, str]:
    """Return an error's message and hint (which may be empty) in the reader's language."""
    return _said(error, field_names.label)


def say_error_to_program(error: AppError) -> tuple[str, str]:
    """The same with a wrong value called as in the request."""
    return _said(error, str)


def say_reason(error: InvalidInput) -> str:
    """What is wrong with a value, to be read beside its field."""
    return _reason(error.params["reason"], error.params)


def error_sentence(error: AppError) -> str:
    """An error's message and hint in one piece."""
    return gettext("。").join(filter(None, say_error(error)))


def _said(error: AppError, called: Callable[[str], str]) -> tuple[str, str]:
    params = {name: _spoken(value) for name, value in error.params.items()}
    if isinstance(error, InvalidInput):
        params |= {"field": gettext(called(error.field)), "reason": say_reason(error)}
    elif "reason" in params:
        params["reason"] = _reason(error.params["reason"], error.params)
    return _filled(error.message, params), _filled(error.hint, params)


def _reason(words: Any, params: Mapping[str, Any]) -> str:
    """Words of ours, or what a stranger sent."""
    if not isinstance(words, str) or not words:
        return str(_spoken(words))
    return _inserted(gettext(words), {name: _spoken(value) for name, value in params.items()})


def listed(words: Iterable[str]) -> str:
    """Words in one line, parted as the reader's language does."""
    return say(N_("、")).join(words)


class Home(Protocol):
    """An organisation, as far as it decides how it is spoken to."""

    @property
    def locale(self) -> str: ...
    @property
    def timezone(self) -> str: ...


@dataclass(frozen=True)
class Voice:
    """A language and a zone that are spoken whoever asks. translate: a sentence of ours in that language."""

    translate: Callable[[str], str]
    zone: ZoneInfo


_voice: ContextVar[Voice | None] = ContextVar("voice", default=None)


@contextmanager
def speaking(tenant: Home) -> Iterator[None]:
    """Speak an organisation's language and zone: for texts that leave the house, made by workers or views."""
    before = _voice.set(_voice_of_home(tenant))
    try:
        yield
    finally:
        _voice.reset(before)


def date_at(tenant: Home, at: datetime) -> date:
    """The date at an organisation's place."""
    return at.astimezone(_voice_of_home(tenant).zone).date()


def _voice_of_home(tenant: Home) -> Voice:
    return _voice_of(known_locale(tenant.locale) or DEFAULT_LOCALE, tenant.timezone)


@cache
def _voice_of(locale: str, timezone: str) -> Voice:
    """Made once: finding a catalogue takes longer than all the sentences of a card."""
    with force_locale(Locale.parse(locale)):
        catalogue: NullTranslations = get_domain().get_translations()
    translate = lru_cache(maxsize=512)(catalogue.ugettext)
    return Voice(translate, known_zone(timezone) or ZoneInfo(DEFAULT_TIMEZONE))


def local_time(at: datetime) -> datetime:
    """The same moment on the reader's clock."""
    return at.astimezone(current_zone())


def current_zone() -> ZoneInfo:
    """The zone of whoever is spoken to."""
    voice = _voice.get()
    if voice is not None:
        return voice.zone
    return known_zone(str(get_timezone())) or ZoneInfo(DEFAULT_TIMEZONE)


def clock_time(at: datetime, now: datetime | None = None) -> str:
    """ "09:31" for a time of today, "11-21 09:31" otherwise, on the reader's clock."""
    zone = current_zone()
    local, today = at.astimezone(zone), (now or utcnow()).astimezone(zone)
    clock = f"{local.hour:02}:{local.minute:02}"  # a third of what strftime takes, and a card has five
    return clock if local.date() == today.date() else f"{local.month:02}-{local.day:02} {clock}"


def known_locale(name: str | None) -> str | None:
    """One of LOCALES for "zh-CN", "zh_Hans_CN", "en-GB" …; None for a language that we do not speak."""
    language = (name or "").replace("-", "_").partition("_")[0].lower()
    return {"zh": "zh_CN", "en": "en"}.get(language)


def known_zone(name: str | None) -> ZoneInfo | None:
    """The named time zone, None if there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, OSError, ValueError):  # unknown, a folder's name, a path
        return None


def _filled(message: str, params: dict[str, Any]) -> str:
    if not message:
        return ""
    return gettext(message, **params) if params and "%(" in message else gettext(message)


def _inserted(words: str, params: Mapping[str, Any]) -> str:
    """Fill in the named places that are known and leave everything else alone, for it may be hostile."""
    return PLACE.sub(lambda place: str(params[place[1]]) if place[1] in params else place[0], words)


def _spoken(value: Any) -> Any:
    if isinstance(value, Text):
        return say(value)
    if isinstance(value, datetime):
        return clock_time(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, list):
        return listed(str(_spoken(each)) for each in value)
    return value
