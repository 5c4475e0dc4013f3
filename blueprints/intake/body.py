"""The body of a push: JSON by its header, whole, and at most 1 MiB however it is sent."""

from __future__ import annotations

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from blueprints.envelope import RefusedRequest
from blueprints.programs import body_of

BODY_BYTES = 1024 * 1024


def read_body(request: Request) -> bytes:
    """Read it without a transaction being open. Raises RefusedRequest: wrong type, too large, cut short."""
    if not _is_json(request.mimetype):
        raise RefusedRequest(
            400, "InvalidContentType", f"Content-Type must be application/json, got {request.mimetype[:80]!r}"
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedRequest(400, "InvalidContentType", "Content-Encoding is not supported: send the JSON as it is")
    try:
        return body_of(request, BODY_BYTES)
    except RequestEntityTooLarge as error:
        message = f"the body must have at most {BODY_BYTES} bytes"
        raise RefusedRequest(413, "EntityTooLarge", message) from error
    except ClientDisconnected as error:
        raise RefusedRequest(400, "InvalidParameter", "the body ended before its Content-Length") from error


def _is_json(mimetype: str) -> bool:
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))
