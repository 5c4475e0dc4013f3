"""Small shapes that several areas share: confirming, versions, what is left of a deleted thing."""

from __future__ import annotations

from blueprints.api.schemas import component, flag, record, whole, words

CONFIRMED = record({"confirm_name": words(200, about="The thing's name, typed in full")})
VERSION = {"version": whole(1, 2**31 - 1, about="The version that was read; another one is a Conflict")}
DELETED = component("Deleted", record({"deleted": flag()}))
