"""The web server before the application: a thread is given requests that are there, whatever their peers do."""

from __future__ import annotations

import select
import selectors
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from tests.private_servers import free_port
from tests.servers import KEPT_FROM_HERE, Process, os, wait_until
from whole_requests import WholeRequests

THREADS = 2
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
LONGEST = 1024 * 1024
Serve = Callable[..., int]


@pytest.fixture
def servers() -> list[Process]:
    """Those that were started."""
    return []


@pytest.fixture
def serve(tmp_path: Path, servers: list[Process]) -> Iterator[Serve]:
    """Start the server with two threads; returns its port."""
    with ExitStack() as stack:

        def start(**settings: str) -> int:
            port = free_port()
            env = {name: os.environ[name] for name in KEPT_FROM_HERE if name in os.environ} | settings
            env |= {"BIND": f"127.0.0.1:{port}", "WEB_THREADS": str(THREADS)}
            command = [sys.executable, "-m", "gunicorn", "tests.integration.echo:app"]
            server = Process("echo", command, env, tmp_path / "log", f"http://127.0.0.1:{port}/")
            stack.callback(server.kill)
            server.start()
            servers.append(server)
            return port

        yield start


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def answer(peer: socket.socket) -> bytes:
    """One answer and not a byte of the next: its head, and as much of its body as the head says."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = peer.recv(1)
        if not byte:
            return head
        head += byte
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    return head + peer.recv(length, socket.MSG_WAITALL)


def ask(port: int, request: bytes) -> bytes:
    with closing(connect(port)) as peer:
        peer.sendall(request)
        return answer(peer)


def first_to_be_answered(*peers: socket.socket) -> socket.socket:
    readable, _, _ = select.select(peers, [], [], 30)
    assert len(readable) == 1
    return readable[0]


def test_more_slow_peers_than_threads_hold_nobody_up(serve: Serve):
    port = serve()
    beginnings = (
        b"",
        b"POST / HTTP/1.1\r\nX-Slow: ",
        HEAD + b"Content-Length: 5000\r\n\r\n{",
        HEAD + b"Content-Length: 900000\r\n\r\n" + b"x" * 800_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nab\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Slow: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 190_000,
        HEAD + b"Content-Length: 99999999\r\n\r\n{",
    )
    with ExitStack() as stack:
        for number in range(60):
            peer = stack.enter_context(closing(connect(port)))
            peer.sendall(beginnings[number % len(beginnings)])
        for _ in range(5):
            assert ask(port, HEAD + b"Content-Length: 3\r\n\r\nabc").endswith(b"POST 3")


def test_a_callback_finds_a_thread_however_many_other_requests_wait(serve: Serve):
    port = serve()
    with ExitStack() as stack:
        waiting = [stack.enter_context(closing(connect(port))) for _ in range(3 * THREADS)]
        for peer in waiting:
            peer.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(5):
            assert ask(port, b"GET /callback/x HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0")
        assert ask(port, b"GET /callback/go HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0")
        for peer in waiting:
            assert answer(peer).endswith(b"GET 0")
            peer.sendall(HEAD + b"Content-Length: 3\r\n\r\nabc")
            assert answer(peer).endswith(b"POST 3")


def test_who_waits_too_long_for_a_thread_is_told_to_come_again(serve: Serve):
    port = serve(HELD_SECONDS="0.3", LOOK_EVERY_SECONDS="0.05")
    with closing(connect(port)) as first, closing(connect(port)) as second:
        for peer in (first, second):
            peer.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        refused = first_to_be_answered(first, second)
        said = answer(refused)
        assert said.startswith(b"HTTP/1.1 503 ") and b"Retry-After: " in said
        assert ask(port, b"GET /callback/go HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0")
        assert answer(second if refused is first else first).endswith(b"GET 0")
    assert ask(port, HEAD + b"Content-Length: 3\r\n\r\nabc").endswith(b"POST 3")


def test_what_waits_for_a_thread_has_the_limit_of_what_is_on_its_way(serve: Serve):
    port = serve(ALL_WAITING="100000")
    long = HEAD + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000
    with closing(connect(port)) as busy, closing(connect(port)) as first, closing(connect(port)) as second:
        for peer, request in ((busy, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"), (first, long)):
            peer.sendall(request)
            assert ask(port, b"GET /callback/x HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0")
        second.sendall(long)
        assert answer(second).startswith(b"HTTP/1.1 503 ")
        assert ask(port, b"GET /callback/go HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0")
        assert answer(first).endswith(b"POST 60000")
    for _ in range(5):
        assert ask(port, long).endswith(b"POST 60000"), "and what was answered counts no more"


def test_peers_that_do_not_take_their_answers_keep_no_threads(serve: Serve):
    port = serve(ANSWER_SECONDS="0.3")
    with ExitStack() as stack:
        for path in (b"/large", b"/callback/large") * THREADS:
            peer = stack.enter_context(closing(connect(port)))
            peer.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(1)
        assert ask(port, b"GET /callback/x HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0")
        assert ask(port, HEAD + b"Content-Length: 3\r\n\r\nabc").endswith(b"POST 3")


KEPT = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def is_kept_beside(others: int, port: int) -> bool:
    """Whether a connection stays while so many others are made after it."""
    with ExitStack() as stack:
        peers = []
        for _ in range(1 + others):
            peers.append(stack.enter_context(closing(connect(port))))
            peers[-1].sendall(KEPT)
            assert answer(peers[-1]).endswith(b"GET 0")
        with suppress(ConnectionError):
            peers[0].sendall(KEPT)
            return answer(peers[0]).endswith(b"GET 0")
        return False


def test_a_process_that_may_open_nothing_more_goes_on(serve: Serve, servers: list[Process]):
    port = serve()
    (worker,) = psutil.Process(servers[0].running.pid).children()
    worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() + 20,) * 2)
    assert not is_kept_beside(60, port), "who kept a connection for the longest time gave it up"
    assert is_kept_beside(5, port)
    assert worker.is_running()


def test_a_process_that_may_open_more_again_does(serve: Serve, servers: list[Process]):
    port = serve()
    (worker,) = psutil.Process(servers[0].running.pid).children()
    soft, hard = worker.rlimit(psutil.RLIMIT_NOFILE)
    worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() + 20, hard))
    assert not is_kept_beside(60, port)
    worker.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
    wait_until(lambda: is_kept_beside(60, port), "as many connections as before")


def test_what_is_announced_as_too_long_is_refused_and_not_waited_for(serve: Serve):
    port = serve()
    with ExitStack() as stack:
        for _ in range(3 * THREADS):
            peer = stack.enter_context(closing(connect(port)))
            peer.sendall(b"POST /callback/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
            assert answer(peer).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("pieces", [1, 2, 7, 40])
def test_a_request_in_pieces_is_the_same_request(serve: Serve, pieces: int):
    port = serve()
    whole = HEAD + b"Content-Length: 11\r\n\r\nhello\r\n\r\nyo"
    step = -(-len(whole) // pieces)
    with closing(connect(port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), step):
            peer.sendall(whole[at : at + step])
        assert answer(peer).endswith(b"POST 11")


def test_one_connection_carries_several_requests_also_sent_at_once(serve: Serve):
    port = serve()
    one, other = HEAD + b"Content-Length: 3\r\n\r\nabc", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with closing(connect(port)) as peer:
        for _ in range(3):
            peer.sendall(one)
            assert answer(peer).endswith(b"POST 3")
        peer.sendall(one + other + one[:-1])
        assert answer(peer).endswith(b"POST 3")
        assert answer(peer).endswith(b"GET 0")
        peer.sendall(one[-1:])
        assert answer(peer).endswith(b"POST 3")


def test_chunks_are_waited_for(serve: Serve):
    port = serve()
    with closing(connect(port)) as peer:
        peer.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        peer.sendall(b"2\r\nde\r\n0\r\n\r\n")
        assert answer(peer).endswith(b"POST 5")


@pytest.mark.parametrize(
    ("chunks", "answered"),
    [
        (b"3;name=value\r\nabc\r\n0\r\n\r\n", b"POST 3"),
        (b"3\r\n\r\n\r\r\n0\r\n\r\n", b"POST 3"),
        (b"000003\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", b"POST 3"),
        (b"0\r\n\r\n", b"POST 0"),
        (b"zz\r\nabc\r\n0\r\n\r\n", b"HTTP/1.1 4"),
        (b"1" * 5000, b"HTTP/1.1 4"),
        (b"3;" + b"x" * 5000 + b"\r\nabc", b"HTTP/1.1 4"),
        (b"fffffff\r\n" + b"x" * 1_200_000, b"echo"),
        ((b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n") * 20, b"echo"),
        (b"1\r\na\r\n" * 20_000, b"HTTP/1.1 413"),
    ],
    ids=[
        "extension",
        "line ends inside",
        "trailer",
        "empty",
        "no size",
        "endless size",
        "endless extension",
        "too long",
        "too long in all",
        "too many",
    ],
)
def test_chunks_end_where_the_last_one_does(serve: Serve, chunks: bytes, answered: bytes):
    port = serve()
    said = ask(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert said.startswith(answered) if answered.startswith(b"HTTP") else said.endswith(answered)


def test_of_too_many_unfinished_requests_the_oldest_makes_room(serve: Serve):
    port = serve(GUNICORN_CMD_ARGS="--worker-connections 40")
    with ExitStack() as stack:
        for _ in range(60):
            peer = stack.enter_context(closing(connect(port)))
            peer.sendall(HEAD)
        assert ask(port, HEAD + b"Content-Length: 3\r\n\r\nabc").endswith(b"POST 3")


def test_who_was_sent_away_in_a_turn_of_the_loop_is_not_read_in_the_same_turn():
    """Both have sent something by then: the newcomer, who takes the place, and the one whose place that was."""
    limits = Config()
    limits.set("worker_connections", 2)
    worker = WholeRequests(0, os.getpid(), [], None, 30, limits, None)
    with closing(worker.tmp), selectors.DefaultSelector() as worker.poller, ExitStack() as stack:
        pairs = [[stack.enter_context(closing(end)) for end in socket.socketpair()] for _ in range(2)]
        (first, sent_away), (_newcomer, newcomers) = pairs
        for _, own_end in pairs:
            own_end.setblocking(False)
        worker.nr_conns = 2
        worker.enqueue_req(TConn(limits, sent_away, ("", 0), ("", 0)))
        first.sendall(HEAD)
        turn = worker.poller.select(30)
        worker.enqueue_req(TConn(limits, newcomers, ("", 0), ("", 0)))
        for key, _ in turn:
            key.data(key.fileobj)
        assert list(worker.incoming) == [newcomers]
        assert (worker.nr_conns, worker.bytes_waiting) == (1, 0)
        assert first.recv(1000).startswith(b"HTTP/1.1 503 ")


def test_who_asks_whether_to_go_on_is_told_so(serve: Serve):
    port = serve()
    with closing(connect(port)) as peer:
        peer.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert answer(peer).startswith(b"HTTP/1.1 100 ")
        peer.sendall(b"abc")
        while (said := answer(peer)).startswith(b"HTTP/1.1 100 "):
            pass  # the server says it once more when it reads the body
        assert said.endswith(b"POST 3")


@pytest.mark.parametrize("began", [b"POST / HTTP/1.1\r\n", HEAD + b"Content-Length: 5\r\n\r\nab"])
def test_who_takes_too_long_is_told_so_and_sent_away(serve: Serve, began: bytes):
    port = serve(PATIENCE="0.3")
    with closing(connect(port)) as peer:
        peer.sendall(began)
        assert answer(peer).startswith(b"HTTP/1.1 408 ")
        assert peer.recv(1) == b""


def test_who_says_nothing_is_sent_away(serve: Serve):
    port = serve(PATIENCE="0.3")
    with closing(connect(port)) as peer:
        assert peer.recv(1) == b""


def test_what_waits_has_a_limit(serve: Serve):
    port = serve(ALL_WAITING="100000")
    with closing(connect(port)) as first, closing(connect(port)) as second:
        first.sendall(HEAD + b"Content-Length: 90000\r\n\r\n" + b"x" * 80_000)
        wait_until(lambda: ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"GET 0"), "another is answered")
        second.sendall(HEAD + b"Content-Length: 90000\r\n\r\n" + b"x" * 80_000)
        assert answer(second).startswith(b"HTTP/1.1 503 ")
        first.sendall(b"x" * 10_000)
        assert answer(first).endswith(b"POST 90000")


def test_the_longest_request_that_is_taken_is_taken_and_a_longer_one_is_for_the_application_to_refuse(serve: Serve):
    port = serve()
    assert ask(port, HEAD + b"Content-Length: %d\r\n\r\n" % LONGEST + b"x" * LONGEST).endswith(b"POST %d" % LONGEST)
    assert ask(port, HEAD + b"Content-Length: %d\r\n\r\nx" % (2 * LONGEST)).startswith(b"HTTP/1.1 413 ")
    assert ask(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"x", b"3, 4", b"9" * 30, b"9" * 5000])
def test_a_length_that_is_none_is_refused_and_the_server_goes_on(serve: Serve, length: bytes):
    port = serve()
    assert ask(port, HEAD + b"Content-Length: " + length + b"\r\n\r\nabc").startswith(b"HTTP/1.1 4")
    assert ask(port, HEAD + b"Content-Length: 3\r\n\r\nabc").endswith(b"POST 3")


def test_a_peer_that_does_not_close_keeps_nobody_waiting(serve: Serve):
    port = serve()
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        peers = [stack.enter_context(closing(connect(port))) for _ in range(30)]
        for peer in peers:
            peer.sendall(last)
        for peer in peers:  # waited for one after the other, the last of them would have its answer in a minute
            assert answer(peer).endswith(b"GET 0")
            assert peer.recv(1) == b""
