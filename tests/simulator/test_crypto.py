"""The simulator's own crypto against the published vectors (developer.work.weixin.qq.com/document/path/91144)."""

import base64
import json
from pathlib import Path

import pytest

from simulator import sealing

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures/wecom/vectors.json").read_text(encoding="utf-8"))
KEY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"


@pytest.fixture(params=VECTORS, ids=lambda vector: vector["name"])
def vector(request):
    return request.param


def test_the_signature_is_the_published_one(vector):
    made = sealing.signature(vector["token"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert made == vector["msg_signature"]


def test_a_vector_decrypts_to_its_plaintext_and_receiver(vector):
    message, receive_id = sealing.decrypt(vector["encoding_aes_key"], vector["encrypt"])
    assert (message.decode(), receive_id) == (vector["plaintext"], vector["receiveid"])


def test_encryption_with_the_same_random_gives_the_same_bytes(vector):
    made = sealing.encrypt(
        vector["encoding_aes_key"],
        vector["plaintext"].encode(),
        vector["receiveid"],
        vector["random16_ascii"].encode(),
    )
    assert made == vector["encrypt"]


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "a", KEY[:-1] + "+"])
def test_a_key_that_is_not_43_letters_and_digits_is_refused(key):
    with pytest.raises(sealing.CryptoError):
        sealing.aes_key(key)


@pytest.mark.parametrize("last_byte", [0, 33])
def test_padding_outside_1_to_32_is_refused(last_byte):
    plain = b"r" * 16 + b"\0\0\0\1" + b"x" * 11 + bytes([last_byte])
    encrypted = base64.b64encode(sealing._cipher(sealing.aes_key(KEY)).encrypt(plain)).decode()
    with pytest.raises(sealing.CryptoError):
        sealing.decrypt(KEY, encrypted)


def test_a_length_beyond_the_text_is_refused():
    plain = b"r" * 16 + b"\0\0\xff\xff" + b"x" * 11 + b"\x01"
    encrypted = base64.b64encode(sealing._cipher(sealing.aes_key(KEY)).encrypt(plain)).decode()
    with pytest.raises(sealing.CryptoError):
        sealing.decrypt(KEY, encrypted)


def test_one_changed_digit_breaks_the_signature():
    vector = VECTORS[0]
    wrong = ("0" if vector["msg_signature"][0] != "0" else "1") + vector["msg_signature"][1:]
    assert not sealing.is_signed(vector["token"], vector["timestamp"], vector["nonce"], vector["encrypt"], wrong)
