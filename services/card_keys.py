"""Keys of card buttons: which action on which message, signed. Nothing else is trusted from a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache

MAC_BYTES = 12
_PERSON = b"card key 2"
MAC_BYTES_BEFORE = 16
_PURPOSE_BEFORE = b"dutybell card key 1\n"


def make(secret: str, action: str, reference: str) -> str:
    """A button's key: "ack.3fa2…", at most 125 characters for actions of up to 100."""
    return f"{action}.{_mac(secret, action, reference)}"


def read(secret: str, key: str, reference: str) -> str | None:
    """The action that we drew on the message `reference`; None for any other key."""
    action, _, mac = key.rpartition(".")
    made = (_mac, _mac_before)
    genuine = any(hmac.compare_digest(mac.encode(), sign(secret, action, reference).encode()) for sign in made)
    return action if genuine and action else None


def _mac(secret: str, action: str, reference: str) -> str:
    """BLAKE2b in its own keyed mode: a card has half a dozen keys, and HMAC takes nearly three times as long."""
    mac = _keyed(secret).copy()
    mac.update(f"{action}\n{reference}".encode())
    return mac.hexdigest()


def _mac_before(secret: str, action: str, reference: str) -> str:
    """As the first versions signed: their cards are pressed long after an upgrade."""
    message = _PURPOSE_BEFORE + action.encode() + b"\n" + reference.encode()
    mac = hmac.digest(secret.encode(), message, "sha256")[:MAC_BYTES_BEFORE]
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


@lru_cache(maxsize=4)
def _keyed(secret: str) -> hashlib.blake2b:
    """To be copied. A key has at most 64 bytes, so it is a digest of the secret."""
    key = hashlib.sha256(secret.encode()).digest()
    return hashlib.blake2b(key=key, digest_size=MAC_BYTES, person=_PERSON)
