"""Contacts as a self-built app sees them: inside its visible range, without mobile, e-mail, avatar or gender.

https://developer.work.weixin.qq.com/document/path/90196 and its neighbours
"""

from __future__ import annotations

from typing import Any

from simulator.wecom.context import Call
from simulator.wecom.errors import ApiError, bad_parameter
from simulator.wecom.state import CONTACT_SYNC, Department, Person

Json = dict[str, Any]


def user_get(call: Call) -> Json:
    _refuse_contact_sync(call)
    return _full(call, _visible_person(call, call.query.get("userid", "")))


def user_simplelist(call: Call) -> Json:
    people = _direct_members(call)
    return {"userlist": [_named(call, person) | {"department": person.departments} for person in people]}


def user_list(call: Call) -> Json:
    _refuse_contact_sync(call)
    return {"userlist": [_full(call, person) for person in _direct_members(call)]}


def user_list_id(call: Call) -> Json:
    """Pages of (userid, department) rows; a member of two departments comes twice.

    https://developer.work.weixin.qq.com/document/path/96067
    """
    limit = int(call.body.get("limit") or 10000)
    if not 1 <= limit <= 10000:
        raise bad_parameter("limit must be 1 to 10000")
    rows = [{"userid": p.userid, "department": d} for p in call.corp.people.values() for d in p.departments]
    start = int(call.body.get("cursor") or 0)
    following = start + limit
    return {
        "next_cursor": str(following) if following < len(rows) else "",
        "dept_user": rows[start:following],
    }


def user_getuserid(call: Call) -> Json:
    mobile = str(call.body.get("mobile") or "")
    people = call.corp.visible_people(call.app)
    person = next((person for person in people if mobile and person.mobile == mobile), None)
    if person is None:
        raise ApiError(46004)
    return {"userid": person.userid}


def department_list(call: Call) -> Json:
    return {"department": [_department(department) for department in _wanted_departments(call)]}


def department_simplelist(call: Call) -> Json:
    wanted = _wanted_departments(call)
    return {"department_id": [{"id": d.id, "parentid": d.parent_id, "order": d.order} for d in wanted]}


def department_get(call: Call) -> Json:
    return {"department": _department(_visible_department(call, call.query.get("id", "")))}


def userid_to_openuserid(call: Call) -> Json:
    """Plain ids as the provider of this app sees them. https://developer.work.weixin.qq.com/document/path/97062"""
    if not call.app.suite_id:
        raise ApiError(48002)
    wanted = [str(userid) for userid in call.body.get("userid_list") or []]
    if not 1 <= len(wanted) <= 1000:
        raise bad_parameter("userid_list size must be 1 to 1000")
    seen = [person for person in call.corp.visible_people(call.app) if person.userid.lower() in map(str.lower, wanted)]
    known = {person.userid.lower(): call.shown(person.userid) for person in seen}
    rows = [{"userid": userid, "open_userid": known[userid.lower()]} for userid in wanted if userid.lower() in known]
    return {"open_userid_list": rows, "invalid_userid_list": [u for u in wanted if u.lower() not in known]}


def openuserid_to_userid(call: Call) -> Json:
    """The other way, for the corp's own app. https://developer.work.weixin.qq.com/document/path/95884"""
    source = call.corp.apps.get(int(call.body.get("source_agentid") or 0))
    if call.app.suite_id or source is None or not source.suite_id:
        raise ApiError(48002)
    people = {call.wecom.shown_user(call.corp, source, p.userid): p.userid for p in call.corp.visible_people(call.app)}
    wanted = [str(userid) for userid in call.body.get("open_userid_list") or []]
    rows = [{"open_userid": userid, "userid": people[userid]} for userid in wanted if userid in people]
    return {"userid_list": rows, "invalid_open_userid_list": [u for u in wanted if u not in people]}


def agent_get(call: Call) -> Json:
    """https://developer.work.weixin.qq.com/document/path/90227"""
    agent_id = call.query.get("agentid", "")
    if not agent_id:
        raise ApiError(41011)
    if not agent_id.isdigit():
        raise ApiError(40056)
    if int(agent_id) != call.app.agent_id:
        raise ApiError(301002)
    app = call.app
    return {
        "agentid": app.agent_id,
        "name": app.name,
        "square_logo_url": "",
        "description": app.description,
        "allow_userinfos": {"user": [{"userid": call.shown(userid)} for userid in app.visible_users]},
        "allow_partys": {"partyid": app.visible_departments},
        "allow_tags": {"tagid": []},
        "close": 0 if app.enabled else 1,
        "redirect_domain": app.trusted_domain,
        "report_location_flag": 0,
        "isreportenter": 0,
        "home_url": app.home_url,
    }


def _refuse_contact_sync(call: Call) -> None:
    """Addresses configured after 2022-08-15 read no member records with the contact-sync secret."""
    if call.app.agent_id == CONTACT_SYNC:
        raise ApiError(48009)


def _visible_person(call: Call, userid: str) -> Person:
    person = call.person(userid)
    if person is None:
        raise ApiError(60111)
    if not call.corp.can_see(call.app, person):
        raise ApiError(60011)
    return person


def _visible_department(call: Call, text: str) -> Department:
    if not text.isdigit():
        raise bad_parameter("department id invalid")
    department = call.corp.departments.get(int(text))
    if department is None:
        raise ApiError(60003)
    if department.id not in call.corp.visible_departments(call.app):
        raise ApiError(60011)
    return department


def _wanted_departments(call: Call) -> list[Department]:
    """With an id that department and everything below it, else all that the app may see."""
    wanted = call.corp.visible_departments(call.app)
    if call.query.get("id"):
        wanted = call.corp.below([_visible_department(call, call.query["id"]).id])
    return [department for department in call.corp.departments.values() if department.id in wanted]


def _direct_members(call: Call) -> list[Person]:
    department = _visible_department(call, call.query.get("department_id", ""))
    people = call.corp.visible_people(call.app)
    return [person for person in people if department.id in person.departments]


def _department(department: Department) -> Json:
    return {
        "id": department.id,
        "name": department.name,
        "name_en": "",
        "department_leader": [],
        "parentid": department.parent_id,
        "order": department.order,
    }


def _named(call: Call, person: Person) -> Json:
    """Id and name; a provider's app is told no names but the id."""
    userid = call.shown(person.userid)
    return {"userid": userid, "name": userid if call.app.suite_id else person.name}


def _full(call: Call, person: Person) -> Json:
    """A member record of an app made after 2022-06-20: sensitive keys are absent."""
    return _named(call, person) | {
        "department": person.departments,
        "order": [0] * len(person.departments),
        "position": person.position,
        "is_leader_in_dept": [0] * len(person.departments),
        "direct_leader": [],
        "telephone": "",
        "alias": "",
        "status": 1,
        "extattr": {"attrs": []},
        "main_department": person.departments[0],
    }
