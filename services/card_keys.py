"""Keys of card buttons: which action on which message, signed. Nothing else is trusted from a key."""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache

MAC_BYTES = 16
_PURPOSE = b"dutybell card key 1\n"


def make(secret: str, action: str, reference: str) -> str:
    """A button's key: "ack.3q2-…", at most 128 characters for actions of up to 100."""
    return f"{action}.{_mac(secret, action, reference)}"


def read(secret: str, key: str, reference: str) -> str | None:
    """The action that we drew on the message `reference`; None for any other key."""
    action, _, mac = key.rpartition(".")
    genuine = hmac.compare_digest(mac.encode(), _mac(secret, action, reference).encode())
    return action if genuine and action else None


def _mac(secret: str, action: str, reference: str) -> str:
    message = _PURPOSE + action.encode() + b"\n" + reference.encode()
    mac = _keyed(secret).copy()
    mac.update(message)
    return base64.urlsafe_b64encode(mac.digest()[:MAC_BYTES]).rstrip(b"=").decode()


@lru_cache(maxsize=4)
def _keyed(secret: str) -> hmac.HMAC:
    """Made once, then copied: a card has half a dozen keys."""
    return hmac.new(secret.encode(), digestmod="sha256")
