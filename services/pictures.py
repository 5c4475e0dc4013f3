"""The alert's pictures on cards: shown by their address, or uploaded to the platform first where it wants that.

A card never waits for one. It goes out without, the worker fetches and uploads what is missing, and the incident's
cards are updated. What an upload gave is kept beside the picture, by connection: {"src", "alt", "href", "keys"}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from models import Integration
from platforms import PLATFORMS
from platforms.base import Picture
from platforms.cards import PICTURES
from services import outbox

UPLOAD = "upload_pictures"
"""Kind of the row that has an incident's pictures uploaded."""
UNUSABLE = ""
"""Kept as the key of one that cannot be shown there, so that it is not tried again."""

Image = Mapping[str, Any]


def shown(images: Sequence[Image], integration: Integration) -> tuple[Picture, ...]:
    """The pictures of a card there, as far as they can be shown now."""
    how = PLATFORMS[integration.platform].capabilities.pictures
    if not images or not how:
        return ()
    found = (Picture(each["src"], each.get("alt", ""), _key(each, integration) or "") for each in images[:PICTURES])
    return tuple(each for each in found if each.key or how == "address")


def are_missing(images: Sequence[Image], integration: Integration) -> bool:
    """Whether some have to be uploaded there."""
    return bool(images) and bool(missing(images, integration))


def missing(images: Sequence[Image], integration: Integration) -> list[str]:
    """The addresses of those that were not tried there yet."""
    if PLATFORMS[integration.platform].capabilities.pictures != "uploaded":
        return []
    return [each["src"] for each in images[:PICTURES] if _key(each, integration) is None]


def with_keys(images: Sequence[Image], integration: Integration, keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """The images with what uploading gave; keys: by address, UNUSABLE for one that could not be."""
    own = str(integration.id)
    return [
        {**each, "keys": {**each.get("keys", {}), own: keys[each["src"]]}} if each["src"] in keys else dict(each)
        for each in images
    ]


def ask(incident_id: int, integration: Integration, *, now: datetime) -> None:
    """Stage that the worker uploads an incident's pictures, once."""
    outbox.enqueue(
        UPLOAD,
        tenant_id=integration.tenant_id,
        subject_id=incident_id,
        due_at=now,
        now=now,
        payload={"integration_id": integration.id},
        queue=outbox.PICTURES,
        unique_key=f"{UPLOAD}:{incident_id}:{integration.id}",
    )


def _key(image: Image, integration: Integration) -> str | None:
    key = image.get("keys", {}).get(str(integration.id))
    return None if key is None else str(key)
