"""How many pushes this process is answering, to know when there are too many to make an incident of each at once.

Making an alert and its incident takes several milliseconds of the database's one writer. One push after the other is
answered with what became of it; in a crowd each is answered as soon as it is in the journal, and the worker makes
the incidents, many in one transaction. So a storm of single alerts keeps nobody waiting: neither those who push, nor
the people who press buttons meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from flask import current_app

FEW = 2
"""So many at once still are answered with what became of them."""
EXTENSION = "intake_crowd"


class Crowd:
    """Counts the pushes of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present = 0

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """Take part while a push is answered; yields whether there are too many."""
        with self._lock:
            self._present += 1
            is_too_many = self._present > FEW
        try:
            yield is_too_many
        finally:
            with self._lock:
                self._present -= 1


def joined() -> AbstractContextManager[bool]:
    """Take part in this process's crowd."""
    crowd: Crowd = current_app.extensions.setdefault(EXTENSION, Crowd())
    return crowd.joined()
