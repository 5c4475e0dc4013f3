"""The cipher and the signatures against values of the official documents and libraries."""

import base64
import json
from pathlib import Path

import pytest

from simulator.feishu import crypto

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures/feishu/vectors.json").read_text(encoding="utf-8"))
ENCRYPTED = [vector for vector in VECTORS if "encrypt" in vector or '"encrypt"' in vector.get("body", "")]
SIGNED = [vector for vector in VECTORS if "signature" in vector]


def named(vector):
    return vector["name"]


@pytest.mark.parametrize("vector", ENCRYPTED, ids=named)
def test_the_documented_texts_are_opened_and_sealed_alike(vector):
    encrypted = vector.get("encrypt") or json.loads(vector["body"])["encrypt"]
    plain = vector["plaintext"].encode()
    assert crypto.decrypt(vector["encrypt_key"], encrypted) == plain
    iv = base64.b64decode(encrypted)[:16]
    if vector["name"] != "official_cipher":  # whose padding is one byte of its own
        assert crypto.encrypt(vector["encrypt_key"], plain, iv) == encrypted


@pytest.mark.parametrize("vector", SIGNED, ids=named)
def test_the_documented_signatures(vector):
    body, stamp, nonce = vector["body"].encode(), vector["timestamp"], vector["nonce"]
    if "encrypt_key" in vector:
        assert crypto.signature(vector["encrypt_key"], stamp, nonce, body) == vector["signature"]
    else:
        assert crypto.historic_signature(vector["verification_token"], stamp, nonce, body) == vector["signature"]


def test_two_texts_never_look_alike():
    assert crypto.encrypt("k", b"same") != crypto.encrypt("k", b"same")


@pytest.mark.parametrize("spoilt", ["", "no base64!", "AAAA", base64.b64encode(b"x" * 32).decode()])
def test_anything_else_is_refused(spoilt):
    with pytest.raises(crypto.CryptoError):
        crypto.decrypt("k", spoilt)
