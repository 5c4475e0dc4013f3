"""A synchronisation's own page: how far it has come, what it came to, and the initial passwords, once."""

from __future__ import annotations

import base64

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints import live
from blueprints.access import current_member, requires
from blueprints.contact_sync import bp
from blueprints.contact_sync.comparing import comparison_page
from blueprints.paging import is_first_page, page_url
from extensions import db
from models import ContactSync, ContactSyncState, Integration
from platforms import PLATFORMS
from platforms.errors import PlatformError, recall
from services import contact_syncs, generated_accounts
from services.clock import utcnow
from services.wording import say, say_error
from texts import N_
from whole_numbers import LARGEST_BIG, whole

BUSY = (ContactSyncState.READING, ContactSyncState.APPLYING)
SHOWN_PASSWORDS = 500
TOTALS = {
    "created": N_("新建"),
    "updated": N_("更新"),
    "review": N_("提交审核"),
    "skipped": N_("跳过"),
    "failed": N_("失败"),
}


@bp.get("/syncs/<int:sync_id>")
@requires("member.edit")
def sync(sync_id: int) -> ResponseReturnValue:
    found = contact_syncs.get(sync_id, viewer=current_member())
    if found.state is ContactSyncState.COMPARING:
        return comparison_page(found)
    if found.state in BUSY:
        return render_template("contact_sync/running.html", **_about(found))
    return render_template("contact_sync/report.html", **_about(found), **_report(found))


@bp.get("/syncs/<int:sync_id>/progress")
@requires("member.edit")
def progress(sync_id: int) -> ResponseReturnValue:
    """The bar alone, asked for until there is something else to see."""
    found = contact_syncs.get(sync_id, viewer=current_member())
    if found.state not in BUSY:
        return "", 204, {"HX-Redirect": url_for(".sync", sync_id=sync_id)}
    etag = live.tag(found.state, found.step, found.steps)
    if live.unchanged(etag):
        return live.not_modified(etag)
    return render_template("contact_sync/_progress.html", **_about(found))


@bp.get("/syncs/<int:sync_id>/report.csv")
@requires("member.edit")
def report(sync_id: int) -> ResponseReturnValue:
    found = contact_syncs.get(sync_id, viewer=current_member())
    rows, after = [], 0
    while True:
        people, after = contact_syncs.lines(found, after=after, limit=1000)
        rows += [(one.name, one.shown_id, one.outcome or "", say(contact_syncs.line(one))) for one in people]
        db.session.expunge_all()
        if not after:
            break
    content = generated_accounts.as_csv([_("姓名"), _("平台账号"), _("结果"), _("说明")], rows)
    disposition = f'attachment; filename="contact-sync-{sync_id}.csv"'
    return Response(content, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition})


@bp.post("/syncs/<int:sync_id>/passwords")
@requires("member.edit")
def passwords(sync_id: int) -> ResponseReturnValue:
    """Random initial passwords on the answer itself, with their file; they are kept nowhere afterwards."""
    found = contact_syncs.get(sync_id, viewer=current_member())
    rows = generated_accounts.hand_out(found.id, by=current_member(), now=utcnow())
    db.session.commit()
    if not rows:
        return redirect(url_for(".sync", sync_id=sync_id), code=303)
    content = generated_accounts.as_csv([_("姓名"), _("用户名"), _("初始密码")], rows)
    return render_template(
        "contact_sync/passwords.html",
        rows=rows[:SHOWN_PASSWORDS],
        count=len(rows),
        file=base64.b64encode(content).decode(),
        **_about(found),
    )


def _about(found: ContactSync) -> dict[str, object]:
    integration = db.session.get_one(Integration, found.integration_id)
    etag = live.tag(found.state, found.step, found.steps)
    return {"sync": found, "integration": integration, "platform": PLATFORMS[integration.platform], "etag": etag}


def _report(found: ContactSync) -> dict[str, object]:
    only = request.args.get("only", "")
    typed = request.args.get("after", "")
    people, after = contact_syncs.lines(found, only=only if only in TOTALS else "", after=_id(typed))
    error = recall(found.error) if found.error else None
    return {
        "lines": [(one, say(contact_syncs.line(one))) for one in people],
        "only": only,
        "totals": TOTALS,
        "error": _said(found, error) if error else None,
        "has_passwords": generated_accounts.has_passwords(found),
        "older_url": page_url(str(after) if after else None, "after"),
        "first_url": "" if is_first_page() else url_for(".sync", sync_id=found.id, only=only or None),
    }


def _said(found: ContactSync, error: PlatformError) -> tuple[str, str, str]:
    """Message, hint and what the platform itself said."""
    message, hint = say_error(error)
    return message, hint, error.platform_code or ""


def _id(typed: str) -> int:
    return whole(typed, LARGEST_BIG) or 0
