"""The token's own organisation: how it is called, speaks and counts its days."""

from __future__ import annotations

from typing import Any

from blueprints.api.operations import Call, operation
from blueprints.api.schemas import component, listed, one_of, record, whole, words
from models import Tenant
from services import tenants
from services.wording import LOCALES

WRITTEN = {
    "name": words(tenants.NAME_CHARS, shortest=1),
    "locale": one_of(LOCALES),
    "timezone": words(64, shortest=1, about="Such as Asia/Shanghai"),
    "snooze_presets": listed(
        whole(tenants.SHORTEST_SNOOZE, tenants.LONGEST_SNOOZE), least=3, most=3, about="Minutes on the snooze buttons"
    ),
}
ORGANISATION = component("Organisation", record({"id": whole(), "house_number": words()} | WRITTEN))


@operation("GET", "/organisation", "The organisation", right="organisation.edit", answers=ORGANISATION)
def get_organisation(call: Call) -> dict[str, Any]:
    return _row(call.member.tenant)


@operation(
    "PATCH",
    "/organisation",
    "Change the organisation; what is not sent stays",
    right="organisation.edit",
    body=record({}, WRITTEN),
    answers=ORGANISATION,
)
def edit_organisation(call: Call) -> dict[str, Any]:
    tenant = call.member.tenant
    kept = {name: getattr(tenant, name) for name in WRITTEN}
    tenants.configure(tenant, **(kept | call.body), by=call.member)
    return _row(tenant)


def _row(tenant: Tenant) -> dict[str, Any]:
    return {name: getattr(tenant, name) for name in ("id", "house_number", *WRITTEN)}
