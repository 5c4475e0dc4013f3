"""Doing something to an incident, or to many: each answers with what came of it and the incident as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires, safe_next
from blueprints.incident_actions import PLAIN_VERBS, said, take
from blueprints.incident_forms import CloseForm, CommentForm, ReasonForm, SnoozeForm, escalate_form, people_form
from blueprints.incidents import bp
from blueprints.incidents.views import shown
from blueprints.live import is_fragment
from blueprints.row_numbers import row_id
from errors import NotFound
from extensions import db
from services import incidents
from services.clock import utcnow
from services.incidents import Outcome
from services.wording import say, say_error

VIA = "console"
MOST_AT_ONCE = 100
BATCH_VERBS: dict[str, Callable[..., Outcome]] = {"acknowledge": incidents.acknowledge, "close": incidents.close}


@dataclass(frozen=True)
class Result:
    """What became of one of many."""

    num: int
    changed: bool
    text: str
    url: str = ""
    title: str = ""


def act(num: int, verb: Callable[..., Outcome], **arguments: Any) -> ResponseReturnValue:
    """Do one thing to one incident and show it again. To be overtaken by somebody is information, not an error."""
    found, outcome = take(num, verb, via=VIA, **arguments)
    kind = "ok" if outcome.changed else "info"
    if is_fragment():
        return render_template("incidents/_answer.html", said=said(found, outcome), kind=kind, **shown(found))
    flash(said(found, outcome), kind)
    return redirect(url_for(".detail", num=num), code=303)


def refused(num: int, **forms: Any) -> ResponseReturnValue:
    """The page again with what was typed and what is wrong with it."""
    found = incidents.get(num, viewer=current_member())
    template = "incidents/_detail.html" if is_fragment() else "incidents/detail.html"
    return render_template(template, **shown(found, **forms)), 422


@bp.post("/<int:num>/<any(acknowledge, unacknowledge, wake, refresh):verb>")
@requires("incident.handle")
def do(num: int, verb: str) -> ResponseReturnValue:
    return act(num, PLAIN_VERBS[verb])


@bp.post("/<int:num>/close")
@requires("incident.handle")
def close(num: int) -> ResponseReturnValue:
    form = CloseForm()
    if not form.validate():
        return refused(num, close_form=form)
    return act(num, incidents.close, root_cause=form.root_cause.data or "", resolution=form.resolution.data or "")


@bp.post("/<int:num>/snooze")
@requires("incident.handle")
def snooze(num: int) -> ResponseReturnValue:
    form = SnoozeForm()
    if not form.validate():
        return refused(num, snooze_form=form)
    return act(num, incidents.snooze, minutes=form.minutes.data)


@bp.post("/<int:num>/reopen")
@requires("incident.handle")
def reopen(num: int) -> ResponseReturnValue:
    form = ReasonForm()
    if not form.validate():
        return refused(num, reason_form=form)
    return act(num, incidents.reopen, reason=form.reason.data)


@bp.post("/<int:num>/comment")
@requires("incident.handle")
def comment(num: int) -> ResponseReturnValue:
    form = CommentForm()
    if not form.validate():
        return refused(num, comment_form=form)
    return act(num, incidents.comment, text=form.text.data)


@bp.post("/<int:num>/escalate")
@requires("incident.handle")
def escalate(num: int) -> ResponseReturnValue:
    form = escalate_form(incidents.get(num, viewer=current_member()), submitted=True)
    if not form.validate():
        return refused(num, escalate_form=form)
    return act(num, incidents.escalate, level=form.chosen_level())


@bp.post("/<int:num>/reassign")
@requires("incident.handle")
def reassign(num: int) -> ResponseReturnValue:
    form = people_form(incidents.get(num, viewer=current_member()), new_only=False, submitted=True)
    if not form.validate():
        return refused(num, reassign_form=form)
    return act(num, incidents.reassign, user_ids=form.people.data)


@bp.post("/<int:num>/add")
@requires("incident.handle")
def add_responders(num: int) -> ResponseReturnValue:
    form = people_form(incidents.get(num, viewer=current_member()), new_only=True, submitted=True)
    if not form.validate():
        return refused(num, add_form=form)
    return act(num, incidents.add_responders, user_ids=form.people.data)


@bp.post("/batch")
@requires("incident.handle")
def batch() -> ResponseReturnValue:
    """Acknowledge or close up to 100 incidents; each gets its own answer."""
    nums = sorted({num for text in request.form.getlist("num") if (num := row_id(text)) is not None})
    back = safe_next(request.form.get("next")) or url_for(".index")
    verb = BATCH_VERBS.get(request.form.get("action", ""))
    if verb is None or not 1 <= len(nums) <= MOST_AT_ONCE:
        flash(_("请先勾选要处理的故障，每次最多 100 个"), "info")
        return redirect(back, code=303)
    results = [_one_of_batch(num, verb) for num in nums]
    db.session.commit()
    return render_template("incidents/batch.html", results=results, back=back)


def _one_of_batch(num: int, verb: Callable[..., Outcome]) -> Result:
    member = current_member()
    try:
        found = incidents.get(num, viewer=member)
    except NotFound as error:
        return Result(num, False, say_error(error)[0])
    outcome = verb(found, by=member, via=VIA, now=utcnow())
    return Result(num, outcome.changed, say(outcome.text), url_for(".detail", num=num), found.title)
