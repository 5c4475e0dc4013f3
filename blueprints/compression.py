"""Text travels compressed: phones open these pages on bad networks.

A page is padded by a random length, because compressing a form token next to something that the address reflects
would otherwise tell an eavesdropper, request by request, how much of the token a guess got right (BREACH).
"""

from __future__ import annotations

import gzip
import io
import secrets
from functools import lru_cache

from flask import Flask, Response, request

TYPES = frozenset({"text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml"})
SMALLEST = 500
PAGE_LEVEL, FILE_LEVEL = 5, 9
LONGEST_PADDING = 100
FILES_KEPT = 64


def register(app: Flask) -> None:
    app.after_request(compress)


def compress(response: Response) -> Response:
    """Send a text as gzip to whoever takes it. Its tag becomes weak: same content, other bytes."""
    if response.mimetype not in TYPES or response.status_code not in {200, 403, 404, 422}:
        return response
    response.vary.add("Accept-Encoding")
    if request.method == "HEAD" or "Content-Encoding" in response.headers or not request.accept_encodings["gzip"]:
        return response
    response.direct_passthrough = False
    plain = response.get_data()
    if len(plain) < SMALLEST:
        return response
    response.set_data(_file(plain) if request.endpoint == "static" else page(plain))
    response.headers["Content-Encoding"] = "gzip"
    if (etag := response.get_etag()[0]) is not None:
        response.set_etag(etag, weak=True)
    return response


def page(plain: bytes) -> bytes:
    """gzip with a name of random length in its header, which readers skip."""
    packed = io.BytesIO()
    padding = secrets.token_hex(LONGEST_PADDING)[: secrets.randbelow(LONGEST_PADDING)]
    with gzip.GzipFile(filename=padding, mode="wb", compresslevel=PAGE_LEVEL, fileobj=packed, mtime=0) as stream:
        stream.write(plain)
    return packed.getvalue()


@lru_cache(maxsize=FILES_KEPT)
def _file(plain: bytes) -> bytes:
    return gzip.compress(plain, FILE_LEVEL, mtime=0)
