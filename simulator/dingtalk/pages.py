"""Pages at their real addresses: the browser's sign-in (login.dingtalk.com), deep links into the console.

https://open.dingtalk.com/document/development/obtain-identity-credentials
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for

from simulator.base import Page
from simulator.dingtalk import login
from simulator.dingtalk.context import current_dingtalk

SIGN_IN_PATH = "/oauth2/auth"

bp = Blueprint("dingtalk_pages", __name__)


@bp.get(SIGN_IN_PATH)
def sign_in() -> Page:
    world = current_dingtalk()
    try:
        with world.store.lock:
            link = login.read_link(world, request.args.to_dict())
            people = [
                (person, corp.name, person.userid if corp is link.corp else f"{corp.corp_id}/{person.userid}")
                for corp in world.state.corps.values()
                for person in corp.people.values()
            ]
    except login.BadLink as error:
        return render_template("notice.html", title="无法登录", detail=str(error)), 400
    return render_template("dingtalk/sign_in.html", link=link, people=people)


@bp.post(SIGN_IN_PATH)
def confirm() -> Page:
    """Send the browser back with the code under both names; with an error when the person refused."""
    world = current_dingtalk()
    try:
        with world.store.lock:
            link = login.read_link(world, request.args.to_dict())
            if request.form.get("answer") == "refuse":
                return redirect(login.with_answer(link.redirect_uri, {"error": "access_denied", "state": link.state}))
            return redirect(login.grant(world, link, request.form.get("userid", "")))
    except login.BadLink as error:
        return render_template("notice.html", title="无法登录", detail=str(error)), 400


@bp.get("/fe/app")
@bp.get("/fe/card")
def console() -> Page:
    """The apps or the templates of the company, if there is but one."""
    world = current_dingtalk()
    with world.store.lock:
        corps = list(world.state.corps)
    if len(corps) == 1:
        page = "cards" if request.path == "/fe/card" else "apps"
        return redirect(url_for(f"dingtalk_console.{page}", corp_id=corps[0]))
    return redirect(url_for("dingtalk_console.corps"))
