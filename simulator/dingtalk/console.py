"""The developer console (开发者后台) beside the apps: companies, 通讯录, 卡片平台. Forms work without JavaScript."""

from __future__ import annotations

import json

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from simulator.dingtalk import setup
from simulator.dingtalk.context import current_dingtalk
from simulator.dingtalk.state import Corp, Person
from simulator.i18n import t

bp = Blueprint("dingtalk_console", __name__, url_prefix="/dingtalk/console")

MAX_TEMPLATE_BYTES = 2 * 1024 * 1024

Page = str | BaseResponse


@bp.get("/")
def corps() -> Page:
    world = current_dingtalk()
    with world.store.lock:
        return render_template("dingtalk/corps.html", corps=list(world.state.corps.values()))


@bp.post("/")
def create_corp() -> Page:
    world = current_dingtalk()
    try:
        with world.store.lock:
            corp = setup.create_corp(world, request.form.get("name", ""), request.form.get("corp_id", "").strip())
            if request.form.get("with_people"):
                for userid, name in (("lin", "林芳"), ("wu", "吴伟"), ("zhou", "周敏")):
                    setup.save_person(world, corp, Person(userid, name))
    except setup.SetupError as error:
        flash(str(error), "error")
        return back("corps")
    flash(t("企业已创建"))
    return back("apps", corp_id=corp.corp_id)


@bp.get("/<corp_id>/contacts")
def contacts(corp_id: str) -> Page:
    corp = find_corp(corp_id)
    return render_template("dingtalk/contacts.html", corp=corp, edited=corp.people.get(request.args.get("edit", "")))


@bp.post("/<corp_id>/contacts")
def change_contacts(corp_id: str) -> Page:
    world, corp, form = current_dingtalk(), find_corp(corp_id), request.form
    try:
        with world.store.lock:
            if form.get("action") == "remove":
                setup.remove_person(world, corp, form.get("userid", ""))
                flash(t("成员已删除"))
            else:
                setup.save_person(world, corp, _person_of_form())
                flash(t("成员已保存"))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back("contacts", corp_id=corp_id)


@bp.get("/<corp_id>/cards")
def cards(corp_id: str) -> Page:
    """卡片平台: the templates of the company's apps."""
    corp, state = find_corp(corp_id), current_dingtalk().state
    templates = [each for each in state.templates.values() if each.client_id in corp.apps]
    return render_template("dingtalk/cards.html", corp=corp, templates=templates)


@bp.post("/<corp_id>/cards")
def change_cards(corp_id: str) -> Page:
    """Import a builder's export, or publish a template."""
    world, corp, form = current_dingtalk(), find_corp(corp_id), request.form
    try:
        with world.store.lock:
            if form.get("action") == "publish":
                world.state.templates[form.get("template_id", "")].published = True
                world.store.touch()
                flash(t("模板已发布，发布后不能再修改"))
            else:
                app = corp.apps.get(form.get("client_id", "")) or abort(400)
                setup.save_template(world, app.client_id, form.get("name", ""), _imported(), published=False)
                flash(t("模板已导入"))
    except setup.SetupError as error:
        flash(str(error), "error")
    return back("cards", corp_id=corp_id)


def _person_of_form() -> Person:
    form = {name: value.strip() for name, value in request.form.items()}
    return Person(
        userid=form.get("userid", ""),
        name=form.get("name", ""),
        title=form.get("title", ""),
        mobile=form.get("mobile", ""),
        email=form.get("email", ""),
    )


def _imported() -> dict[str, object]:
    """The JSON of the uploaded file, or of the text. Raises SetupError."""
    upload = request.files.get("file")
    content = upload.read(MAX_TEMPLATE_BYTES) if upload else b""
    try:
        definition = json.loads(content or request.form.get("definition", ""))
    except ValueError as error:
        raise setup.SetupError("模板文件不是 JSON") from error
    if not isinstance(definition, dict):
        raise setup.SetupError("模板文件不是卡片平台导出的 JSON")
    return definition


def find_corp(corp_id: str) -> Corp:
    """The company of the address, or 404."""
    return current_dingtalk().state.corps.get(corp_id) or abort(404, "没有这个企业")


def back(page: str, **values: object) -> BaseResponse:
    """To a console page after a POST."""
    return redirect(url_for(f".{page}", **values), code=303)  # type: ignore[arg-type]
