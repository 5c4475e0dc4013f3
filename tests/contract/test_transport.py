"""The transport against servers that misbehave on the socket."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from platforms.errors import AddressRefused, AnswerLost, AnswerNotUnderstood, NetworkFailed, PlatformBusy, RateLimited
from platforms.http import MOST_HOSTS, Transport
from platforms.outbound import AddressGuard

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"
SECRET = "canary-secret-value"
SOON = 0.6
"""A deadline that is meant to pass."""


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A socket that hands each connection to `serve`, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for connection in accepted:
            connection.close()


def request(connection: socket.socket) -> bytes:
    """Read one request's head (its body comes along or does not matter)."""
    head = b""
    while b"\r\n\r\n" not in head:
        try:
            chunk = connection.recv(65536)
        except OSError:
            return b""
        if not chunk:
            return b""
        head += chunk
    return head


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    """Until the other side hangs up, which it may do in the middle of an answer."""

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            while request(connection):
                connection.sendall(answer)

    return serve


def trickling(answer: bytes) -> Callable[[socket.socket], None]:
    """A byte every 50 ms until the other side hangs up."""

    def serve(connection: socket.socket) -> None:
        request(connection)
        pace = threading.Event()
        try:
            for position in range(len(answer)):
                connection.sendall(answer[position : position + 1])
                pace.wait(0.05)
        except OSError:
            return

    return serve


def get(url: str, seconds: float = 10.0) -> float:
    """GET until it fails; returns how long that took. Raises what the transport raises."""
    return Transport().get(url, {"access_token": SECRET}, total_seconds=seconds).status


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5000, OK + b" " * 13])
def test_a_trickle_is_cut_at_the_deadline_of_the_whole_exchange(answer):
    with server(trickling(answer)) as url:
        started = time.monotonic()
        with pytest.raises(AnswerLost):
            get(url, SOON)
        assert time.monotonic() - started < 20  # a byte every 50 ms would take minutes, or be understood at last


def test_silence_is_cut_at_the_deadline():
    hang = threading.Event()

    def hold(connection: socket.socket) -> None:
        request(connection)
        hang.wait(20)

    with server(hold) as url:
        with pytest.raises(AnswerLost):
            get(url, SOON)
        hang.set()


def test_an_answer_cut_short_is_lost_not_understood():
    def serve(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(OK + b'{"err')
        connection.close()

    with server(serve) as url, pytest.raises(AnswerLost):
        get(url)


def test_a_closed_port_means_that_nothing_left():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NetworkFailed) as failure:
        get(f"http://127.0.0.1:{port}")
    assert not failure.value.uncertain


def test_a_name_that_does_not_exist_means_that_nothing_left():
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(NetworkFailed) as failure:
        Transport(resolve=nowhere).get("http://nowhere.invalid/")
    assert not failure.value.uncertain


def test_plain_text_where_tls_is_expected_means_that_nothing_left():
    with server(answering(OK + b'{"errcode":0}')) as url, pytest.raises(NetworkFailed) as failure:
        get(url.replace("http://", "https://"), SOON)
    assert not failure.value.uncertain


def test_more_than_a_mebibyte_is_not_read():
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + b" " * 4_000_000
    with server(answering(huge)) as url, pytest.raises(AnswerNotUnderstood):
        get(url)


def test_a_redirect_is_not_followed():
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    with server(answering(moved)) as url, pytest.raises(AnswerNotUnderstood) as failure:
        get(url)
    assert failure.value.http_status == 302


def test_a_wait_that_the_platform_asks_for_is_passed_on():
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
    with server(answering(busy)) as url, pytest.raises(RateLimited) as failure:
        get(url)
    assert failure.value.retry_after == timedelta(seconds=30)


def test_a_gateway_error_keeps_a_short_excerpt():
    page = b"<html>" + b"x" * 3000
    head = f"HTTP/1.1 502 Bad Gateway\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    with server(answering(head + page)) as url, pytest.raises(PlatformBusy) as failure:
        get(url)
    assert failure.value.http_status == 502
    assert len(failure.value.raw) <= 500


def test_connections_are_kept():
    count = []

    def serve(connection: socket.socket) -> None:
        count.append(1)
        answering(OK + b'{"errcode":0}')(connection)

    with server(serve) as url:
        transport = Transport()
        for _ in range(5):
            assert transport.get(url).json() == {"errcode": 0}
    assert len(count) == 1


def test_connections_to_many_hosts_are_not_all_kept():
    """Each name of the same server is a host of its own."""
    opened, closed = 0, threading.Semaphore(0)

    def serve(connection: socket.socket) -> None:
        nonlocal opened
        opened += 1
        while request(connection):
            connection.sendall(OK + b'{"errcode":0}')
        closed.release()

    hosts, transport = 3 * MOST_HOSTS, Transport(resolve=lambda _host, _port: ["127.0.0.1"])
    with server(serve) as url:
        port = urlsplit(url).port
        for number in range(hosts):
            transport.get(f"http://host{number}.example:{port}/")
        assert opened == hosts
        for _ in range(hosts - MOST_HOSTS):
            assert closed.acquire(timeout=10), "a connection that is not kept any more is still open"
        assert not closed.acquire(blocking=False)


def test_a_kept_connection_gets_a_fresh_deadline():
    with server(answering(OK + b'{"errcode":0}')) as url:
        transport = Transport()
        transport.get(url, total_seconds=1.0)
        threading.Event().wait(1.1)
        assert transport.get(url, total_seconds=1.0).json() == {"errcode": 0}


def test_no_secret_is_logged_or_raised(caplog):
    caplog.set_level(logging.DEBUG)
    with server(answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nbad header\r\n\r\n")) as url:
        with pytest.raises(PlatformBusy) as failure:
            get(url)
        with pytest.raises(NetworkFailed) as other:
            get("http://127.0.0.1:1")
    for text in (
        caplog.text,
        repr(failure.value),
        str(failure.value),
        repr(other.value),
        repr(other.value.__context__),
    ):
        assert SECRET not in text


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with server(answering(OK + b'{"errcode":0}')) as url:
        assert Transport().get(url).json() == {"errcode": 0}


def test_cookies_are_not_kept():
    seen = []

    def serve(connection: socket.socket) -> None:
        while head := request(connection):
            seen.append(head)
            connection.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 13\r\n\r\n" + b'{"errcode":0}')

    with server(serve) as url:
        transport = Transport()
        transport.get(url)
        transport.get(url)
    assert b"cookie" not in seen[1].lower()


def test_a_name_that_changes_its_mind_reaches_nobody():
    """The first look-up is harmless, the second would lead to this machine: there is no second one."""
    reached = []

    def serve(connection: socket.socket) -> None:
        reached.append(1)

    with server(serve) as url:
        port = int(url.rsplit(":", 1)[1])
        answers = iter([["203.0.113.7"], ["127.0.0.1"], ["127.0.0.1"]])
        guard = AddressGuard([f"corp.example.com:{port}"], resolve=lambda host, port: next(answers))
        transport = Transport(resolve=guard.resolve, connect_seconds=0.2)
        with pytest.raises(NetworkFailed):
            transport.get(f"https://corp.example.com:{port}/cgi-bin/gettoken")
        with pytest.raises(AddressRefused):
            transport.get(f"https://corp.example.com:{port}/cgi-bin/gettoken")
    assert reached == []
