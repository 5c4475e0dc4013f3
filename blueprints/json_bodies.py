"""The body of what programs send: JSON by its header, whole, and of a length that we read."""

from __future__ import annotations

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from arrival import LARGEST_BODY
from blueprints.envelope import RefusedRequest
from blueprints.programs import body_of


def read_body(request: Request) -> bytes:
    """Read it without a transaction being open. Raises RefusedRequest: wrong type, too large, cut short."""
    if not _is_json(request.mimetype):
        raise RefusedRequest(
            400, "InvalidContentType", f"Content-Type must be application/json, got {request.mimetype[:80]!r}"
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedRequest(400, "InvalidContentType", "Content-Encoding is not supported: send the JSON as it is")
    try:
        return body_of(request)
    except RequestEntityTooLarge as error:
        message = f"the body must have at most {LARGEST_BODY} bytes"
        raise RefusedRequest(413, "EntityTooLarge", message) from error
    except ClientDisconnected as error:
        raise RefusedRequest(400, "InvalidParameter", "the body ended before its Content-Length") from error


def _is_json(mimetype: str) -> bool:
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))
