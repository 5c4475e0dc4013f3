"""Contact synchronisations: begun, compared, confirmed, followed to their report. Nothing is written before that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from blueprints.api.cursors import CURSOR, id_of, page_of_rows
from blueprints.api.moments import iso
from blueprints.api.operations import Call, operation
from blueprints.api.schemas import (
    component,
    flag,
    list_of,
    listed,
    maybe,
    moment,
    one_of,
    page_of,
    record,
    row_id,
    whole,
    words,
)
from errors import InvalidInput
from models import ContactSync, ContactSyncState, GeneratedAccount, Pairing, SyncPerson, User
from platforms.errors import recall
from services import contact_comparison, contact_decisions, contact_syncs, generated_accounts, setup
from services.api_tokens import Scope
from services.contact_syncs import PASSWORD_KINDS
from services.wording import say, say_error
from texts import N_

RIGHT = "member.edit"
COUNTS = ("created", "updated", "review", "skipped", "failed")
LIMIT = whole(1, 100, default=contact_comparison.PAGE)
PAGE_OF_PEOPLE = {"text": words(100), "cursor": words(128), "limit": LIMIT}
EXTENT = ("paired", "new", "review", "excluded", "bound", "linked", "missing")
SYNC = component(
    "SyncJob",
    record(
        {
            "id": whole(),
            "integration_id": whole(),
            "state": one_of(ContactSyncState),
            "step": whole(about="How far the present state has come"),
            "steps": whole(about="Of how many; 0 while that is not known"),
            "initial_passwords": one_of(PASSWORD_KINDS),
            "counts": record({}, {name: whole() for name in (*COUNTS, "departments")}),
            "error": words(about="Why it failed; empty otherwise"),
            "started_by": maybe(words()),
            "started_at": moment(),
            "confirmed_by": maybe(words()),
            "confirmed_at": maybe(moment()),
            "finished_at": maybe(moment()),
            "version": whole(about="Of the comparison as a whole: whoever confirms has seen this one"),
        }
    ),
)
PLANNED = component(
    "SyncExtent",
    record(
        {
            "paired": whole(),
            "new": whole(about="Accounts that a confirmation would make"),
            "review": whole(),
            "excluded": whole(),
            "bound": whole(),
            "linked": whole(),
            "missing": whole(about="Linked people whom the platform did not name"),
            "has_shrunk": flag("So many are missing that the confirmation has to say that this is meant"),
            "withholds_names": flag("The platform tells no names, so nobody could be matched by name"),
        }
    ),
)
PERSON = component(
    "SyncPerson",
    record(
        {
            "id": whole(),
            "external_id": words(),
            "name": words(),
            "departments": listed(words()),
            "pairing": one_of(Pairing),
            "user_id": maybe(whole()),
            "is_included": flag(),
            "version": whole(),
        }
    ),
)
ACCOUNT = component(
    "SyncAccount",
    record(
        {
            "user_id": whole(),
            "username": words(),
            "name": words(),
            "is_namesake": flag("Somebody there has this name, and is not the only one"),
            "person": maybe(PERSON),
        }
    ),
)
LINE = component(
    "SyncLine",
    record({"external_id": words(), "name": words(), "outcome": one_of(contact_decisions.LINES), "text": words()}),
)
MANY, ONE = "/sync-jobs", "/sync-jobs/<int:sync_id>"


@operation(
    "GET",
    MANY,
    "The synchronisations of a connection, newest first",
    right=RIGHT,
    query=record({"integration_id": row_id()}, {"cursor": CURSOR, "limit": LIMIT}),
    answers=page_of(SYNC),
)
def list_sync_jobs(call: Call) -> dict[str, Any]:
    integration = setup.get(call.query["integration_id"], viewer=call.member)
    limit = call.query.get("limit", contact_comparison.PAGE)
    found = contact_syncs.recent(integration, before=id_of(call.query.get("cursor")), limit=limit + 1)
    return page_of_rows(found, limit, sync_row)


@operation(
    "POST",
    MANY,
    "Begin to read a company's contacts; what is open already is answered instead",
    right=RIGHT,
    scope=Scope.SYNC,
    body=record({"integration_id": row_id()}),
    answers=SYNC,
    status=202,
)
def begin_sync_job(call: Call) -> dict[str, Any]:
    integration = setup.get(call.body["integration_id"], viewer=call.member)
    return sync_row(contact_syncs.begin(integration, **call.by))


@operation("GET", ONE, "How far a synchronisation is", right=RIGHT, answers=SYNC)
def get_sync_job(call: Call, sync_id: int) -> dict[str, Any]:
    return sync_row(_get(call, sync_id))


@operation("GET", f"{ONE}/extent", "What a confirmation would do", right=RIGHT, answers=PLANNED)
def get_sync_extent(call: Call, sync_id: int) -> dict[str, Any]:
    sync = _get(call, sync_id)
    extent = contact_syncs.extent(sync)
    counted = {name: getattr(extent, name) for name in EXTENT}
    return counted | {
        "has_shrunk": extent.has_shrunk,
        "withholds_names": contact_comparison.withholds_names(sync),
    }


@operation(
    "GET",
    f"{ONE}/accounts",
    "The left column: members without link, with whom they are paired",
    right=RIGHT,
    query=record({}, PAGE_OF_PEOPLE),
    answers=page_of(ACCOUNT),
)
def list_sync_accounts(call: Call, sync_id: int) -> dict[str, Any]:
    sync = _get(call, sync_id)
    page = contact_comparison.accounts(sync, **_page(call))
    names = contact_comparison.department_names(sync)
    items = [
        {
            "user_id": one.user.id,
            "username": one.user.username,
            "name": one.user.name,
            "is_namesake": one.is_namesake,
            "person": person_row(one.person, names) if one.person else None,
        }
        for one in page.items
    ]
    return {"items": items, "next_cursor": page.after or None}


@operation(
    "GET",
    f"{ONE}/people",
    "The right column: whom no account here is paired with, or one from outside",
    right=RIGHT,
    query=record({}, PAGE_OF_PEOPLE),
    answers=page_of(PERSON),
)
def list_sync_people(call: Call, sync_id: int) -> dict[str, Any]:
    sync = _get(call, sync_id)
    id_of(call.query.get("cursor"))
    page = contact_comparison.people(sync, **_page(call))
    names = contact_comparison.department_names(sync)
    return {"items": [person_row(one, names) for one in page.items], "next_cursor": page.after or None}


def _page(call: Call) -> dict[str, Any]:
    asked = dict(call.query)
    return asked | ({"after": asked.pop("cursor")} if "cursor" in asked else {})


# --- changing the comparison --------------------------------------------------------------------------------------

SEEN = {"version": whole(1, 2**31 - 1, about="Of what was read; another one is a Conflict")}
VERBS: dict[str, Callable[..., None]] = {
    "apart": contact_comparison.take_apart,
    "pair": contact_comparison.pair,
    "outside": contact_comparison.pair_outside,
    "exclude": partial(contact_comparison.include, is_included=False),
    "include": partial(contact_comparison.include, is_included=True),
}
NEEDED = {"pair": "user_id", "outside": "account"}


@operation(
    "POST",
    f"{ONE}/people/<int:person_id>/<any({', '.join(VERBS)}):verb>",
    "Take a pair apart, make one with a member or with an account from outside, leave somebody out or take them in",
    right=RIGHT,
    scope=Scope.SYNC,
    body=record(
        SEEN,
        {
            "user_id": row_id("pair: of an active member without link"),
            "account": words(254, about="outside: an exact user name or e-mail address"),
        },
    ),
    answers=SYNC,
)
def change_sync_person(call: Call, sync_id: int, person_id: int, verb: str) -> dict[str, Any]:
    sync, needed = _get(call, sync_id), NEEDED.get(verb)
    if needed is not None and needed not in call.body:
        raise InvalidInput(needed, N_("缺少这个参数"))
    which = [call.body[needed]] if needed else []
    VERBS[verb](sync, person_id, *which, seen=call.body["version"], by=call.member)
    return sync_row(sync)


@operation(
    "POST",
    f"{ONE}/confirm",
    "Apply the comparison as it was seen; the worker does it",
    right=RIGHT,
    scope=Scope.SYNC,
    body=record(
        SEEN,
        {
            "initial_passwords": one_of(PASSWORD_KINDS, default="random"),
            "is_shrinking_meant": flag("That many linked people are missing is no mistake", default=False),
        },
    ),
    answers=SYNC,
    status=202,
)
def confirm_sync_job(call: Call, sync_id: int) -> dict[str, Any]:
    sync = _get(call, sync_id)
    contact_syncs.confirm(
        sync,
        seen=call.body["version"],
        initial_passwords=call.body.get("initial_passwords", "random"),
        is_shrinking_meant=call.body.get("is_shrinking_meant", False),
        **call.by,
    )
    return sync_row(sync)


@operation(
    "POST",
    f"{ONE}/discard",
    "Give a comparison up; nothing was changed by it",
    right=RIGHT,
    scope=Scope.SYNC,
    answers=SYNC,
)
def discard_sync_job(call: Call, sync_id: int) -> dict[str, Any]:
    sync = _get(call, sync_id)
    contact_syncs.discard(sync, **call.by)
    return sync_row(sync)


# --- afterwards ---------------------------------------------------------------------------------------------------


@operation(
    "GET",
    f"{ONE}/report",
    "What became of everybody so far",
    right=RIGHT,
    query=record({}, {"only": one_of(COUNTS), "cursor": CURSOR, "limit": LIMIT}),
    answers=page_of(LINE),
)
def get_sync_report(call: Call, sync_id: int) -> dict[str, Any]:
    after, limit = id_of(call.query.get("cursor")) or 0, call.query.get("limit", contact_comparison.PAGE)
    found, more = contact_syncs.lines(_get(call, sync_id), only=call.query.get("only", ""), after=after, limit=limit)
    items = [
        {
            "external_id": one.shown_id,
            "name": one.name,
            "outcome": str(one.outcome),
            "text": say(contact_syncs.line(one)),
        }
        for one in found
    ]
    return {"items": items, "next_cursor": str(more) if more else None}


@operation(
    "POST",
    f"{ONE}/passwords",
    "The random initial passwords of new accounts, now and never again",
    right=RIGHT,
    scope=Scope.SYNC,
    answers=list_of(record({"name": words(), "username": words(), "password": words()})),
)
def hand_out_passwords(call: Call, sync_id: int) -> dict[str, Any]:
    rows = generated_accounts.hand_out(_get(call, sync_id).id, **call.by)
    return {"items": [dict(zip(("name", "username", "password"), row, strict=True)) for row in rows]}


WAITING = component(
    "UnusedAccount",
    record(
        {
            "user_id": whole(),
            "username": words(),
            "name": words(),
            "password_kind": one_of(PASSWORD_KINDS),
            "password_until": moment("The initial password opens nothing after this time"),
        }
    ),
)


@operation(
    "GET",
    "/members/not-signed-in",
    "Whose accounts were made by a synchronisation and have not been used yet",
    right=RIGHT,
    query=record({}, {"cursor": CURSOR, "limit": LIMIT}),
    answers=page_of(WAITING),
)
def list_unused_accounts(call: Call) -> dict[str, Any]:
    after, limit = id_of(call.query.get("cursor")) or 0, call.query.get("limit", generated_accounts.PAGE)
    found, more = generated_accounts.not_signed_in(call.member, after=after, limit=limit)
    return {
        "items": [_unused_row(one.user, one.account) for one in found],
        "next_cursor": str(more) if more else None,
    }


def _unused_row(user: User, account: GeneratedAccount) -> dict[str, Any]:
    about = {"password_kind": account.password_kind, "password_until": iso(account.password_until)}
    return {"user_id": user.id, "username": user.username, "name": user.name} | about


# --- rows ---------------------------------------------------------------------------------------------------------


def _get(call: Call, sync_id: int) -> ContactSync:
    return contact_syncs.get(sync_id, viewer=call.member)


def sync_row(sync: ContactSync) -> dict[str, Any]:
    kept = ("id", "integration_id", "step", "steps", "initial_passwords", "counts", "version")
    times = ("started_at", "confirmed_at", "finished_at")
    return (
        {name: getattr(sync, name) for name in kept}
        | {name: iso(getattr(sync, name)) for name in times}
        | {
            "state": sync.state.value,
            "error": say_error(recall(sync.error))[0] if sync.error else "",
            "started_by": sync.started_by.username if sync.started_by else None,
            "confirmed_by": sync.confirmed_by.username if sync.confirmed_by else None,
        }
    )


def person_row(person: SyncPerson, departments: dict[str, str]) -> dict[str, Any]:
    kept = {name: getattr(person, name) for name in ("id", "name", "user_id", "is_included", "version")}
    return kept | {
        "external_id": person.shown_id,
        "departments": [departments[one] for one in person.department_ids if one in departments],
        "pairing": person.pairing.value,
    }
