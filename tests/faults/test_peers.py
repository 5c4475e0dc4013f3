"""R18: peers that send slowly, or far too much, into our own ports, with no reverse proxy before them.

No thread waits for a peer (whole_requests.py), so there may be many more of them than WEB_THREADS.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
import requests

from tests.faults.conftest import Size
from tests.faults.feeder import Feeder, Load, body_of
from tests.faults.fleet import Company
from tests.faults.history import Press, Push
from tests.faults.snapshot import Ledger
from tests.servers import wait_until

SLOW_PEERS = 200
HUGE_BYTES = 100 * 1024 * 1024
CHUNK = b"x" * (64 * 1024)
MOST_MEMORY_BYTES = 20 * 1024 * 1024
ANSWER_SECONDS = 0.5
SLOW_MACHINE = 20
TOO_LARGE = "413"


def connect(company: Company) -> socket.socket:
    """A connection to the web process's own address."""
    parts = urlsplit(company.fleet.own_urls[0])
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


@contextlib.contextmanager
def slow_peers(company: Company, path: str) -> Iterator[None]:
    """Half of them stop in the middle of their headers, the others in the middle of a body."""
    beginnings = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{{",
    )
    with contextlib.ExitStack() as stack:
        for number in range(SLOW_PEERS):
            peer = stack.enter_context(connect(company))
            peer.sendall(beginnings[number % 2].encode())
        yield


def test_slow_peers_hold_up_neither_pushes_nor_presses(embedded: Company, size: Size, figures):
    url = urlsplit(embedded.push_url("standard"))
    ledger, feeder = Ledger.begin(embedded.fleet), Feeder(embedded, size.seed, Load(alerts=1, pressed=0, senders=1))
    with feeder:
        pass
    (push,) = feeder.history.pushes
    press = Press(push.alert_key, push.person, "acknowledge")
    card = wait_until(lambda: feeder.find_card(press), "the card")
    assert card
    feeder.history.presses.append(press)

    with slow_peers(embedded, f"{url.path}?{url.query}"):
        more = [Push(f"{feeder.run}-more-{number}", "standard", embedded.next_person()) for number in range(20)]
        feeder.history.pushes.extend(more)
        with requests.Session() as session:
            assert all(feeder.push_once(session, (one,)).is_success for one in more)
        assert feeder.press_once(press, card).is_success

    ledger.check(feeder.history)
    slowest = max(answer.seconds for answer in feeder.history.answers)
    figures(slow_peers=SLOW_PEERS, slowest=slowest)
    assert slowest <= ANSWER_SECONDS * (1 if size.is_soak else SLOW_MACHINE)


def test_what_is_far_too_large_is_refused_and_not_kept(embedded: Company, figures):
    web = psutil.Process(embedded.fleet.web.running.pid)
    before = memory_of(web)
    url = urlsplit(embedded.push_url("standard"))
    callback = urlsplit(embedded.info["integrations"][0]["addresses"]["callback_url"]).path
    for path in (f"{url.path}?{url.query}", callback, "/sign-in"):
        for header in (f"Content-Length: {HUGE_BYTES}", "Transfer-Encoding: chunked"):
            sent, answer = send_much(embedded, path, header)
            assert TOO_LARGE in answer.partition("\r\n")[0] or sent < HUGE_BYTES, (path, header, answer[:100])
    grown = memory_of(web) - before
    figures(grown_mib=grown / 2**20)
    assert grown <= MOST_MEMORY_BYTES
    (push,) = pushed = [Push(f"after-{time.time()}", "standard", embedded.next_person())]
    assert requests.post(embedded.push_url("standard"), json=body_of(tuple(pushed)), timeout=60).ok, push


def send_much(company: Company, path: str, header: str) -> tuple[int, str]:
    """Send up to 100 MB; how much was taken until the peer hung up, and what it said."""
    is_chunked, sent = "chunked" in header, 0
    with connect(company) as peer:
        peer.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{header}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            while sent < HUGE_BYTES:
                peer.sendall(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK) if is_chunked else CHUNK)
                sent += len(CHUNK)
        answer = ""
        with contextlib.suppress(OSError):
            answer = peer.recv(4096).decode("latin-1")
    return sent, answer


def memory_of(web: psutil.Process) -> int:
    return sum(process.memory_info().rss for process in (web, *web.children(recursive=True)))
