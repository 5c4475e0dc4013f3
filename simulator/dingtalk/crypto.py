"""DingTalk's event encryption and card signature, written from the protocol: AES-256-CBC, padding to 32 bytes.

https://open.dingtalk.com/document/development/http-callback-overview
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from typing import Any

from Crypto.Cipher import AES

BLOCK_BYTES = 32


class CryptoError(ValueError):
    """The key, the signature or the cipher text is not what it should be."""


def key_of(aes_key: str) -> bytes:
    """The 32 bytes behind an aes_key of 43 letters and digits; its last character may carry bits too many."""
    if len(aes_key) != 43 or not aes_key.isascii() or not aes_key.isalnum():
        raise CryptoError("aes_key must be 43 letters and digits")
    return base64.b64decode(aes_key + "=")


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Lower-case hex SHA-1 over the four values in order of their bytes."""
    return hashlib.sha1("".join(sorted([token, timestamp, nonce, encrypted])).encode()).hexdigest()  # noqa: S324


def is_signed(token: str, timestamp: str, nonce: str, encrypted: str, given: str) -> bool:
    return hmac.compare_digest(signature(token, timestamp, nonce, encrypted).encode(), given.encode())


def encrypt(aes_key: str, message: bytes, suffix: str, random16: bytes | None = None) -> str:
    """Base64 of random(16) + length in bytes(4, big endian) + message + suffix, padded to a multiple of 32."""
    key = key_of(aes_key)
    plain = (random16 or secrets.token_bytes(16)) + struct.pack(">I", len(message)) + message + suffix.encode()
    fill = BLOCK_BYTES - len(plain) % BLOCK_BYTES
    return base64.b64encode(_cipher(key).encrypt(plain + bytes([fill]) * fill)).decode()


def decrypt(aes_key: str, encrypted: str) -> tuple[bytes, str]:
    """The message and the suffix. Raises CryptoError for anything that encrypt would not have written."""
    try:
        padded = _cipher(key_of(aes_key)).decrypt(base64.b64decode(encrypted, validate=True))
    except (binascii.Error, ValueError) as error:
        raise CryptoError("not a cipher text") from error
    fill = padded[-1] if padded else 0
    if not 1 <= fill <= BLOCK_BYTES or padded[-fill:] != bytes([fill]) * fill:
        raise CryptoError("bad padding")
    plain = padded[:-fill]
    if len(plain) < 20 or (length := struct.unpack(">I", plain[16:20])[0]) > len(plain) - 20:
        raise CryptoError("length field is larger than the text")
    return plain[20 : 20 + length], plain[20 + length :].decode("utf-8", "replace")


def card_signature(api_secret: str, timestamp: str) -> str:
    """Base64 of HMAC-SHA256 over the decimal timestamp: what a card's callback is signed by. Its body is not covered.

    https://open.dingtalk.com/document/development/event-callback-card
    """
    return base64.b64encode(hmac.new(api_secret.encode(), timestamp.encode(), hashlib.sha256).digest()).decode()


def _cipher(key: bytes) -> Any:
    return AES.new(key, AES.MODE_CBC, iv=key[:16])
