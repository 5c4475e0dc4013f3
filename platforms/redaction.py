"""Cut access tokens, secrets and codes out of text that is logged, stored or shown."""

from __future__ import annotations

import re

NAMES = (
    "access_token|corpsecret|suite_access_token|provider_access_token|app_secret|appsecret|client_secret|clientSecret"
    "|accessToken|tenant_access_token|app_access_token|refresh_token|refreshToken|secret|apiSecret|ticket|user_ticket"
    "|jsapiTicket|response_code|authCode|aes_key|suite_secret|suite_ticket|provider_secret|permanent_code|auth_code"
    "|pre_auth_code"
)
IN_QUERY = re.compile(rf"(?i)\b({NAMES}|code)=[^&\s\"'<>]+")
IN_JSON = re.compile(rf"(?i)(\"(?:{NAMES})\"\s*:\s*\")[^\"]*")
CODE_IN_JSON = re.compile(r"(?i)(\"code\"\s*:\s*\")(?![a-z.]+\")[^\"]*")
"""A sign-in code is random; one of words is a platform's error ("param.cardNotExist"), which people have to read."""
RAW_CHARACTERS = 500


def redacted(text: str) -> str:
    """Return `text` with the values of secret parameters and JSON members replaced by ***."""
    return CODE_IN_JSON.sub(r"\1***", IN_JSON.sub(r"\1***", IN_QUERY.sub(r"\1=***", text)))


def raw_excerpt(body: bytes) -> str:
    """The beginning of an answer, fit to be kept: 500 characters, no secrets, one line of printable text."""
    text = body[: 4 * RAW_CHARACTERS].decode("utf-8", "replace")
    return redacted("".join(c if c.isprintable() else " " for c in text))[:RAW_CHARACTERS]
