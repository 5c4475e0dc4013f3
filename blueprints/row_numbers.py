"""Numbers in addresses: no larger than a database column takes, so that a longer one is a 404 and not an error."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

LARGEST = 2**31 - 1


class RowNumber(IntegerConverter):
    """`<int:…>` in a route."""

    def __init__(self, map: Map, max: int = LARGEST) -> None:
        super().__init__(map, max=max)


def register(app: Flask) -> None:
    """Call it before the first route is added."""
    app.url_map.converters["int"] = RowNumber
