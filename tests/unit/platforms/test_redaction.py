"""Secrets leave no trace in what is kept of an answer or an address."""

from __future__ import annotations

import pytest

from platforms.redaction import raw_excerpt, redacted


@pytest.mark.parametrize(
    "text",
    [
        "https://x/cgi-bin/gettoken?corpid=ww1&corpsecret=CANARY",
        "/cgi-bin/message/send?access_token=CANARY&debug=1",
        '{"errcode":0,"access_token":"CANARY","expires_in":7200}',
        '{"response_code": "CANARY"}',
        "url: /a?code=CANARY (Caused by x)",
        '{"code": "CANARY0123"}',
        '{"callbackUrl":"https://x","apiSecret":"CANARY"}',
    ],
)
def test_values_of_secret_names_are_cut(text):
    assert "CANARY" not in redacted(text)


@pytest.mark.parametrize("text", ["errcode=40001 corpid=ww1", '{"code":"param.cardNotExist","requestid":"A-1"}'])
def test_other_values_stay(text):
    assert redacted(text) == text


def test_an_excerpt_is_short_printable_and_one_line():
    excerpt = raw_excerpt(b"\xff\x00\r\n<b>" + b"x" * 10_000)
    assert len(excerpt) <= 500
    assert excerpt.isprintable()
