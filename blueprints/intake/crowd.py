"""How many pushes this process is answering, to know when there are too many to make an incident of each at once.

Making an alert and its incident takes several milliseconds of the database's one writer. One push after the other is
answered with what became of it; in a crowd each is answered as soon as it is in the journal, and the worker makes
the incidents, many in one transaction. So a storm of single alerts keeps nobody waiting: neither those who push, nor
the people who press buttons meanwhile.
"""

from __future__ import annotations

import threading
from types import TracebackType

from flask import current_app

FEW = 2
"""So many at once still are answered with what became of them."""
EXTENSION = "intake_crowd"


class Crowd:
    """Counts the pushes of this process: each takes part while it is answered.

    Entering it says whether there are too many.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present = 0

    def __enter__(self) -> bool:
        with self._lock:
            self._present += 1
            return self._present > FEW

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        with self._lock:
            self._present -= 1


def joined() -> Crowd:
    """This process's, to take part in."""
    known = current_app.extensions
    crowd: Crowd = known.get(EXTENSION) or known.setdefault(EXTENSION, Crowd())
    return crowd
