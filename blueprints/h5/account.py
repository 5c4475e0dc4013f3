"""The menu at the top right: who I am, switching the account, ending the link, how I want to be told."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, sign_out
from blueprints.h5 import bp
from blueprints.h5.visit import current_link, visit
from extensions import db
from services import deliveries, linking, trial_cards
from services.clock import utcnow


@bp.get("/account")
def account() -> ResponseReturnValue:
    return render_template("h5/account.html", visit=visit(), link=current_link(), member=current_member())


@bp.get("/account/switch")
def switch_account() -> ResponseReturnValue:
    """Say who is linked now and what switching means, and ask."""
    return render_template("h5/switch.html", visit=visit(), link=current_link(), member=current_member())


@bp.post("/account/unlink")
def unlink() -> ResponseReturnValue:
    """End the link of this session and sign out; the platform's sign-in then leads to the binding page."""
    link = current_link()
    if link is not None:
        linking.unlink(link)
    sign_out()
    db.session.commit()
    flash(_("已取消关联，原账号不再收到本应用的消息"), "success")
    return redirect(url_for("h5.home"), code=303)


@bp.post("/account/test-message")
def test_message() -> ResponseReturnValue:
    """Send myself a test card, to see that messages arrive."""
    member = current_member()
    trial_cards.send(visit().integration, user_ids=[member.user_id], by=member, now=utcnow())
    db.session.commit()
    flash(_("测试卡片已发出，几秒内会到达"), "success")
    return redirect(url_for("h5.account"), code=303)


@bp.post("/resend-missed")
def resend_missed() -> ResponseReturnValue:
    """Send again what failed for want of a link and is still about something open."""
    member = current_member()
    sent = deliveries.resend_after_link(member.user, visit().integration, now=utcnow())
    db.session.commit()
    flash(_("已重新发送 %(count)s 条通知", count=len(sent)), "success")
    return redirect(url_for("h5.incident_list"), code=303)
