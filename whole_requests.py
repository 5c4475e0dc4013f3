"""gunicorn's thread worker, which gives a request to a thread only once all of it has arrived.

A thread that reads from a peer which sends a byte a second is lost to everybody else, and there are sixteen. Here the
loop that waits for connections gathers their bytes, so that slow peers cost memory and nothing else, without a reverse
proxy, too. What takes too long is answered 408 and closed.
"""

from __future__ import annotations

import errno
import math
import re
import selectors
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

import arrival

IDLE_SECONDS = 30.0
"""How long a new connection may stay silent."""
WHOLE_SECONDS = 15.0
"""How long a request may take from its first byte to its last: a megabyte over a slow line of half a megabit."""
HELD_SECONDS = 30.0
"""How long a request waits for a thread: whoever sent it has given up by then."""
ANSWER_SECONDS = 30.0
"""How long a peer may take for a page, or for a piece of a file: twice as long as for a request of the same length."""
LARGEST_HEAD = 64 * 1024
LONGEST_BODY = arrival.LARGEST_BODY + 1024
LARGEST_REQUEST = LARGEST_HEAD + LONGEST_BODY
"""Bytes. What is longer is not waited for: the application reads no more than that, and refuses it in its words."""
ALL_WAITING = 64 * 1024 * 1024
"""Bytes of all requests of this process together that no thread has yet; whose request goes beyond is sent away."""
PIECE = 64 * 1024
LINGER_SECONDS = 2.0
MOST_LEAVING = 200
MOST_CHUNKS = 10_000
LONGEST_SIZE_LINE = 1024
"""Bytes of the line before a chunk."""
LOOK_EVERY_SECONDS = 1.0
NOTHING_MORE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What accept() fails with where no more connections fit."""
HURRIED = re.compile(rb"[A-Z]+ /callback/")
"""Who is to be answered within a second, whatever everybody else waits for."""
KEPT_FOR_HURRIED = 1 / 4
"""Of the threads: all others together never have more than the rest."""

LINE_END, HEAD_END = b"\r\n", b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})", re.IGNORECASE)
"""As many digits as tell what is too long; what else may be wrong with it is for the parser to find."""
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;|\Z)")
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
BROKEN = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_LONG = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"


@dataclass(eq=False)
class Incoming:
    """What a connection has sent of its next request.

    until       by the monotonic clock
    head        bytes up to the body, 0 until they are all there
    length      of the whole request, as soon as it is known: from its head, or with the last of its chunks
    is_chunked  its chunks are gone through as they come; next_chunk: where the next one begins; chunked_bytes: what
                they hold, with all of the last one that has begun
    is_broken   what is there is no chunk: nobody can say where the request ends
    """

    connection: Any
    until: float
    data: bytearray = field(default_factory=bytearray)
    head: int = 0
    length: int | None = None
    is_chunked: bool = False
    next_chunk: int = 0
    chunks: int = 0
    chunked_bytes: int = 0
    is_broken: bool = False

    def take(self, piece: bytes) -> None:
        searched_from = max(0, len(self.data) - len(HEAD_END))
        self.data += piece
        if not self.head:
            self._take_head(searched_from)
        if self.is_chunked and self.length is None:
            self._go_through_chunks()

    def _take_head(self, searched_from: int) -> None:
        end = self.data.find(HEAD_END, searched_from)
        if end < 0:
            return
        self.head = self.next_chunk = end + len(HEAD_END)
        self.is_chunked = self.says(CHUNKED)
        if not self.is_chunked:
            found = LENGTH.search(self.data, 0, self.head)
            self.length = self.head + (int(found[1]) if found else 0)

    def _go_through_chunks(self) -> None:
        """Find where the last one ends."""
        while self.next_chunk < len(self.data) and not self.is_too_long:
            end = self.data.find(LINE_END, self.next_chunk, self.next_chunk + LONGEST_SIZE_LINE)
            if end < 0:
                self.is_broken = len(self.data) - self.next_chunk >= LONGEST_SIZE_LINE
                return
            found = CHUNK_SIZE.match(self.data, self.next_chunk, end)
            if not found:
                self.is_broken = True
                return
            size = int(found[1], 16)
            if not size:
                self._take_trailers(end)
                return
            self.chunks += 1
            self.chunked_bytes += size
            self.next_chunk = end + len(LINE_END) + size + len(LINE_END)

    def _take_trailers(self, end: int) -> None:
        """end: of the last chunk's line; an empty line ends what follows it."""
        found = self.data.find(HEAD_END, end)
        if found >= 0:
            self.length = found + len(HEAD_END)

    def says(self, header: re.Pattern[bytes]) -> bool:
        return header.search(self.data, 0, self.head) is not None

    @property
    def is_too_long(self) -> bool:
        return max(len(self.data), self.length or 0) > LARGEST_REQUEST or self.chunks > MOST_CHUNKS

    @property
    def is_whole(self) -> bool:
        return self.length is not None and len(self.data) >= self.length

    @property
    def is_for_the_application(self) -> bool:
        """Whether a thread can answer it without waiting for its peer."""
        if self.is_whole or not self.is_chunked:
            return self.is_whole or (self.is_too_long and self.head > 0)
        return self.is_too_long and self.chunked_bytes - max(0, self.next_chunk - len(self.data)) > LONGEST_BODY


@dataclass(eq=False)
class Leaving:
    """A connection that was answered for the last time: until when, and how much, we listen to what it still sends."""

    until: float
    bytes_left: int = LARGEST_HEAD


class WholeRequests(ThreadWorker):
    """`worker_class` of gunicorn.conf.py. Everything here runs in the loop's own thread, and never waits."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reads_ahead = not self.cfg.is_ssl
        self.most_incoming = self.worker_connections // 2
        self.incoming: dict[socket.socket, Incoming] = {}
        self.leaving: dict[socket.socket, Leaving] = {}
        self.bytes_waiting = 0
        self.look_again_at = 0.0
        self.most_patient = max(1, self.cfg.threads - math.ceil(self.cfg.threads * KEPT_FOR_HURRIED))
        self.patient = 0
        self.held_back: deque[Incoming] = deque()

    # --- connections --------------------------------------------------------------------------------------------------

    def accept(self, listener: Any) -> None:
        """Whoever keeps a connection for the next request gives it up where a new one needs the place.

        Where the process may open nothing more, as many as there are now are all that it takes for a moment.
        """
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in NOTHING_MORE:
                raise
            self.worker_connections = self.nr_conns
        if self.nr_conns >= self.worker_connections and self.keepalived_conns:
            self._end(self.keepalived_conns.popleft())

    def _end(self, idle: Any) -> None:
        idle.is_ended = True
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(idle.sock)
        self.nr_conns -= 1
        idle.close()

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """The loop calls this; at the same turn the connection may have been ended."""
        if not getattr(conn, "is_ended", False):
            super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: Any) -> None:
        """Whatever was accepted, has become readable or was read ahead passes here on its way to a thread."""
        if not self.reads_ahead or conn.is_http2:
            super().enqueue_req(conn)
            return
        conn.close = partial(self._close, conn.sock)
        begun = Incoming(conn, time.monotonic() + IDLE_SECONDS)
        ahead = conn.parser.unreader.take_buffered() if conn.parser is not None else b""
        if ahead:
            self._take(begun, ahead)
        else:
            self._read(begun)

    def murder_pending(self) -> None:
        """The loop calls this at each of its turns."""
        super().murder_pending()
        now = time.monotonic()
        if now < self.look_again_at and self.alive:
            return
        self.look_again_at = now + LOOK_EVERY_SECONDS
        self.worker_connections = self.cfg.worker_connections  # accept() finds out whether more fit by now
        while self.held_back and now > self.held_back[0].until:
            self._drop(self.held_back.popleft(), TOO_MANY)
        for coming in list(self.incoming.values()):
            if now > coming.until or not (self.alive or coming.data):
                self._drop(coming, TOO_SLOW if coming.data else b"")
        for sock, one in list(self.leaving.items()):
            if now > one.until:
                self._leave(sock)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """Called by threads: nobody waits for the rest of what was refused for its length."""
        return not getattr(conn, "is_too_long", False) and super()._keepalive_after(conn, keepalive)

    # --- threads ------------------------------------------------------------------------------------------------------

    def _hand_over(self, one: Incoming) -> None:
        """Give a request to a thread, unless that is one of those kept for who is in a hurry."""
        now, connection = time.monotonic(), one.connection
        connection.came_at, connection.is_too_long = now, one.is_too_long
        connection.is_patient = not HURRIED.match(one.data)
        self._stop_reading(one)
        if not connection.is_patient or self.patient < self.most_patient:
            self._begin(one)
        elif self.bytes_waiting > ALL_WAITING:
            self._drop(one, TOO_MANY)
        else:
            one.until = now + HELD_SECONDS
            self.held_back.append(one)

    def _begin(self, one: Incoming) -> None:
        connection = one.connection
        try:
            connection.init()
        except OSError:  # its peer has gone meanwhile
            self._drop(one)
            return
        self.bytes_waiting -= len(one.data)
        connection.parser.unreader.unread(bytes(one.data))
        super().enqueue_req(connection)
        self.patient += connection.is_patient

    def finish_request(self, conn: Any, fs: Any) -> None:
        """The loop calls this when a thread is done with a request."""
        if getattr(conn, "is_patient", False):
            self.patient -= 1
            while self.held_back and self.patient < self.most_patient:
                self._begin(self.held_back.popleft())
        super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Called by threads. A peer that does not take its answer is one that has gone."""
        arrival.note(getattr(conn, "came_at", None) or time.monotonic())
        conn.sock.settimeout(ANSWER_SECONDS)
        try:
            return super().handle_request(req, conn)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the answer was not taken in time") from error

    # --- a request on its way in --------------------------------------------------------------------------------------

    def _read_on(self, one: Incoming, sock: socket.socket) -> None:
        """The loop calls this; at the same turn the connection may have been dropped."""
        if sock in self.incoming:
            self._read(one)

    def _read(self, one: Incoming) -> None:
        try:
            piece = one.connection.sock.recv(PIECE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._wait(one)
        except OSError:
            self._drop(one)
        else:
            if piece:
                self._take(one, piece)
            else:
                self._drop(one)

    def _take(self, one: Incoming, piece: bytes) -> None:
        """Add what has come, and hand the request over if that was the rest of it."""
        was_in_head = not one.head
        if not one.data:
            one.until = time.monotonic() + WHOLE_SECONDS
        one.take(piece)
        self.bytes_waiting += len(piece)
        if one.is_for_the_application:
            self._hand_over(one)
        elif one.is_broken:
            self._drop(one, BROKEN)
        elif one.is_too_long and one.head:
            self._drop(one, TOO_LONG)
        elif not one.head and len(one.data) > LARGEST_HEAD:
            self._drop(one, HEAD_TOO_LARGE)
        elif self.bytes_waiting > ALL_WAITING:
            self._drop(one, TOO_MANY)
        else:
            if was_in_head and one.says(EXPECTS):
                _say(one.connection.sock, GO_ON)
            self._wait(one)

    def _wait(self, one: Incoming) -> None:
        if one.connection.sock not in self.incoming:
            if len(self.incoming) >= self.most_incoming:  # the oldest has had its time
                self._drop(next(iter(self.incoming.values())), TOO_MANY)
            self.incoming[one.connection.sock] = one
            self.poller.register(one.connection.sock, selectors.EVENT_READ, partial(self._read_on, one))

    def _drop(self, one: Incoming, answer: bytes = b"") -> None:
        self._stop_reading(one)
        self.bytes_waiting -= len(one.data)
        self.nr_conns -= 1
        if answer:
            _say(one.connection.sock, answer)
        one.connection.close(graceful=bool(answer))

    def _stop_reading(self, one: Incoming) -> None:
        if self.incoming.pop(one.connection.sock, None):
            self.poller.unregister(one.connection.sock)

    # --- a connection on its way out ----------------------------------------------------------------------------------

    def _close(self, sock: socket.socket, graceful: bool = False) -> None:
        """Close a connection; with grace, only after its peer has had the time to read the answer and to close, too.

        gunicorn's own way of doing that waits for each such peer up to two seconds, with everybody else.
        """
        if not graceful or len(self.leaving) >= MOST_LEAVING:
            util.close(sock)
            return
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.setblocking(False)
            self.poller.register(sock, selectors.EVENT_READ, self._drain)
        except (OSError, KeyError, ValueError):
            util.close(sock)
            return
        self.leaving[sock] = Leaving(time.monotonic() + LINGER_SECONDS)

    def _drain(self, sock: socket.socket) -> None:
        try:
            piece = sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self.leaving[sock].bytes_left -= len(piece)
        if not piece or self.leaving[sock].bytes_left < 0:
            self._leave(sock)

    def _leave(self, sock: socket.socket) -> None:
        del self.leaving[sock]
        self.poller.unregister(sock)
        util.close(sock)


def _say(sock: socket.socket, words: bytes) -> None:
    """A few bytes: they fit into what the system keeps for the connection, or are lost with it."""
    with suppress(OSError):
        sock.send(words, socket.MSG_DONTWAIT)
