"""The setup checks that can be tried by a call, each by really doing the thing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from platforms import checks
from platforms.dingtalk.client import Client
from platforms.dingtalk.errors import CardExists, IpNotAllowed, RobotMissing
from platforms.errors import ContentRefused, CredentialInvalid, GroupGone
from platforms.setup import CheckResult

NO_CHAT = "cidDutybellCheck0000000000=="
NO_MESSAGE = "DutybellCheck+00/="
"""Made up, so that DingTalk looks at our permission and then finds nothing."""
NEEDS_SCOPES = ("qyapi_chat_manage", "qyapi_robot_sendmsg")
OWNERS: checks.Owners = ((IpNotAllowed, ("egress_ip",)), (CredentialInvalid, ("credentials",)))


def run(client: Client, name: str) -> CheckResult:
    """Try the check called `name`; a failure is explained, not raised."""
    return checks.run(client, name, CHECKS, OWNERS)


def _credentials(client: Client) -> dict[str, Any]:
    """A token is really fetched, and CorpId is the company of ClientID."""
    client.renew_token()
    client.prove_corp()
    return {}


def _egress_ip(client: Client) -> dict[str, Any]:
    """A real call is accepted; tokens are given to any address. The refusal tells the one that DingTalk saw."""
    client.get_scopes()
    return {}


def _permissions(client: Client) -> dict[str, Any]:
    """Both permission points are there: DingTalk looks for what we name instead of refusing to.

    Only what comes behind its look at permissions is proof; every other refusal is told.
    """
    for asks in (lambda: client.get_group(NO_CHAT, {}), lambda: client.read_status(NO_MESSAGE)):
        with suppress(ContentRefused, GroupGone, RobotMissing):  # no such group, message, or published robot
            asks()
    return {"scopes": ", ".join(NEEDS_SCOPES)}


def _card(client: Client) -> dict[str, Any]:
    """Our card address is registered, and a card can be made from the template; nobody sees that one."""
    client.settings.need("card_template_id")
    key = client.route(anew=True)
    template_id = client.settings.card_template_id
    digest = hashlib.sha256(f"{key}\n{template_id}".encode()).hexdigest()
    made = {"cardTemplateId": template_id, "outTrackId": f"check-{digest[:32]}", "callbackType": "HTTP"}
    with suppress(CardExists):  # made by an earlier check, from the same template
        client.create_card(made | {"callbackRouteKey": key, "cardData": {"cardParamMap": {"title": "-"}}})
    return {"route": key}


CHECKS: dict[str, Callable[[Client], dict[str, Any]]] = {
    "credentials": _credentials,
    "egress_ip": _egress_ip,
    "permissions": _permissions,
    "card": _card,
}
