"""Numbers of rows in addresses and forms: no larger than a column takes, so that a longer one is a 404 and no error."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

from whole_numbers import LARGEST, whole


class RowNumber(IntegerConverter):
    """`<int:…>` in a route."""

    def __init__(self, map: Map, max: int = LARGEST) -> None:
        super().__init__(map, max=max)


def row_id(text: str) -> int | None:
    """A row's number or version; None for anything that can be none."""
    return whole(text, LARGEST)


def register(app: Flask) -> None:
    """Call it before the first route is added."""
    app.url_map.converters["int"] = RowNumber
