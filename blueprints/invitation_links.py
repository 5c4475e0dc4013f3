"""The address that lets an invited person in."""

from __future__ import annotations

from flask import url_for

from services.instance import current_settings


def invitation_link(token: str) -> str:
    """To be shown once, to whoever made the invitation."""
    return current_settings().public_url + url_for("joining.invitation", token=token)
