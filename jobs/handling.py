"""What the runner and the handlers of rows say to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobs.outbox import Claim, Outcome


@dataclass(frozen=True)
class Settle:
    """A call was made; what is left is to write down what came of it, and that may be repeated.

    prepare  goes before, and commits what it does
    shares   record only stages statements of the session, so that several may be committed together; `locks` is the
             id of the incident that it locks first
    """

    record: Callable[[], Outcome]
    prepare: Callable[[], None] | None = None
    shares: bool = False
    locks: int = 0


class Overtaken(Exception):
    """Another worker has taken a row of the group over: each is recorded alone."""


@dataclass(frozen=True)
class Go:
    """What is left to do once the claim and what was staged with it are committed; any thread may do it.

    undo  stages what was before, for a row that is given back since nobody did it
    """

    act: Callable[[], Outcome | Settle]
    undo: Callable[[], None] | None = None


@dataclass(frozen=True)
class Handler:
    """What to do with a kind of row.

    run          may commit in between (never call out with a transaction open) and stages its last changes
    gave_up      called when a row of this kind goes dead by exceptions, to make that visible on its subject
    joins_claim  run only stages, in the transaction of the claim, and calls out in the Go that it returns
    hold         of those: locks what run will for each of several rows, in the order in which everybody does
    run_all      does rows of this kind that were claimed together, and records what came of them, in one transaction;
                 what it raises is rolled back, and each is run alone
    """

    run: Callable[[Claim], Outcome | Settle | Go]
    gave_up: Callable[[Claim, str], None] | None = None
    joins_claim: bool = False
    hold: Callable[[list[Claim]], None] | None = None
    run_all: Callable[[list[Claim]], None] | None = None
