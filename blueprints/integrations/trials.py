"""Sending a test card: to whom, of however many people and groups there are, and off it goes."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from blueprints.access import current_member, requires
from blueprints.integrations import bp
from blueprints.integrations.back import back_to
from blueprints.integrations.forms import TestCardForm
from blueprints.row_numbers import row_id
from extensions import db
from models import Integration, LinkState
from services import groups, linking, setup, trial_cards
from services.clock import utcnow

OFFERED = 50
"""People, and groups, to choose from at once; the others are found by name."""
FIND_CHARACTERS = 60


def trial_choice(integration: Integration, *, find: str = "") -> dict[str, Any]:
    """What the choice shows: `test_form`, and `test_finds` what was looked for, None where all are offered anyway."""
    form = TestCardForm(formdata=None)
    links = linking.active_links(integration, find=find, at_most=OFFERED + 1)
    offer = groups.offered(integration, find=find, at_most=OFFERED)
    people = [(f"user-{link.user_id}", link.user.name) for link in links[:OFFERED]]
    chats = [(f"group-{chat.id}", groups.shown_name(chat)) for chat in offer.chats]
    form.recipient.choices = {_("成员"): people, _("群聊"): chats} if people and chats else people or chats
    has_more = len(links) > OFFERED or offer.found > OFFERED
    return {"test_form": form, "test_finds": find if find or has_more else None}


@bp.get("/<int:integration_id>/test-card")
@requires("integration.edit")
def choose_test_card(integration_id: int) -> ResponseReturnValue:
    """The people and groups with what was looked for in their names."""
    integration = setup.get(integration_id, viewer=current_member())
    find = " ".join(request.args.get("find", "").split())[:FIND_CHARACTERS]
    return render_template("integrations/_test_card_choice.html", **trial_choice(integration, find=find))


@bp.post("/<int:integration_id>/test-card")
@requires("integration.edit")
def send_test_card(integration_id: int) -> ResponseReturnValue:
    """Send a test card to a linked member or to a group."""
    member = current_member()
    integration = setup.get(integration_id, viewer=member)
    people, chats = _chosen(integration, request.form.get("recipient", ""))
    if not people and not chats:
        flash(_("请选择接收人"), "error")
        return back_to(integration)
    trial_cards.send(integration, user_ids=people, group_ids=chats, by=member, now=utcnow())
    db.session.commit()
    flash(_("测试卡片已发出，请在客户端查看并点击按钮"), "ok")
    return back_to(integration)


def _chosen(integration: Integration, recipient: str) -> tuple[list[int], list[int]]:
    """The linked person or the group that was chosen; neither for anything else than is offered."""
    kind, _dash, typed = recipient.partition("-")
    number = row_id(typed)
    if number is None:
        return [], []
    if kind == "user":
        link = linking.find_for_user(integration, number)
        return ([link.user_id], []) if link is not None and link.state is LinkState.ACTIVE else ([], [])
    chats = groups.known(integration.tenant_id, [number] if kind == "group" else [])
    return [], [chat.id for chat in chats if chat.integration_id == integration.id and chat.is_active]
