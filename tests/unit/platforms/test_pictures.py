"""What is taken for a picture."""

from __future__ import annotations

from typing import Any

import pytest

from platforms.http import Answer
from platforms.pictures import NoPicture, fetch, kind_of

PNG = b"\x89PNG\r\n\x1a\n...."


class Answering:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def exchange(self, *_about: Any, **_more: Any) -> Answer:
        return self.answer


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", ""),
        (b"<svg onload=alert(1)>", ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_a_picture_is_known_by_its_content(content: bytes, content_type: str):
    assert kind_of(content) == content_type


def test_a_picture_is_fetched():
    transport: Any = Answering(Answer(200, {"content-type": "text/html"}, PNG))
    assert fetch(transport, "https://example.com/a.png") == (PNG, "image/png")


@pytest.mark.parametrize("answer", [Answer(302, {}, b""), Answer(404, {}, PNG), Answer(200, {}, b"<html>sign in")])
def test_what_is_no_picture_is_said_to_be_none(answer: Answer):
    transport: Any = Answering(answer)
    with pytest.raises(NoPicture) as failure:
        fetch(transport, "https://example.com/a.png")
    assert not failure.value.retryable
