"""The XML that WeCom posts, self-built and third-party alike: the signed query, the outer and the inner message."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import ParseError

from platforms import xml
from platforms.errors import CallbackMalformed, CallbackRefused

MAX_BODY_BYTES = 32 * 1024
"""A text message is at most 2 KiB, an event less."""
MAX_TAGS = 1000
MAX_NONCE_CHARACTERS = 128

Members = defaultdict[str, str]
"""Of a message, by their names: the first text of each, "" for one that is not there."""


@dataclass(frozen=True)
class Query:
    """The signed parameters of the address."""

    signature: str
    timestamp: str
    nonce: str
    sent_at: datetime

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Query:
        """Raises CallbackRefused for any that is missing or has a wrong shape."""
        signature, timestamp, nonce = (query.get(name, "") for name in ("msg_signature", "timestamp", "nonce"))
        if not signature or not nonce or len(nonce) > MAX_NONCE_CHARACTERS:
            raise CallbackRefused("query")
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 11):
            raise CallbackRefused("timestamp")
        return cls(signature, timestamp, nonce, datetime.fromtimestamp(int(timestamp), UTC))

    @property
    def base(self) -> tuple[str, str, datetime]:
        """The first values of every Callback."""
        return self.signature, self.nonce, self.sent_at


def cipher_text(body: bytes) -> str:
    """The cipher text of the outer XML. Raises CallbackRefused."""
    encrypted = _outer(body, b"Encrypt")
    if not encrypted or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise CallbackRefused("outer XML")
    return encrypted


def named_receiver(body: bytes) -> str:
    """Whom the outer XML names; nothing proves it. "" if it names nobody, or what is no name."""
    name = _outer(body, b"ToUserName")
    return name if name.isprintable() else ""


def _outer(body: bytes, name: bytes) -> str:
    """A member of the outer XML. It is searched for, so that no parser meets what is not yet verified."""
    if len(body) > MAX_BODY_BYTES:
        raise CallbackRefused("body too large")
    _, opened, rest = body.partition(b"<" + name + b">")
    text, closed, _ = rest.partition(b"</" + name + b">")
    text = text.strip().removeprefix(b"<![CDATA[").removesuffix(b"]]>").strip()
    return text.decode() if opened and closed and text.isascii() else ""


def members(message: bytes) -> Members:
    """The members of the inner XML. Raises CallbackMalformed."""
    try:
        if message.count(b"<") > MAX_TAGS:
            raise ValueError("too many tags")
        found = xml.parsed(message)
    except (ParseError, ValueError):
        raise CallbackMalformed("inner XML") from None
    return defaultdict(str, {member.tag: (member.text or "").strip() for member in reversed(found)})


def decoded(message: bytes) -> str:
    """The text of an address check. Raises CallbackMalformed."""
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise CallbackMalformed("echostr") from None


def identity(message: Members, names: tuple[str, ...]) -> str:
    """What is the same in all repeats of one event, as 64 hex digits. Two quick presses differ by ResponseCode."""
    return hashlib.sha256(json.dumps([message[name] for name in names]).encode()).hexdigest()
