"""The menu at the top right: who I am, switching the account, ending the link, how I want to be told."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from blueprints.access import LINK_KEY, current_member, current_member_or_none, safe_next, sign_out
from blueprints.h5 import bp
from blueprints.h5.visit import current_link, visit
from blueprints.navigation import Link
from extensions import db
from models import LinkState
from services import deliveries, linking, trial_cards
from services.clock import utcnow


@bp.context_processor
def where() -> dict[str, Any]:
    """Every page here may name the platform; an address without one has no pages."""
    return {"visit": g.visit} if "visit" in g else {}


@bp.context_processor
def menu() -> dict[str, Any]:
    """The menu at the top right leads to the pages here. Whoever came in silently switches, and does not sign out."""
    if not current_user.is_authenticated:
        return {}
    links = [
        Link(_("切换账户"), url_for("h5.switch_account"), "switch-horizontal"),
        Link(_("切换组织"), url_for("h5.organisations"), "building"),
    ]
    if current_member_or_none() is not None:
        links.insert(0, Link(_("我的账户"), url_for("h5.account"), "user-circle"))
        links.append(Link(_("通知偏好"), url_for("me.preferences"), "bell"))
    return {"account_links": links, "h5_silent": LINK_KEY in session, "is_linked": is_linked}


def is_linked() -> bool:
    """Whether messages reach the person through this application, however they came in."""
    link = linking.find_for_user(visit().integration, current_user.id)
    return link is not None and link.state is not LinkState.BROKEN


@bp.get("/account")
def account() -> ResponseReturnValue:
    return render_template("h5/account.html", link=current_link(), member=current_member())


@bp.get("/account/switch")
def switch_account() -> ResponseReturnValue:
    """Say who is linked now and what switching means, and ask."""
    return render_template("h5/switch.html", link=current_link())


@bp.post("/account/unlink")
def unlink() -> ResponseReturnValue:
    """End the link of this session and sign out; the platform's sign-in then leads to the binding page."""
    link = current_link()
    if link is not None:
        linking.unlink(link)
    sign_out()
    db.session.commit()
    flash(_("已取消关联，原账号不再收到本应用的消息") if link else _("您已退出登录"), "ok")
    return redirect(url_for("h5.home"), code=303)


@bp.post("/account/test-message")
def test_message() -> ResponseReturnValue:
    """Send myself a test card, to see that messages arrive."""
    member = current_member()
    trial_cards.send(visit().integration, user_ids=[member.user_id], by=member, now=utcnow())
    db.session.commit()
    flash(_("测试卡片已发出，几秒内会到达"), "ok")
    return redirect(url_for("h5.account"), code=303)


@bp.post("/resend-missed")
def resend_missed() -> ResponseReturnValue:
    """Send again what failed for want of a link and is still about something open."""
    member = current_member()
    sent = deliveries.resend_after_link(member, visit().integration, now=utcnow())
    db.session.commit()
    flash(_("已重新发送 %(count)s 条通知", count=len(sent)), "ok")
    return redirect(safe_next(request.form.get("next")) or url_for("h5.incident_list"), code=303)
