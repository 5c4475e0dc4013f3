"""What a platform tells the product, verified, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from platforms.cards import IncidentCard
from platforms.people import Group


class Headers(Protocol):
    """A request's headers, whatever the case of a name."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True)
class CallbackRequest:
    """A request as it came in: nothing parsed, so that signatures are checked on the raw bytes.

    purpose  the last part of its address, where a platform calls several: "event", "card"; "" where it is one
    """

    method: str
    query: Mapping[str, str]
    headers: Headers
    body: bytes
    received_at: datetime
    purpose: str = ""


@dataclass(frozen=True)
class Callback:
    """Something the platform said, verified. signature: identifies the exact request (replay protection).

    fresh_seconds  how far `sent_at` may be from our clock: as long as the platform repeats what was not answered
    addressed_to   which of our ids the platform named as the receiver, where it wants to read the same one again
    """

    signature: str
    nonce: str
    sent_at: datetime
    fresh_seconds: int = field(default=300, kw_only=True)
    addressed_to: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class UrlCheck(Callback):
    """The platform tries our address; `reply` is what it wants to read."""

    reply: str


@dataclass(frozen=True)
class CardPress(Callback):
    """A person pressed a button or chose from a card's menu.

    event_key    identifies this press over all repeats of its delivery
    reference    our key of the message; button_key: the key that we drew
    update_code  the right to change the card that the press brought, if any
    message_id   the platform's id of the card's message, if the press names it
    """

    event_key: str
    external_user_id: str
    reference: str
    button_key: str
    update_code: str | None = None
    message_id: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class PressAnswer:
    """What whoever pressed is told: their card as it is now (None: it stays as it was) and a sentence ("": none)."""

    card: IncidentCard | None = None
    text: str = ""
    is_refusal: bool = False

    @property
    def notice(self) -> str:
        """The sentence where the card does not say it: it stays as it was, or the press was refused."""
        return self.text if self.is_refusal or not self.card else ""


@dataclass(frozen=True)
class GroupEvent(Callback):
    """Something happened to a group chat: it can be posted to from now on, or not any more, or has another name.

    event_key  identifies the event over all repeats of its delivery
    change     added | removed | disbanded | renamed; happened_at: by the platform's clock, since events overtake others
    """

    event_key: str
    change: str
    group: Group
    happened_at: datetime


@dataclass(frozen=True)
class LicenceEvent(Callback):
    """A company's licences have changed, or a member was stopped for want of one: they are to be read again.

    event_key  identifies the event over all repeats of its delivery; kind: as the platform calls it, for the log
    corp_id    the company, where the event names it and not the connection that it came by
    """

    event_key: str
    kind: str
    corp_id: str = ""


@dataclass(frozen=True)
class LostEvents:
    """Events of groups that the platform told us in vain, as it hands them out, once. has_more: it keeps others."""

    events: Sequence[GroupEvent] = ()
    has_more: bool = False


@dataclass(frozen=True)
class OtherEvent(Callback):
    """Verified, but nothing that we act on: logged and answered."""

    event_key: str
    kind: str


@dataclass(frozen=True)
class CallbackReply:
    """What the platform is answered, byte for byte."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
