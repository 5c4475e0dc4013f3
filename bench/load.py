"""The load generator: HTTP/1.1 on kept connections, in processes of its own.

Closed loop: so many clients, each sends its next request when it has its answer; for what can be taken at most.
Open loop: requests leave at planned times whatever the answers do, and latency counts from the planned time; so a
stalled server is charged for every request that would have come meanwhile.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
LOST = 0
"""The status of a request whose connection ended without an answer."""
START_SECONDS = 1.0
LATE_MS = 10.0
BUSY_SHARE = 0.85


def request(
    method: str, path: str, body: bytes = b"", *, content_type: str = "application/json", headers: Sequence[str] = ()
) -> bytes:
    """The bytes of one request. headers: further lines, "Name: value"."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body or method == "POST":
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + HEAD_END + body


def answer_length(data: bytes | bytearray) -> int | None:
    """How long the answer at the start of `data` is in all; None while its head is not complete.

    Raises ValueError for an answer without a length: none of the servers here sends one.
    """
    end = data.find(HEAD_END)
    if end < 0:
        return None
    head = bytes(data[:end]).lower()
    at = head.find(LENGTH)
    if at < 0:
        if head[9:12] in {b"204", b"304"}:
            return end + len(HEAD_END)
        raise ValueError(f"an answer without Content-Length: {head[:80]!r}")
    return end + len(HEAD_END) + int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])


# --- one after the other, for comparing two servers in turn -------------------------------------------------------


class Wire:
    """One blocking connection that costs its caller next to nothing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def exchange(self, sent: bytes) -> tuple[int, bytes]:
        """Send one request; return status and body of its answer."""
        self.send(sent)
        head, body = self.receive()
        return int(head[9:12]), body

    def send(self, sent: bytes) -> None:
        self._socket.sendall(sent)

    def receive(self) -> tuple[bytes, bytes]:
        """Head and body of one answer."""
        data = bytearray()
        length: int | None = None
        while length is None or len(data) < length:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionError("the server ended the connection")
            data += chunk
            length = answer_length(data) if length is None else length
        end = data.find(HEAD_END)
        return bytes(data[:end]), bytes(data[end + len(HEAD_END) :])

    def timed(self, sent: bytes, *, expected: int = 200) -> float:
        """Milliseconds until the whole answer is there. Raises RuntimeError for another status."""
        began = time.perf_counter()
        status, body = self.exchange(sent)
        took = (time.perf_counter() - began) * 1000
        if status != expected:
            raise RuntimeError(f"{sent[:80]!r}: {status} {body[:300]!r}")
        return took

    def close(self) -> None:
        self._socket.close()


# --- jobs for a generator process ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClosedLoop:
    """make: number → bytes of the request; numbers run from `first` to before `last`.

    seconds  how long new requests are begun
    """

    port: int
    clients: int
    seconds: float
    make: Callable[[int], bytes]
    first: int = 0
    last: int = sys.maxsize


@dataclass(frozen=True)
class OpenLoop:
    """plan: seconds after the start, in order, and the bytes to send. At most `connections` at once.

    What finds none free waits, and that counts as its latency. What has no answer `patience_seconds` after the last
    planned time is given up: LOST, with the latency that it has reached.
    """

    port: int
    plan: Sequence[tuple[float, bytes]]
    connections: int = 64
    patience_seconds: float = 20.0


@dataclass(frozen=True)
class Outcome:
    """What a generator saw; times are seconds of the monotonic clock, which all processes share.

    numbers      of the requests, as they were given to `make`, or places in the plan
    sent_at      when each request left (closed loop) or should have left (open loop); latencies_ms by the same index
    late_ms      how much later than planned the generator itself came to each request (open loop)
    cpu_share    of one core, used by the generator
    """

    began_at: float
    seconds: float
    numbers: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    cpu_share: float = 0.0
    samples: dict[int, bytes] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[int]:
        return Counter(self.statuses)

    @property
    def is_bottleneck(self) -> bool:
        """Whether the generator, not the server, may have set the pace."""
        late = sorted(self.late_ms)[int(len(self.late_ms) * 0.99) :][:1]
        return self.cpu_share > BUSY_SHARE or bool(late and late[0] > LATE_MS)


Job = ClosedLoop | OpenLoop


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """What several generators saw together; the share is that of the busiest of them."""
    whole = Outcome(min(one.began_at for one in outcomes), max(one.seconds for one in outcomes))
    for one in outcomes:
        for name in ("numbers", "statuses", "latencies_ms", "sent_at", "late_ms"):
            getattr(whole, name).extend(getattr(one, name))
        whole.samples.update(one.samples)
    return replace(whole, cpu_share=max(one.cpu_share for one in outcomes))


def spread(rate: float, seconds: float, *, offset: float = 0.0) -> list[float]:
    """Planned times of `rate` requests a second, evenly, for `seconds`."""
    return [offset + number / rate for number in range(round(rate * seconds))]


def generate(*jobs: Job) -> list[Outcome]:
    """Run every job in a process of its own, all beginning at the same moment."""
    return finish(begin(*jobs))


def begin(*jobs: Job) -> list[subprocess.Popen[bytes]]:
    """Start the generators and return at once; `finish` waits for what they saw."""
    began_at = time.monotonic() + START_SECONDS
    command = [sys.executable, "-c", "from bench.load import main; main()"]  # so that classes have one name
    processes = []
    for job in jobs:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None  # noqa: S101 - narrows the type
        process.stdin.write(pickle.dumps((job, began_at)))
        process.stdin.close()
        processes.append(process)
    return processes


def finish(processes: list[subprocess.Popen[bytes]]) -> list[Outcome]:
    outcomes = []
    for process in processes:
        assert process.stdout is not None  # noqa: S101 - narrows the type
        data = process.stdout.read()
        if process.wait() != 0:
            raise RuntimeError("a load generator failed")
        outcomes.append(pickle.loads(data))  # noqa: S301 - from our own process
    return outcomes


# --- inside a generator process -----------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """A kept connection with at most one request under way."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._length: int | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self.transport = transport

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, data: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send a request; the answer is its status and its bytes, status LOST if the connection ended."""
        assert self.transport is not None  # noqa: S101 - narrows the type
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._length is None:
            self._length = answer_length(self._data)
        if self._length is not None and len(self._data) >= self._length:
            whole = bytes(self._data[: self._length])
            del self._data[: self._length]
            self._length = None
            self._finish((int(whole[9:12]), whole))

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish((LOST, b""))

    def _finish(self, result: tuple[int, bytes]) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(result)


async def _connect(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


async def _run(job: Job, began_at: float) -> Outcome:
    outcome = Outcome(began_at, 0.0)
    await asyncio.sleep(max(0.0, began_at - time.monotonic()))
    cpu = time.process_time()
    if isinstance(job, ClosedLoop):
        await _run_closed(job, outcome)
    else:
        await _run_open(job, began_at, outcome)
    seconds = time.monotonic() - began_at
    object.__setattr__(outcome, "seconds", seconds)
    object.__setattr__(outcome, "cpu_share", (time.process_time() - cpu) / max(seconds, 1e-9))
    return outcome


def _keep(outcome: Outcome, number: int, status: int, answer: bytes) -> None:
    """Count an answer and keep the first one of each status, to show what was wrong."""
    outcome.numbers.append(number)
    outcome.statuses.append(status)
    if status not in outcome.samples:
        outcome.samples[status] = answer[:1000]


async def _run_closed(job: ClosedLoop, outcome: Outcome) -> None:
    numbers = iter(range(job.first, job.last))
    until = time.monotonic() + job.seconds

    async def client() -> None:
        connection = await _connect(job.port)
        while (sent_at := time.monotonic()) < until:
            if not connection.is_open:
                connection = await _connect(job.port)
            number = next(numbers, None)
            if number is None:
                break
            status, answer = await connection.send(job.make(number))
            _keep(outcome, number, status, answer)
            outcome.sent_at.append(sent_at)
            outcome.latencies_ms.append((time.monotonic() - sent_at) * 1000)

    await asyncio.gather(*(client() for _ in range(job.clients)))


async def _run_open(job: OpenLoop, began_at: float, outcome: Outcome) -> None:
    free: deque[Connection] = deque()
    places = asyncio.Semaphore(job.connections)
    tasks = []

    def note(number: int, planned_at: float, status: int, answer: bytes) -> None:
        _keep(outcome, number, status, answer)
        outcome.sent_at.append(planned_at)
        outcome.latencies_ms.append((time.monotonic() - planned_at) * 1000)

    async def one(number: int, planned_at: float, data: bytes) -> None:
        try:
            async with places:
                connection = free.pop() if free else await _connect(job.port)
                if not connection.is_open:
                    connection = await _connect(job.port)
                status, answer = await connection.send(data)
                free.append(connection)
        except asyncio.CancelledError:
            status, answer = LOST, b""
        note(number, planned_at, status, answer)

    for number, (offset, data) in enumerate(job.plan):
        planned_at = began_at + offset
        wait = planned_at - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        outcome.late_ms.append(max(0.0, time.monotonic() - planned_at) * 1000)
        tasks.append(asyncio.create_task(one(number, planned_at, data)))
    if tasks:
        _, left = await asyncio.wait(tasks, timeout=job.patience_seconds)
        for task in left:
            task.cancel()
        await asyncio.gather(*tasks)


def main() -> None:
    """Read a job and the moment to begin, print what was seen; both pickled by our own parent."""
    job, began_at = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - from our own parent
    sys.stdout.buffer.write(pickle.dumps(asyncio.run(_run(job, began_at))))
