"""QR codes for addresses that a phone has to open."""

from __future__ import annotations

from functools import lru_cache

import segno
from markupsafe import Markup


@lru_cache(maxsize=128)
def qr_code(address: str) -> Markup:
    """An inline SVG without styles of its own, black on white so that every phone reads it in dark mode too.

    Drawn once for an address: it takes milliseconds.
    """
    drawn = segno.make(address, error="m").svg_inline(scale=4, border=4, light="#fff", omitsize=True)
    return Markup(drawn)  # noqa: S704  (made by segno from modules, not from text)
