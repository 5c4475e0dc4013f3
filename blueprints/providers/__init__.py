"""This installation as a provider: what the platform calls, where companies install, the settings."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from blueprints.access import View
from platforms import PROVIDERS

SLUGS = {kind.address: slug for slug, kind in PROVIDERS.items()}
"""The platform behind a provider's part of an address: {"wecom-suite": "wecom"}."""

callbacks = Blueprint("provider_callbacks", __name__, url_prefix="/callback")
entry = Blueprint("provider_entry", __name__)
settings = Blueprint("providers", __name__, url_prefix="/instance/providers")


def at_each(blueprint: Blueprint, rule: str, *methods: str) -> Callable[[View], View]:
    """Put a view at an address of every provider. rule: "/install/{}"; the view is told `address`."""

    def decorate(view: View) -> View:
        for address in SLUGS:
            at = rule.format(address)
            blueprint.add_url_rule(at, view.__name__, view, defaults={"address": address}, methods=methods)
        return view

    return decorate


from blueprints.providers import calls, doors, pages  # noqa: E402, F401  (they register their views)
