"""What the API shows of deliveries."""

from __future__ import annotations

from typing import Any

from blueprints.api.moments import iso
from blueprints.api.schemas import component, maybe, moment, one_of, record, whole, words
from models import Delivery, DeliveryState
from services import failures
from services.wording import say

DELIVERY = component(
    "Delivery",
    record(
        {
            "id": whole(),
            "source": words(about="incident | resend | test | api | notice | storm"),
            "incident": maybe(whole(about="The incident's number")),
            "channel_kind": words(),
            "integration": maybe(words()),
            "user_id": maybe(whole()),
            "group_id": maybe(whole()),
            "recipient": words(),
            "state": one_of(DeliveryState),
            "failure_code": maybe(words()),
            "failure": maybe(words(about="Why, in the reader's language")),
            "hint": maybe(words(about="What to do about it")),
            "platform_message_id": maybe(words()),
            "created_at": moment(),
            "sent_at": maybe(moment()),
            "next_attempt_at": maybe(moment()),
        }
    ),
)


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    reason, hint = failures.label(delivery), failures.hint(delivery)
    return {
        "id": delivery.id,
        "source": delivery.source,
        "incident": delivery.incident.num if delivery.incident else None,
        "channel_kind": delivery.channel_kind,
        "integration": delivery.integration_name or None,
        "user_id": delivery.user_id,
        "group_id": delivery.group_chat_id,
        "recipient": delivery.recipient_name,
        "state": delivery.state.value,
        "failure_code": delivery.failure_code,
        "failure": say(reason) if reason else None,
        "hint": (say(hint) or None) if hint else None,
        "platform_message_id": delivery.platform_message_id,
        "created_at": iso(delivery.created_at),
        "sent_at": iso(delivery.sent_at),
        "next_attempt_at": iso(delivery.next_attempt_at),
    }
