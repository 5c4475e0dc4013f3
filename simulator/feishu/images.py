"""Uploading a picture for messages and cards.

https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/image/create
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from flask import request

from simulator.feishu.context import Call, Feishu
from simulator.feishu.errors import ApiError
from simulator.feishu.state import App

MAX_BYTES = 10 * 1024 * 1024
ISSUED = "img_v3_"
STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")


def upload(call: Call) -> dict[str, Any]:
    """A form with image_type and the file itself. Raises ApiError."""
    if request.form.get("image_type") not in ("message", "avatar"):
        raise ApiError(234001)
    sent = request.files.get("image")
    content = sent.read() if sent else b""
    if not content:
        raise ApiError(234010)
    if len(content) > MAX_BYTES:
        raise ApiError(234006)
    if not content.startswith(STARTS):
        raise ApiError(234011)
    key = f"{ISSUED}{secrets.token_hex(12)}"
    call.feishu.state.images[key] = [call.app.app_id, hashlib.sha256(content).hexdigest()]
    call.feishu.store.touch()
    return {"image_key": key}


def may_show(feishu: Feishu, app: App, key: str) -> bool:
    """A key of the present form is of the application that uploaded it; of older ones nothing is known."""
    return not key.startswith(ISSUED) or feishu.state.images.get(key, [""])[0] == app.app_id
