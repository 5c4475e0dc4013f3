"""The product with several web and worker processes behind one address, and a company that can take many alerts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Channel, Integration, Role, Severity, Tenant
from platforms.base import PlatformIdentity
from services import linking, policies
from services.clock import utcnow
from tests.factories import make_member
from tests.private_servers import free_port
from tests.servers import Process, Product


class Fleet(Product):
    """`webs` share the product's address, as behind a load balancer, and each has one of its own.

    The kernel spreads new connections over those that listen; a process that was killed gets none.
    """

    def __init__(self, home: Path, *, webs: int = 1, workers: int = 1, **changes: str) -> None:
        self.crash_file = home / "crash-at"
        super().__init__(home, DUTYBELL_CRASH_AT=str(self.crash_file), **changes)
        shared = self.env["BIND"]
        self.own_urls: list[str] = []
        self.webs = [self._web(number, shared) for number in range(1, webs + 1)]
        self.workers = [self._numbered(self.worker, f"worker{number}") for number in range(1, workers + 1)]
        self.web, self.worker = self.webs[0], self.workers[0]

    @property
    def processes(self) -> tuple[Process, ...]:
        return (self.simulator, *self.webs, *self.workers)

    @property
    def is_postgresql(self) -> bool:
        return self.settings.database_url.startswith("postgresql")

    def start(self) -> None:
        """Start everything at once: most of a start is waiting for the processor."""
        for process in self.processes:
            if process.has_ended():
                process.launch()
        self.heal()

    def heal(self) -> None:
        """Start what has ended and wait until everything is healthy, for the test that comes next."""
        self.crash_file.unlink(missing_ok=True)
        for process in self.processes:
            if process.has_ended():
                process.launch()
        for process in self.processes:
            process.wait_for_health()

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Start again whatever ends meanwhile, as an operator's supervisor does; everything is healthy at the end."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.05):
                for process in self.processes:
                    if process.has_ended():
                        process.launch()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self.heal()

    def arm(self, place: str) -> None:
        """Let the process that comes to this crash point first end there."""
        self.crash_file.write_text(place)

    def has_crashed(self) -> bool:
        """Whether somebody came to the place that was armed."""
        return not self.crash_file.exists()

    def _web(self, number: int, shared: str) -> Process:
        own = f"127.0.0.1:{free_port()}"
        self.own_urls.append(f"http://{own}")
        web = self._numbered(self.web, f"web{number}")
        web.health = f"http://{own}/healthz"
        web.env["GUNICORN_CMD_ARGS"] = f"--reuse-port --bind {shared} --bind {own}"
        return web

    def _numbered(self, like: Process, name: str) -> Process:
        return Process(name, like.command, dict(like.env), self.home / f"{name}.log", like.health)


@dataclass
class Company:
    """The demo company with many more people, each on call for the alerts that carry `duty` with their name.

    info   what `make demo-info` prints
    """

    fleet: Fleet
    info: dict[str, Any]
    people: list[str]
    _turns: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.people)

    def next_person(self) -> str:
        """Whose turn it is to be on call."""
        return next(self._turns)

    @property
    def app(self) -> dict[str, Any]:
        """{"corp_id", "agent_id"} of the application on the simulated platform."""
        known = self.info["integrations"][0]["credentials"]
        return {name: known[name] for name in ("corp_id", "agent_id")}

    def forget_token(self) -> None:
        """Let the platform withdraw the application's token: the next call is refused and must get another."""
        self.fleet.control("POST", "/wecom/invalidate_token", json=self.app)

    def push_url(self, kind: str, base_url: str = "") -> str:
        """Where a source of this kind pushes to; base_url: of one web process."""
        url: str = self.info["alert_sources"][kind]
        return url.replace(self.fleet.base_url, base_url) if base_url else url


def found_company(fleet: Fleet, size: int) -> Company:
    """Make the company in a fleet that runs. size: how many more people."""
    info = fleet.load_demo()
    people = [f"p{number:03}" for number in range(1, size + 1)]
    known = [{"userid": person, "name": person, "departments": [1]} for person in people]
    corp_id = info["integrations"][0]["credentials"]["corp_id"]
    fleet.control("POST", "/wecom/corps", json={"corp_id": corp_id, "people": known})
    with fleet.app():
        integration = db.session.get_one(Integration, info["integrations"][0]["id"])
        channels = db.session.scalars(select(Channel).where(Channel.tenant_id == integration.tenant_id)).all()
        for person in people:
            _hire(person, integration, list(channels))
        db.session.commit()
    return Company(fleet, info, people)


def _hire(name: str, integration: Integration, channels: list[Channel]) -> None:
    now = utcnow()
    member = make_member(name, Role.RESPONDER, tenant=db.session.get_one(Tenant, integration.tenant_id))
    linking.link(integration, member.user, PlatformIdentity(name, name), source="admin", now=now)
    everything = {severity.value: ["wecom_app"] for severity in Severity if severity is not Severity.OK}
    level = {
        "user_ids": [member.user_id],
        "personal": {"mode": "unified", "unified": everything},
        "repeat": {"max": 0, "every_minutes": 5},
        "escalate_after_minutes": 0,
    }
    mine = [[{"key": "labels.duty", "op": "IN", "vals": [name]}]]
    admin = make_member("admin", Role.ADMIN, tenant=member.tenant)
    for channel in channels:
        draft = policies.draft(name=f"值班 {name}", levels=[level], priority=1, filter_groups=mine)
        policies.create(channel, draft, by=admin, now=now)


@contextmanager
def running_company(fleet: Fleet, size: int) -> Iterator[Company]:
    """A fleet over a migrated, empty database: started, filled; killed at the end, its last lines printed."""
    fleet.home.mkdir(parents=True, exist_ok=True)
    try:
        fleet.start()
        yield found_company(fleet, size)
    finally:
        fleet.kill()
        print(fleet.logs())  # pytest shows it with a failure only
