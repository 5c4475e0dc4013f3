"""The admin console (管理后台): corps, 通讯录, 我的企业, 管理工具. Forms work without JavaScript."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator.i18n import t
from simulator.wecom import setup
from simulator.wecom.context import current_wecom
from simulator.wecom.state import CONTACT_SYNC, ROOT_DEPARTMENT, Corp, Person

bp = Blueprint("wecom_console", __name__, url_prefix="/wecom/console")

Page = str | BaseResponse


@bp.get("/")
def corps() -> Page:
    wecom = current_wecom()
    with wecom.store.lock:
        return render_template("wecom/corps.html", corps=list(wecom.state.corps.values()))


@bp.post("/")
def create_corp() -> Page:
    wecom = current_wecom()
    try:
        with wecom.store.lock:
            corp = setup.create_corp(wecom, request.form.get("name", ""), request.form.get("corp_id", "").strip())
            if request.form.get("with_people"):
                for userid, name in (("lin", "林芳"), ("wu", "吴伟"), ("zhou", "周敏")):
                    setup.save_person(wecom, corp, Person(userid, name))
    except setup.SetupError as error:
        flash(str(error), "error")
        return back("corps")
    flash(t("企业已创建"))
    return back("apps", corp_id=corp.corp_id)


@bp.get("/<corp_id>/")
def corp_home(corp_id: str) -> Page:
    return redirect(url_for(".apps", corp_id=find_corp(corp_id).corp_id))


@bp.get("/<corp_id>/contacts")
def contacts(corp_id: str) -> Page:
    corp = find_corp(corp_id)
    edited = corp.person(request.args.get("edit", ""))
    return render_template("wecom/contacts.html", corp=corp, edited=edited)


@bp.post("/<corp_id>/contacts")
def change_contacts(corp_id: str) -> Page:
    wecom, corp = current_wecom(), find_corp(corp_id)
    action, form = request.form.get("action", ""), request.form
    try:
        with wecom.store.lock:
            if action == "save":
                setup.save_person(wecom, corp, _person_of_form())
                flash(t("成员已保存"))
            elif action == "remove":
                setup.remove_person(wecom, corp, form.get("userid", ""))
                flash(t("成员已删除"))
            elif action == "add_department":
                parent_id = form.get("parent_id", ROOT_DEPARTMENT, type=int)
                setup.add_department(wecom, corp, form.get("name", ""), parent_id)
                flash(t("部门已添加"))
            elif action == "remove_department":
                setup.remove_department(wecom, corp, form.get("id", 0, type=int))
                flash(t("部门已删除"))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back("contacts", corp_id=corp_id)


@bp.get("/<corp_id>/profile")
def profile(corp_id: str) -> Page:
    return render_template("wecom/profile.html", corp=find_corp(corp_id))


@bp.get("/<corp_id>/tools")
def tools(corp_id: str) -> Page:
    corp = find_corp(corp_id)
    assistant = corp.apps[CONTACT_SYNC]
    return render_template(
        "wecom/tools.html",
        corp=corp,
        app=assistant,
        now=current_wecom().store.now(),
        shows_secret="secret" in request.args,
    )


@bp.post("/<corp_id>/tools")
def save_tools(corp_id: str) -> Page:
    """管理工具 → 通讯录同步: the assistant's own trusted addresses."""
    wecom, corp = current_wecom(), find_corp(corp_id)
    try:
        with wecom.store.lock:
            setup.save_trusted_ips(wecom, corp, corp.apps[CONTACT_SYNC], request.form.get("addresses", ""))
        flash(t("企业可信IP已保存"))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back("tools", corp_id=corp_id)


def find_corp(corp_id: str) -> Corp:
    """The corp of the address, or 404."""
    return current_wecom().state.corps.get(corp_id) or abort(404, "没有这个企业")


def back(page: str, **values: object) -> BaseResponse:
    """To a console page after a POST."""
    return redirect(url_for(f".{page}", **values), code=303)  # type: ignore[arg-type]


def _person_of_form() -> Person:
    form = request.form
    return Person(
        userid=form.get("userid", "").strip(),
        name=form.get("name", "").strip(),
        departments=form.getlist("departments", type=int) or [ROOT_DEPARTMENT],
        position=form.get("position", "").strip(),
        mobile=form.get("mobile", "").strip(),
        email=form.get("email", "").strip(),
    )
