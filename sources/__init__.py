"""Monitoring systems: one pure module a kind, from a pushed body to events. This is the registry."""

from __future__ import annotations

from sources.base import IncomingEvent, Push, Refused, Rejection, Source
from sources.json_body import read_json
from sources.prometheus import PrometheusSource
from sources.standard import StandardSource

SOURCES: dict[str, type[Source]] = {"standard": StandardSource, "prometheus": PrometheusSource}

__all__ = ["SOURCES", "IncomingEvent", "Push", "Refused", "Rejection", "Source", "read_json"]
