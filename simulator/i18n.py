"""Two languages for the simulator's own pages: Chinese is written in the templates, English is looked up here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

COOKIE = "simulator_lang"
LANGUAGES = {"zh", "en"}

bp = Blueprint("language", __name__)


@cache
def english() -> dict[str, str]:
    """The simulator's own texts, and each platform's from its folder."""
    folder = Path(__file__).parent
    catalogue: dict[str, str] = {}
    for path in [folder / "english.json", *sorted(folder.glob("*/english.json"))]:
        catalogue |= json.loads(path.read_text(encoding="utf-8"))
    return catalogue


def language() -> str:
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else "zh"


def t(text: str, **values: object) -> str:
    """The text in the reader's language, with %(name)s filled in."""
    if language() == "en":
        text = english().get(text, text)
    return text % values if values else text


@bp.get("/lang/<code>")
def choose(code: str) -> Response | BaseResponse:
    """Remember the language and go back to the page."""
    target = request.args.get("next", "/")
    response = redirect(target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/")
    if code in LANGUAGES:
        response.set_cookie(COOKIE, code, max_age=365 * 86400, httponly=True, samesite="Lax")
    return response
