"""What a provider is told about licences: system events (系统事件), as the inner XML of a command.

https://developer.work.weixin.qq.com/document/path/97196 (bought), path/97198 (activated by itself)
"""

from __future__ import annotations

from simulator.wecom.licence_book import Code, Order
from simulator.wecom.xml import element

OPENED, MESSAGE = 1, 2
"""Scenes of automatic activation: the member opened the application, a message was sent."""


def paid(order: Order) -> str:
    return _event("license_pay_success", element("OrderId", order.id), element("BuyerUserId", order.buyer))


def activated(code: Code, seen_userid: str, *, scene: int, status_before: int) -> str:
    """A licence was given to a member without the provider's doing. seen_userid: as the provider names the member."""
    account = (
        element("ActiveCode", code.code),
        element("Type", code.type),
        element("ExpireTime", int(code.expire_time)),
        element("UserId", seen_userid),
        element("PreviousStatus", status_before),
    )
    return _event("auto_activate", element("Scene", scene), f"<AccountList>{''.join(account)}</AccountList>")


def _event(kind: str, *parts: str) -> str:
    """Whoever delivers it adds ServiceCorpId, AuthCorpId and TimeStamp."""
    return element("InfoType", kind) + "".join(parts)
