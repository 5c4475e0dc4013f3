"""Turning pages by key: an address carries where to go on, never how many to skip."""

from __future__ import annotations

from flask import request, url_for


def page_url(cursor: str | None, name: str = "before") -> str:
    """The present address going on at `cursor`, with the filters kept; "" without one."""
    if cursor is None or request.endpoint is None:
        return ""
    kept: dict[str, object] = {
        key: values for key, values in request.args.to_dict(flat=False).items() if key not in {"before", "after"}
    }
    return url_for(request.endpoint, **(kept | (request.view_args or {}) | {name: cursor}))  # type: ignore[arg-type]


def is_first_page() -> bool:
    return not (request.args.get("before") or request.args.get("after"))
