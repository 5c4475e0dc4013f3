"""已绑定的用户 of a connection, with 移除; and the accounts that were made and not used yet."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.contact_sync import bp
from blueprints.contact_sync.configuring import listing
from blueprints.contact_sync.running import _id
from blueprints.paging import is_first_page, page_url
from extensions import db
from platforms import PLATFORMS
from services import generated_accounts, linking
from services.clock import utcnow


@bp.get("/<int:integration_id>/bound")
@requires("member.edit")
def bound(integration_id: int) -> ResponseReturnValue:
    integration = listing(integration_id)
    text = request.args.get("q", "")
    links, after = linking.page(integration, text=text, after=_id(request.args.get("after", "")))
    return render_template(
        "contact_sync/bound.html",
        integration=integration,
        platform=PLATFORMS[integration.platform],
        links=links,
        departments=linking.departments_of(integration, links),
        text=text,
        older_url=page_url(str(after) if after else None, "after"),
        first_url="" if is_first_page() else url_for(".bound", integration_id=integration.id, q=text or None),
    )


@bp.post("/<int:integration_id>/bound/<int:user_id>/remove")
@requires("member.edit")
def remove(integration_id: int, user_id: int) -> ResponseReturnValue:
    """移除: only the link goes; account and membership stay, and the next comparison shows both again."""
    integration = listing(integration_id)
    link = linking.find_for_user(integration, user_id)
    if link is not None:
        linking.unlink(link, by=current_member())
        db.session.commit()
        flash(_("已取消 %(name)s 的绑定，账号与成员身份保留", name=link.user.name), "ok")
    return redirect(url_for(".bound", integration_id=integration.id), code=303)


@bp.get("/not-signed-in")
@requires("member.edit")
def not_signed_in() -> ResponseReturnValue:
    """Whose accounts were made by a synchronisation and have not been used yet."""
    waiting, after = generated_accounts.not_signed_in(current_member(), after=_id(request.args.get("after", "")))
    return render_template(
        "contact_sync/not_signed_in.html",
        waiting=waiting,
        now=utcnow(),
        older_url=page_url(str(after) if after else None, "after"),
        first_url="" if is_first_page() else url_for(".not_signed_in"),
    )
