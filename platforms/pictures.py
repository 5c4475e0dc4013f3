"""Fetching a picture that an alert names, and telling by its first bytes whether it is one."""

from __future__ import annotations

from platforms.errors import PlatformError
from platforms.http import Transport
from texts import N_

PICTURE_BYTES = 5 * 1024 * 1024
"""Larger ones stay links; Feishu takes 10 MB."""
FETCH_SECONDS = 8.0
STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
WEBP_BYTES = 12


class NoPicture(PlatformError):
    """What answered there is no picture that the platforms show."""

    code = "picture.none"
    message = N_("该地址没有可用的图片")
    hint = ""


def fetch(transport: Transport, address: str) -> tuple[bytes, str]:
    """The picture at an address, and its content type. transport: one whose guard decides where it may go.

    Raises NoPicture, and what the transport raises; redirects are not followed.
    """
    answer = transport.exchange("GET", address, headers={"Accept": "image/*"}, total_seconds=FETCH_SECONDS)
    content_type = kind_of(answer.body)
    if answer.status != 200 or not content_type:
        raise NoPicture(f"HTTP {answer.status}", http_status=answer.status)
    return answer.body, content_type


def kind_of(content: bytes) -> str:
    """The content type, by the content; "" for what is no picture, whatever it was said to be."""
    if content[:4] == b"RIFF" and content[8:WEBP_BYTES] == b"WEBP":
        return "image/webp"
    return next((content_type for start, content_type in STARTS if content.startswith(start)), "")
