"""How setup data is drawn: rows for the list of steps, checks in words, sketches of the vendor's screens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from models import CheckState, Integration, IntegrationCheck
from platforms.errors import recall
from platforms.setup import Drawing, SetupCheck, SetupMode
from services.setup import StepProgress
from services.wording import say, say_error
from texts import Text


@dataclass(frozen=True)
class ShownCheck:
    """A check as a reader sees it. fix_url leads to the step that mends a failure."""

    name: str
    label: str
    state: str
    detail: str
    hint: str
    code: str
    raw: str
    since: datetime | None
    fix_url: str
    fix_label: str
    can_try: bool


def step_rows(steps: list[StepProgress], integration: Integration, current: str) -> list[dict[str, Any]]:
    """Rows of components/wizard.html. An open step without a verdict of its own is the current one."""
    return [
        {
            "number": item.number,
            "title": _(item.step.title),
            "url": url_for("integrations.step", integration_id=integration.id, key=item.step.key),
            "state": "current" if item.step.key == current and item.state in {"todo", "done"} else item.state,
            "asks": bool(item.step.fields),
        }
        for item in steps
    ]


def shown_checks(item: StepProgress, integration: Integration, mode: SetupMode) -> list[ShownCheck]:
    return [shown_check(check, known, integration, mode) for check, known in item.checks]


def failure(memo: dict[str, Any]) -> tuple[str, str, str, str]:
    """Sentence, hint, code and raw answer of a failure: a platform's error, or what we noticed ourselves."""
    if "platform_code" not in memo:
        params = memo.get("params") or {}
        sentence, hint = (say(Text(str(memo[name]), **params)) for name in ("message", "hint"))
        return sentence, hint, memo["code"], ""
    error = recall(memo)
    sentence, hint = say_error(error)
    return sentence, hint, error.platform_code or error.code, error.raw


def shown_check(
    check: SetupCheck, known: IntegrationCheck | None, integration: Integration, mode: SetupMode
) -> ShownCheck:
    state = known.state if known else CheckState.WAITING
    detail, hint, code, raw = _(check.waits_for), "", "", ""
    if known is not None and state is CheckState.FAILED:
        detail, hint, code, raw = failure(known.detail)
    elif known is not None and state is CheckState.PASSED:
        detail = found(known)
    mend = mode.step(check.mend_step)
    return ShownCheck(
        name=check.name,
        label=_(check.label),
        state=state.value,
        detail=detail,
        hint=hint,
        code=code,
        raw=raw,
        since=(known.at or known.since) if known else None,
        fix_url=url_for("integrations.step", integration_id=integration.id, key=mend.key)
        if state is CheckState.FAILED
        else "",
        fix_label=_("去「%(step)s」", step=_(mend.title)),
        can_try=check.active,
    )


def found(known: IntegrationCheck) -> str:
    """What was seen, as far as it is worth a line."""
    facts = known.detail
    if facts.get("app_name"):
        return _("应用「%(name)s」", name=facts["app_name"])
    if facts.get("whole_company"):
        return _("全员可见")
    if "departments" in facts:
        return _(
            "%(departments)s 个部门、%(people)s 位成员可见", departments=facts["departments"], people=facts["people"]
        )
    if facts.get("recommended"):
        return _("建议再开通：%(scopes)s", scopes=facts["recommended"])
    if "groups" in facts:
        return _("%(groups)s 个群", groups=facts["groups"])
    shown = ("company", "domain", "endpoint", "person", "group", "redirect_url")
    return next((str(facts[name]) for name in shown if facts.get(name)), "")


def sketch(drawing: Drawing | None, where: tuple[str, ...]) -> dict[str, Any] | None:
    """Arguments of the drawing macro in components/wizard.html."""
    if drawing is None:
        return None
    return {
        "title": _(drawing.title),
        "path": [_(word) for word in where],
        "menu": [_(word) for word in drawing.menu],
        "menu_active": _(drawing.active_menu),
        "fields": [
            {
                "label": _(field.label) if field.label else "",
                "value": _(field.value) if field.value else "",
                "kind": "text" if field.value or not field.button else "none",
                "button": _(field.button) if field.button else "",
                "highlight": field.highlighted,
            }
            for field in drawing.fields
        ],
    }
