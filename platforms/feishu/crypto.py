"""How Feishu seals and signs what it posts. Pure: bytes and values in, values out.

https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field

from platforms.crypto import AES, ReadyCipher, cbc, padded, unpadded
from platforms.errors import CallbackRefused


@dataclass(frozen=True)
class EventCipher:
    """Opens and seals posts with one Encrypt Key: AES-256-CBC, the initial vector in front, PKCS#7 to 16 bytes."""

    encrypt_key: str = field(repr=False)
    _key: bytes = field(init=False, repr=False)
    _ready: ReadyCipher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", hashlib.sha256(self.encrypt_key.encode()).digest())
        object.__setattr__(self, "_ready", ReadyCipher(self._key))

    def decrypt(self, encrypted: str) -> bytes:
        """Return the message of a cipher text. Raises CallbackRefused for damage or another key."""
        try:
            sealed = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError):
            raise CallbackRefused("base64") from None
        if len(sealed) <= AES.block_size or len(sealed) % AES.block_size:
            raise CallbackRefused("cipher text length")
        return unpadded(self._ready.decrypt(sealed)[AES.block_size :], AES.block_size)

    def encrypt(self, message: bytes, vector: bytes | None = None) -> str:
        """Return the base64 cipher text of a message. vector: 16 bytes, fixed only by tests."""
        start = secrets.token_bytes(AES.block_size) if vector is None else vector
        sealed: bytes = cbc(self._key, vector=start).encrypt(padded(message, AES.block_size))
        return base64.b64encode(start + sealed).decode()


def signature(timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> str:
    """X-Lark-Signature of events and card callbacks: a plain SHA-256, over the body's bytes as they came."""
    return hashlib.sha256((timestamp + nonce + encrypt_key).encode() + body).hexdigest()


def historic_signature(timestamp: str, nonce: str, verification_token: str, body: bytes) -> str:
    """X-Lark-Signature of the historic card callback: SHA-1, with the Verification Token as its secret."""
    seed = (timestamp + nonce + verification_token).encode() + body
    return hashlib.sha1(seed, usedforsecurity=False).hexdigest()
