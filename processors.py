"""Which of the machine's processors a process runs on.

Python's threads run one at a time. Where they are spread over several processors, nearly every hand-over wakes another
one, which has nothing of what the thread works on in its caches: a press took up to half as long again, and under 300
pushes a second everybody waited for a second or two while the processors had time left. So a web process stays on one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

USABLE = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
"""Those that the operator has left this installation."""


def choose(taken: Iterable[int | None]) -> int | None:
    """The one that fewest processes have; None where there is no choice.

    taken  what the others of this server have. Another installation on the machine does not know of us: so that not
           all of them choose the first, each begins to look somewhere else.
    """
    if len(USABLE) < 2:
        return None
    first, others = os.getpid() % len(USABLE), list(taken)
    return min(USABLE[first:] + USABLE[:first], key=others.count)


def stay_on(processor: int | None) -> None:
    """Keep this thread, and those that it will start, on one. None: wherever the system puts them."""
    if sys.platform == "linux" and processor is not None:
        with suppress(OSError):  # taken from us since we looked
            os.sched_setaffinity(0, {processor})


def keep_apart() -> None:
    """Keep this thread off those that the thread which started it is kept on; where there are others.

    For one that waits for a device without the interpreter's lock: the processor writes for it meanwhile, and the
    other one's is free for what is done in the meantime.
    """
    if sys.platform == "linux" and (others := set(USABLE) - os.sched_getaffinity(0)):
        with suppress(OSError):
            os.sched_setaffinity(0, others)


def roam() -> None:
    """Let this thread run on any: for what takes long and needs no other thread meanwhile."""
    if sys.platform == "linux" and USABLE:
        with suppress(OSError):
            os.sched_setaffinity(0, USABLE)
