"""The callback cipher against published and independently made vectors, and what it must refuse."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import AES

from platforms.crypto import CallbackCipher, decode_key, same
from platforms.errors import CallbackRefused

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures/wecom/vectors.json").read_text())
NAMES = [vector["name"] for vector in VECTORS]


def cipher(vector: dict[str, Any], **changes: str) -> CallbackCipher:
    values = {name: vector[name] for name in ("token", "encoding_aes_key")} | {"receive_id": vector["receiveid"]}
    return CallbackCipher(**(values | changes))


@pytest.fixture(params=VECTORS, ids=NAMES)
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_the_signature_is_the_published_one(vector):
    assert cipher(vector).sign(vector["timestamp"], vector["nonce"], vector["encrypt"]) == vector["msg_signature"]


def test_a_message_opens_to_its_text(vector):
    opened = cipher(vector).open(vector["msg_signature"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert opened.decode() == vector["plaintext"]


def test_a_message_is_sealed_byte_for_byte(vector):
    sealed = cipher(vector).encrypt(vector["plaintext"].encode(), vector["random16_ascii"].encode())
    assert sealed == vector["encrypt"]


def test_a_flipped_signature_is_refused_before_anything_is_decrypted(vector, monkeypatch):
    monkeypatch.setattr(CallbackCipher, "decrypt", lambda *_: pytest.fail("decrypted"))
    flipped = ("1" if vector["msg_signature"][0] == "0" else "0") + vector["msg_signature"][1:]
    with pytest.raises(CallbackRefused):
        cipher(vector).open(flipped, vector["timestamp"], vector["nonce"], vector["encrypt"])


def test_a_message_for_another_company_is_refused(vector):
    with pytest.raises(CallbackRefused, match="receiver"):
        cipher(vector, receive_id="ww0000000000000000").decrypt(vector["encrypt"])


def test_a_receiver_that_is_only_a_beginning_is_refused(vector):
    with pytest.raises(CallbackRefused):
        cipher(vector, receive_id=vector["receiveid"][:-1]).decrypt(vector["encrypt"])


def test_an_empty_receiver_accepts_nothing(vector):
    with pytest.raises(CallbackRefused):
        cipher(vector, receive_id="").decrypt(vector["encrypt"])


def test_an_empty_token_accepts_nothing(vector):
    keys = cipher(vector, token="")
    signature = keys.sign(vector["timestamp"], vector["nonce"], vector["encrypt"])
    with pytest.raises(CallbackRefused):
        keys.open(signature, vector["timestamp"], vector["nonce"], vector["encrypt"])


@pytest.mark.parametrize("length", [0, 42, 44])
def test_a_key_of_another_length_is_a_configuration_error(length):
    with pytest.raises(ValueError, match="43"):
        decode_key("A" * length)


def test_a_key_with_other_characters_is_a_configuration_error():
    with pytest.raises(ValueError, match="43"):
        decode_key("A" * 42 + "=")


@pytest.mark.parametrize("pad", [0, 33, 255])
def test_impossible_padding_is_refused(pad):
    with pytest.raises(CallbackRefused, match="padding"):
        keys().decrypt(raw(bytes(63) + bytes([pad])))


def test_padding_of_unequal_bytes_is_refused():
    with pytest.raises(CallbackRefused, match="padding"):
        keys().decrypt(raw(bytes(60) + b"\x01\x02\x03\x03"))


def test_a_length_beyond_the_message_is_refused():
    body = bytes(16) + (1000).to_bytes(4, "big") + b"hello" + b"ww1234567890abcdef"
    with pytest.raises(CallbackRefused, match="length"):
        keys().decrypt(raw(body + bytes([64 - len(body)]) * (64 - len(body))))


@pytest.mark.parametrize("encrypted", ["", "!!!!", "QUJD", "A" * 43, base64.b64encode(bytes(17)).decode()])
def test_what_is_no_cipher_text_is_refused(encrypted):
    with pytest.raises(CallbackRefused):
        keys().decrypt(encrypted)


def test_every_message_is_sealed_differently():
    assert keys().encrypt(b"x") != keys().encrypt(b"x")


def test_nothing_equals_the_empty_value():
    assert not same("", "")
    assert same("a", "a")
    assert not same("a", "b")


def test_keys_are_not_shown():
    assert "0123456789ABCDEF" not in repr(keys())
    assert "oncallCallbackToken2024" not in repr(keys())


def keys() -> CallbackCipher:
    return cipher(VECTORS[3])


def raw(plain: bytes) -> str:
    """Plain bytes encrypted as they are, to make what a right sender never makes."""
    key = decode_key(VECTORS[3]["encoding_aes_key"])
    return base64.b64encode(AES.new(key, AES.MODE_CBC, iv=key[:16]).encrypt(plain)).decode()
