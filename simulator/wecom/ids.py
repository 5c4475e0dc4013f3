"""How ids look to a provider: encrypted, the same for all its applications, others for every provider.

https://developer.work.weixin.qq.com/document/path/95604
"""

from __future__ import annotations

import base64
import hashlib

from simulator.wecom.state import Suite


def own_corp_id(suite: Suite, corp_id: str) -> str:
    """A company as all applications of this provider see it."""
    return "wp" + _cipher(suite, corp_id)


def own_userid(suite: Suite, corp_id: str, userid: str) -> str:
    """A member as all applications of this provider see them; the case matters."""
    return "wo" + _cipher(suite, f"{corp_id}/{userid.lower()}")


def _cipher(suite: Suite, text: str) -> str:
    digest = hashlib.sha256(f"{suite.provider_corp_id}:{text}".encode()).digest()
    return base64.urlsafe_b64encode(digest)[:30].decode()
