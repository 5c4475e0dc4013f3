"""What Feishu does to a push: AES-256-CBC with the hash of the Encrypt Key, and plain hashes as signatures.

https://open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

from Crypto.Cipher import AES

BLOCK_BYTES = 16


class CryptoError(ValueError):
    """A cipher text that `encrypt` would not have written."""


def encrypt(encrypt_key: str, plain: bytes, iv: bytes | None = None) -> str:
    """Base64 of the 16 bytes IV and the cipher text, PKCS#7 to 16 bytes; the IV is random unless a test fixes it."""
    iv = iv or secrets.token_bytes(BLOCK_BYTES)
    fill = BLOCK_BYTES - len(plain) % BLOCK_BYTES
    return base64.b64encode(iv + _cipher(encrypt_key, iv).encrypt(plain + bytes([fill]) * fill)).decode()


def decrypt(encrypt_key: str, encrypted: str) -> bytes:
    """The plain bytes, padding checked. Raises CryptoError."""
    try:
        raw = base64.b64decode(encrypted, validate=True)
        padded = _cipher(encrypt_key, raw[:BLOCK_BYTES]).decrypt(raw[BLOCK_BYTES:])
    except (binascii.Error, ValueError) as error:
        raise CryptoError("not a cipher text") from error
    fill = padded[-1] if padded else 0
    if not 1 <= fill <= BLOCK_BYTES or padded[-fill:] != bytes([fill]) * fill:
        raise CryptoError("bad padding")
    return padded[:-fill]


def signature(encrypt_key: str, timestamp: str, nonce: str, body: bytes) -> str:
    """X-Lark-Signature: lower-case hex SHA-256 over the four, the body as the bytes that travel."""
    return hashlib.sha256(f"{timestamp}{nonce}{encrypt_key}".encode() + body).hexdigest()


def historic_signature(verification_token: str, timestamp: str, nonce: str, body: bytes) -> str:
    """The signature of the historic card callback: SHA-1 with the Verification Token."""
    return hashlib.sha1(f"{timestamp}{nonce}{verification_token}".encode() + body).hexdigest()  # noqa: S324


def _cipher(encrypt_key: str, iv: bytes):  # type: ignore[no-untyped-def]  # the library's objects have no public type
    return AES.new(hashlib.sha256(encrypt_key.encode()).digest(), AES.MODE_CBC, iv=iv)
