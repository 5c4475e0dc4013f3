"""A cipher that is made once: each text is opened and sealed as if it were the first."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from Crypto.Cipher import AES

from platforms.crypto import CallbackCipher
from platforms.errors import CallbackRefused
from platforms.feishu.crypto import EventCipher

WECOM = CallbackCipher("token", "a" * 43, "corp")
FEISHU = EventCipher("an encrypt key")
TEXTS = [b"", b"one", b"x" * 31, b"y" * 4000]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_sealed_later_opens_with_the_documented_vector(text: bytes):
    for _ in range(3):
        sealed = WECOM.encrypt(text)
        fresh = CallbackCipher("token", "a" * 43, "corp")
        assert fresh.decrypt(sealed) == text
    vector = WECOM._key[: AES.block_size]
    plain = AES.new(WECOM._key, AES.MODE_CBC, iv=vector).decrypt(base64.b64decode(sealed))
    assert plain[20:].startswith(text + b"corp")


def test_the_same_text_is_never_sealed_alike():
    assert len({WECOM.encrypt(b"same") for _ in range(50)}) == 50


@pytest.mark.parametrize("cipher", [WECOM, FEISHU], ids=["callback", "event"])
def test_a_damaged_text_does_nothing_to_the_next(cipher: CallbackCipher | EventCipher):
    good = cipher.encrypt(b"good")
    for damaged in ("", "AAAA", "no base64!", good[:-24] + "A" * 24, "A" * 64):
        with pytest.raises(CallbackRefused):
            cipher.decrypt(damaged)
        assert cipher.decrypt(good) == b"good"


@pytest.mark.parametrize("cipher", [WECOM, FEISHU], ids=["callback", "event"])
def test_threads_do_not_disturb_one_another(cipher: CallbackCipher | EventCipher):
    def there_and_back(number: int) -> bool:
        text = str(number).encode() * 300
        return cipher.decrypt(cipher.encrypt(text)) == text

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(400)))
