"""What a request wants sent, to whom and through what: the JSON body, checked value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

from blueprints.envelope import RefusedRequest
from blueprints.json_bodies import read_body
from blueprints.send_message.answers import Refused
from platforms import PLATFORMS
from services.text_messages import MOST_RECEIVERS, TEXT_BYTES
from sources import Refused as BadJson
from sources import read_json


@dataclass(frozen=True)
class Wish:
    """platform: as the registry calls it; receivers: usernames as written, () for everybody."""

    platform: str
    receivers: tuple[str, ...]
    is_for_all: bool
    content: str


def read() -> dict[str, Any]:
    """The JSON object of the body. Raises Refused; HTTP 413 for what is too large."""
    try:
        fields = read_json(read_body(request))
    except RefusedRequest as error:
        http = error.status if error.status == 413 else 200
        raise Refused(f"请求体无效：{error.message}", code=413 if http == 413 else 500, http=http) from error
    except BadJson as error:
        raise Refused(f"请求体无效：{error}") from error
    if not isinstance(fields, dict):
        raise Refused("请求体须为 JSON 对象")
    return fields


def understood(fields: dict[str, Any]) -> Wish:
    """Raises Refused in the words of the interface."""
    platform = _platform(_text(fields, "app").strip())
    if platform is None:
        raise Refused("不识别的第三方APP")
    is_for_all = is_true(fields.get("sendAll"))
    receivers = tuple(filter(None, (name.strip() for name in _text(fields, "receiver").split(","))))
    if not receivers and not is_for_all:
        raise Refused("receiver 与 sendAll 需填写一个")
    if len(receivers) > MOST_RECEIVERS and not is_for_all:
        raise Refused(f"receiver 超过 {MOST_RECEIVERS} 个")
    content = _text(fields, "content")
    if not content.strip():
        raise Refused("content 不能为空")
    if len(content.encode()) > TEXT_BYTES:
        raise Refused(f"content 超过 {TEXT_BYTES} 字节")
    return Wish(platform, () if is_for_all else receivers, is_for_all, content)


def _platform(app: str) -> str | None:
    """What the registry calls the platform that the interface calls `app`."""
    return next((slug for slug, kind in PLATFORMS.items() if app and kind.capabilities.sending_name == app), None)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(f"{name} 须为字符串")
    return value


def is_true(value: Any) -> bool:
    """true and "true"; the interface's own clients send both."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
