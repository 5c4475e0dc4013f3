"""How WeCom and DingTalk seal what they push, written from their protocols: AES-256-CBC, padding to 32 bytes, SHA-1.

https://developer.work.weixin.qq.com/document/path/91144
https://open.dingtalk.com/document/development/http-callback-overview
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct

from Crypto.Cipher import AES

BLOCK_BYTES = 32


class CryptoError(ValueError):
    """The key, the signature or the cipher text is not what it should be."""


def aes_key(encoding_aes_key: str) -> bytes:
    """The 32 bytes behind a key of 43 letters and digits, whose last may carry bits too many."""
    if len(encoding_aes_key) != 43 or not encoding_aes_key.isascii() or not encoding_aes_key.isalnum():
        raise CryptoError("the key must be 43 letters and digits")
    return base64.b64decode(encoding_aes_key + "=")


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Lower-case hex SHA-1 over the four values in lexicographic order."""
    return hashlib.sha1("".join(sorted([token, timestamp, nonce, encrypted])).encode()).hexdigest()  # noqa: S324


def is_signed(token: str, timestamp: str, nonce: str, encrypted: str, given: str) -> bool:
    return hmac.compare_digest(signature(token, timestamp, nonce, encrypted).encode(), given.encode())


def encrypt(encoding_aes_key: str, message: bytes, receive_id: str, random16: bytes | None = None) -> str:
    """Base64 of random(16) + length(4, big endian) + message + receive_id, padded to a multiple of 32."""
    key = aes_key(encoding_aes_key)
    plain = (random16 or secrets.token_bytes(16)) + struct.pack(">I", len(message)) + message + receive_id.encode()
    fill = BLOCK_BYTES - len(plain) % BLOCK_BYTES
    return base64.b64encode(_cipher(key).encrypt(plain + bytes([fill]) * fill)).decode()


def decrypt(encoding_aes_key: str, encrypted: str) -> tuple[bytes, str]:
    """The message and the receive_id. Raises CryptoError for anything that encrypt would not have written."""
    key = aes_key(encoding_aes_key)
    try:
        padded = _cipher(key).decrypt(base64.b64decode(encrypted, validate=True))
    except (binascii.Error, ValueError) as error:
        raise CryptoError("not a cipher text") from error
    plain = _unpadded(padded)
    if len(plain) < 20:
        raise CryptoError("too short")
    length = struct.unpack(">I", plain[16:20])[0]
    if length > len(plain) - 20:
        raise CryptoError("length field is larger than the text")
    return plain[20 : 20 + length], plain[20 + length :].decode("utf-8", "replace")


def _unpadded(padded: bytes) -> bytes:
    fill = padded[-1] if padded else 0
    if not 1 <= fill <= BLOCK_BYTES or padded[-fill:] != bytes([fill]) * fill:
        raise CryptoError("bad padding")
    return padded[:-fill]


def _cipher(key: bytes):  # type: ignore[no-untyped-def]  # the library's cipher objects have no public type
    return AES.new(key, AES.MODE_CBC, iv=key[:16])
