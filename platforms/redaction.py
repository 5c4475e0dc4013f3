"""Cut access tokens, secrets and codes out of text that is logged, stored or shown."""

from __future__ import annotations

import re

NAMES = (
    "access_token|corpsecret|suite_access_token|provider_access_token|app_secret|appsecret|client_secret|clientSecret"
    "|accessToken|tenant_access_token|app_access_token|refresh_token|secret|code|ticket|user_ticket|response_code"
)
IN_QUERY = re.compile(rf"(?i)\b({NAMES})=[^&\s\"'<>]+")
IN_JSON = re.compile(rf"(?i)(\"(?:{NAMES})\"\s*:\s*\")[^\"]*")
RAW_CHARACTERS = 500


def redacted(text: str) -> str:
    """Return `text` with the values of secret parameters and JSON members replaced by ***."""
    return IN_JSON.sub(r"\1***", IN_QUERY.sub(r"\1=***", text))


def raw_excerpt(body: bytes) -> str:
    """The beginning of an answer, fit to be kept: 500 characters, no secrets, one line of printable text."""
    text = body[: 4 * RAW_CHARACTERS].decode("utf-8", "replace")
    return redacted("".join(c if c.isprintable() else " " for c in text))[:RAW_CHARACTERS]
