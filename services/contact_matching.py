"""Which account here is which person there, as far as names tell: the table of docs/contact-sync.md, first step.

Pure: values in, a decision out. Names never prove anything: an administrator sees every pair before anything is
written.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from models import Pairing


@dataclass(frozen=True)
class Match:
    """What the names say about a person there. user_id: of BY_NAME alone."""

    pairing: Pairing
    user_id: int | None = None


def name_key(name: str) -> str:
    """How names are compared: without spaces around and doubled, full width as half width, in one case."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def is_withheld(name: str, external_user_id: str) -> bool:
    """Whether the platform kept the name to itself: none, or the id in its place."""
    return not name_key(name) or name_key(name) == name_key(external_user_id)


def match(accounts: Iterable[tuple[int, str]], people: Iterable[tuple[str, str]]) -> dict[str, Match]:
    """For each person there by id: the one account with the same name, that there are several, or nothing.

    accounts  (user_id, name) of active members without link; people: (external_user_id, name) without link
    """
    left: dict[str, list[int]] = defaultdict(list)
    for user_id, name in accounts:
        if key := name_key(name):
            left[key].append(user_id)
    right: dict[str, list[str]] = defaultdict(list)
    matches: dict[str, Match] = {}
    for external_id, name in people:
        matches[external_id] = Match(Pairing.NONE)
        if not is_withheld(name, external_id):
            right[name_key(name)].append(external_id)
    for key, ids in right.items():
        found = left.get(key, [])
        if len(ids) == len(found) == 1:
            matches[ids[0]] = Match(Pairing.BY_NAME, found[0])
        elif len(ids) > 1 or len(found) > 1:
            matches |= dict.fromkeys(ids, Match(Pairing.NAMESAKE))
    return matches
