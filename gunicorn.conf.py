"""How gunicorn serves the product, read by `gunicorn "app:create_app()"`; the environment can change every value."""

from __future__ import annotations

import gc
import os
import resource
from typing import Any


def descriptors() -> int:
    """How many files and connections a process may have open: as many as the system lets us ask for, up to 4096."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return 4096 if soft == resource.RLIM_INFINITY else soft


bind = os.environ.get("BIND") or f"0.0.0.0:{os.environ.get('PORT') or '8000'}"
worker_class = "whole_requests.WholeRequests"
# SQLite has one writer, and its queue is quickest inside one process; with PostgreSQL two processes or more.
workers = int(os.environ.get("WEB_PROCESSES") or "1")
threads = int(os.environ.get("WEB_THREADS") or "16")
stays_on_one_processor = (os.environ.get("WEB_AFFINITY") or "one") == "one"
keepalive = 30
worker_connections = min(1000, descriptors() - 200)  # the rest is for the database, files and what is called
timeout = 60
graceful_timeout = 8  # a deploy ends within 10 seconds; a request that takes longer is the platform's to repeat
max_requests = 0
control_socket_disable = True  # one in a fixed place would be shared by every instance on the machine
accesslog = None  # the application writes one structured line a request
errorlog = "-"
loglevel = os.environ.get("GUNICORN_LOG_LEVEL") or "warning"


def pre_fork(server: Any, worker: Any) -> None:
    """Choose a processor here, where the others are known."""
    import processors  # noqa: PLC0415 - this file is read before its folder can be imported from

    others = (other.processor for other in server.WORKERS.values())
    worker.processor = processors.choose(others) if stays_on_one_processor else None


def post_fork(server: Any, worker: Any) -> None:
    """Look for no garbage while the application is loaded: there is none, and a fifth of the time went there."""
    import processors  # noqa: PLC0415

    processors.stay_on(worker.processor)
    gc.disable()


def post_worker_init(worker: Any) -> None:
    """Do what the first request of this process would have to wait for; a yardstick has nothing to rehearse."""
    rehearse = getattr(worker.wsgi, "extensions", {}).get("rehearse")
    if rehearse is not None:
        import huge_pages  # noqa: PLC0415

        rehearse()
        gc.collect()
        huge_pages.gather()
        gc.freeze()  # what is there now stays: no request waits while it is looked through for garbage
    gc.enable()


def child_exit(server: Any, worker: Any) -> None:
    """Drop the metrics files of a process that is gone."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess  # noqa: PLC0415

        multiprocess.mark_process_dead(worker.pid)
