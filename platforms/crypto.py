"""Ciphers and signatures that several platforms share. Pure: bytes and values in, values out.

CallbackCipher's scheme is AES-256-CBC with a 32-byte PKCS#7 padding and a SHA-1 signature; it is the platforms' own
choice and stays inside this module. https://developer.work.weixin.qq.com/document/path/90968
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from platforms.errors import CallbackRefused
from slim_imports import without

with without("cffi"):  # by the standard library's ctypes it is as quick, and takes a megabyte less
    from Crypto.Cipher import AES as AES  # noqa: PLC0414 - for whoever needs it

KEY_CHARACTERS = 43
PADDING_BLOCK = 32
RANDOM_BYTES = 16
LENGTH_BYTES = 4
ENCODING_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


def same(left: str, right: str) -> bool:
    """Compare in constant time; an empty value equals nothing, so that a missing key fails closed."""
    return bool(left) and hmac.compare_digest(left.encode(), right.encode())


def decode_key(encoding_aes_key: str) -> bytes:
    """Return the 32 bytes behind an EncodingAESKey of 43 letters and digits. Raises ValueError."""
    if not ENCODING_AES_KEY.fullmatch(encoding_aes_key):
        raise ValueError(f"EncodingAESKey must be {KEY_CHARACTERS} letters or digits")
    return base64.b64decode(encoding_aes_key + "=")


def cbc(key: bytes, vector: bytes) -> Any:
    """AES in CBC mode, for one text."""
    return AES.new(key, AES.MODE_CBC, iv=vector)


class ReadyCipher:
    """AES-CBC for texts whose first block nobody reads, made once for each thread: making takes longer than opening.

    Each text is begun with the last block of the one before, where its scheme has a vector of its own: that decides
    about the first block alone.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made = threading.local()

    def decrypt(self, sealed: bytes) -> bytes:
        """The blocks behind `sealed`; the first one means nothing."""
        plain: bytes = self._for("decrypt").decrypt(sealed)
        return plain

    def encrypt(self, plain: bytes) -> bytes:
        """Whole blocks sealed, the first of which must be random."""
        sealed: bytes = self._for("encrypt").encrypt(plain)
        return sealed

    def _for(self, use: str) -> Any:
        """The library lets a cipher do one of the two."""
        made = vars(self._made)
        if use not in made:
            made[use] = cbc(self._key, vector=bytes(AES.block_size))
        return made[use]


@dataclass(frozen=True)
class CallbackCipher:
    """Signs, opens and seals callback messages of one application.

    token       shared secret of the signature, at most 32 letters and digits
    receive_id  whom messages are for (WeCom: the corp id); a message for anybody else is refused
    Raises ValueError for a key that is not 43 characters.
    """

    token: str = field(repr=False)
    encoding_aes_key: str = field(repr=False)
    receive_id: str
    _key: bytes = field(init=False, repr=False)
    _ready: ReadyCipher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", decode_key(self.encoding_aes_key))
        object.__setattr__(self, "_ready", ReadyCipher(self._key))

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """SHA-1 over the four sorted parts, lower-case hex."""
        parts = sorted([self.token, timestamp, nonce, encrypted])
        return hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()

    def open(self, signature: str, timestamp: str, nonce: str, encrypted: str) -> bytes:
        """Check the signature, then decrypt. Raises CallbackRefused; nothing is decrypted before the check."""
        if not self.token or not same(self.sign(timestamp, nonce, encrypted), signature):
            raise CallbackRefused("signature")
        return self.decrypt(encrypted)

    def decrypt(self, encrypted: str) -> bytes:
        """Return the message of a cipher text. Raises CallbackRefused for damage or a foreign receiver."""
        try:
            cipher_text = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError):
            raise CallbackRefused("base64") from None
        if not cipher_text or len(cipher_text) % AES.block_size:
            raise CallbackRefused("cipher text length")
        return self._unpack(unpadded(self._ready.decrypt(cipher_text), PADDING_BLOCK))

    def encrypt(self, message: bytes, random: bytes | None = None) -> str:
        """Return the base64 cipher text of a message. random: 16 bytes, fixed only by tests."""
        head = secrets.token_bytes(RANDOM_BYTES) if random is None else random
        plain = head + len(message).to_bytes(LENGTH_BYTES, "big") + message + self.receive_id.encode()
        cipher = self._ready if random is None else cbc(self._key, vector=self._key[: AES.block_size])
        return base64.b64encode(cipher.encrypt(padded(plain, PADDING_BLOCK))).decode()

    def _unpack(self, plain: bytes) -> bytes:
        body = plain[RANDOM_BYTES + LENGTH_BYTES :]
        length = int.from_bytes(plain[RANDOM_BYTES : RANDOM_BYTES + LENGTH_BYTES], "big")
        if len(plain) < RANDOM_BYTES + LENGTH_BYTES or length > len(body):
            raise CallbackRefused("message length")
        if not self.receive_id or not hmac.compare_digest(body[length:], self.receive_id.encode()):
            raise CallbackRefused("receiver")
        return body[:length]


def padded(plain: bytes, block: int) -> bytes:
    """PKCS#7 to a multiple of `block`; a whole block is added to what is a multiple already."""
    size = block - len(plain) % block
    return plain + bytes([size]) * size


def unpadded(plain: bytes, block: int) -> bytes:
    """`plain` (not empty) without its padding. Raises CallbackRefused for any that padded() would not make."""
    size = plain[-1]
    if not 1 <= size <= block or plain[-size:] != bytes([size]) * size:
        raise CallbackRefused("padding")
    return plain[:-size]
