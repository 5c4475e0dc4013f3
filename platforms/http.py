"""HTTP to the platforms: kept connections, a deadline for the whole exchange, bounded answers, typed failures.

Addresses carry tokens, so no exception and no log line of this module holds one.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry, Timeout, encode_multipart_formdata
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

import json_text
from crashpoints import crash_here
from platforms.errors import (
    AddressRefused,
    AnswerLost,
    AnswerNotUnderstood,
    CertificateRefused,
    NetworkFailed,
    PlatformBusy,
    PlatformError,
    RateLimited,
)
from platforms.redaction import raw_excerpt

CONNECT_SECONDS = 4.0
TOTAL_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
POOL_SIZE = 32
MOST_HOSTS = 32
"""To which connections are kept at once. Alerts name hosts of pictures: any number of them, in the course of time."""
CHUNK_BYTES = 64 * 1024
LONGEST_WAIT = timedelta(hours=24)
JSON_BODY = "application/json; charset=utf-8"

for _module in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    # Their lines hold whole addresses, tokens included. A filter stays whatever levels are set later.
    logging.getLogger(f"urllib3.{_module}").addFilter(lambda record: record.levelno >= logging.ERROR)

Resolve = Callable[[str, int], list[str]]
"""Host and port → IP addresses that may be connected to. Raises OSError or AddressRefused."""


@dataclass(frozen=True)
class Answer:
    """What came back, read whole. headers: names in lower case; is_quotable: whether people may see a part of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_quotable: bool = True

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises AnswerNotUnderstood for anything else."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise AnswerNotUnderstood("not a JSON object", http_status=self.status, raw=self.excerpt())
        return content

    def excerpt(self) -> str:
        """The beginning of the body for log and page; nothing of what a host that somebody entered has answered."""
        return raw_excerpt(self.body) if self.is_quotable else ""


@dataclass(frozen=True)
class Form:
    """A form with one file: (field, file name, content, content type)."""

    fields: Mapping[str, str]
    file: tuple[str, str, bytes, str]

    def encoded(self) -> tuple[bytes, str]:
        """The body and its Content-Type."""
        field, name, content, content_type = self.file
        parts: dict[str, Any] = {**self.fields, field: (name, content, content_type)}
        return encode_multipart_formdata(parts)


class Transport:
    """Sends requests for every platform of a process; safe to share between threads.

    resolve  decides where a host may be looked for; the guard of platforms/outbound.py replaces the plain look-up
    most_bytes  a larger answer is AnswerNotUnderstood
    quotes   whether failures carry the beginning of the answer: not where people choose the host, or they could
             read what else answers there
    Raises NetworkFailed (nothing left), AnswerLost (it left, no whole answer), AnswerNotUnderstood, PlatformBusy
    (5xx) and RateLimited (429). Redirects are not followed; proxies of the environment are not used.
    """

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        quotes: bool = True,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._resolve = resolve or look_up
        self._quotes = quotes
        self._most_bytes = most_bytes
        self._connect_seconds = connect_seconds
        self._sessions: OrderedDict[str, requests.Session] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, url: str, params: Mapping[str, str] | None = None, *, total_seconds: float = TOTAL_SECONDS) -> Answer:
        return accepted(self._exchange("GET", url, params, total_seconds=total_seconds))

    def post_json(
        self,
        url: str,
        content: Any,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> Answer:
        """POST `content` as raw UTF-8 JSON (no \\u escapes: WeCom refuses them with 40033)."""
        return accepted(self.exchange("POST", url, content, params, headers=headers, total_seconds=total_seconds))

    def exchange(
        self,
        method: str,
        url: str,
        content: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> Answer:
        """Return the answer whatever its status, for a platform whose own code says more; see accepted().

        content  sent as raw UTF-8 JSON; None: no body
        """
        body = None if content is None else json_text.written(content).encode()
        return self._exchange(method, url, params, body, headers=headers, total_seconds=total_seconds)

    def exchange_form(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """The same with a body of form fields; basic: user and password of HTTP's own authentication."""
        known = dict(headers or {})
        if basic is not None:
            known["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        body = None if fields is None else urlencode(fields).encode()
        if body is not None:
            known["Content-Type"] = "application/x-www-form-urlencoded"
        return self._exchange(method, url, None, body, headers=known, total_seconds=TOTAL_SECONDS)

    def exchange_file(self, method: str, url: str, form: Form, *, headers: Mapping[str, str]) -> Answer:
        """The same with a form that holds a file."""
        body, content_type = form.encoded()
        known = {**headers, "Content-Type": content_type}
        return self._exchange(method, url, None, body, headers=known, total_seconds=TOTAL_SECONDS)

    def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        total_seconds: float,
    ) -> Answer:
        progress.written = False
        failure: PlatformError
        try:
            wanted = requests.Request(method, url, params=params, data=body, headers=dict(headers or {}))
            prepared = self._session(url).prepare_request(wanted)
            if body:
                prepared.headers.setdefault("Content-Type", JSON_BODY)
            timeout = Timeout(connect=self._connect_seconds, total=total_seconds)
            # The adapter is asked itself: a session would read a redirect's whole body even if it is not followed.
            adapter = self._session(url).get_adapter(url)
            with adapter.send(prepared, stream=True, timeout=timeout, verify=True) as response:  # type: ignore[arg-type]
                answer = Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    _read(response, self._most_bytes),
                    self._quotes,
                )
            return answer
        except PlatformError:
            raise
        except (RequestException, HTTPError, OSError, ValueError) as error:
            failure = _failure(error)
        raise failure  # outside the handler: the library's exception names the address, so it must not be chained

    def _session(self, url: str) -> requests.Session:
        """The host's, whose connections are kept; the one that was not asked for the longest time is closed."""
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if host not in self._sessions:
                self._sessions[host] = self._new_session()
            self._sessions.move_to_end(host)
            idle = self._sessions.popitem(last=False)[1] if len(self._sessions) > MOST_HOSTS else None
            found = self._sessions[host]
        if idle is not None:
            idle.close()
        return found

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers = {"User-Agent": "dutybell", "Accept": "application/json", "Accept-Encoding": "identity"}
        adapter = _Adapter(self._resolve)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session


class _Progress(threading.local):
    """How far this thread's request has come: whether its first byte may have left."""

    written = False


progress = _Progress()


class _Adapter(HTTPAdapter):
    """Opens connections where `resolve` allows, and cuts them at the deadline."""

    def __init__(self, resolve: Resolve) -> None:
        self._pool_classes = _pools(resolve)
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE, max_retries=Retry(0, read=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes


def _pools(resolve: Resolve) -> dict[str, type]:
    class Plain(_Timed, HTTPConnection):  # type: ignore[misc]
        resolve_host = staticmethod(resolve)

    class Secure(_Timed, HTTPSConnection):  # type: ignore[misc]
        resolve_host = staticmethod(resolve)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _Timed:
    """A connection to an address that was looked up and checked once, whose socket knows its deadline."""

    resolve_host: Resolve

    def _new_conn(self: Any) -> socket.socket:
        """Connect to the first address that answers; all of them share the connect timeout."""
        deadline = time.monotonic() + float(self.timeout or CONNECT_SECONDS)
        problem: OSError = OSError("no address")
        for address in self.resolve_host(self._dns_host, self.port):
            try:
                left = max(deadline - time.monotonic(), 0.05)
                made = socket.create_connection((address, self.port), timeout=left)
            except OSError as error:
                problem = error
            else:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made
        raise NewConnectionError(self, f"cannot connect: {type(problem).__name__}")

    def connect(self: Any) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _DeadlineSocket(self.sock, self.timeout)

    def putrequest(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.sock is None:
            self.connect()
        progress.written = True
        return super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self: Any) -> Any:
        crash_here("worker.request_written")
        return super().getresponse()  # type: ignore[misc]


class _DeadlineSocket:
    """A socket whose timeout is one deadline for all that follows, not a pause allowed between two bytes."""

    def __init__(self, sock: socket.socket, seconds: float | None) -> None:
        self._sock = sock
        self.settimeout(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        self._deadline = time.monotonic() + (TOTAL_SECONDS if seconds is None else seconds)
        self._sock.settimeout(seconds)

    def arm(self) -> None:
        """Give the next call what is left. Raises TimeoutError when nothing is."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        self._sock.settimeout(left)

    def sendall(self, data: Any, *flags: int) -> None:
        self.arm()
        self._sock.sendall(data, *flags)

    def makefile(self, *_mode: Any, **_kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self, self._sock.makefile("rb", buffering=0)))


class _DeadlineReader(io.RawIOBase):
    def __init__(self, sock: _DeadlineSocket, raw: Any) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.arm()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def look_up(host: str, port: int) -> list[str]:
    """Return the host's addresses. The system's resolver has no deadline of its own, so a thread asks it."""
    found: list[list[str] | OSError] = []

    def ask() -> None:
        try:
            found.append(
                list(dict.fromkeys(str(i[4][0]) for i in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)))
            )
        except OSError as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="resolver")
    asking.start()
    asking.join(CONNECT_SECONDS)
    answer = found[0] if found else TimeoutError("name look-up took too long")
    if isinstance(answer, OSError):
        raise answer
    return answer


def _read(response: requests.Response, most: int) -> bytes:
    body = bytearray()
    while chunk := response.raw.read(CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > most:
            raise AnswerNotUnderstood(f"answer larger than {most} bytes", http_status=response.status_code)
    return bytes(body)


def accepted(answer: Answer) -> Answer:
    """Return an answer that the platform's own code should judge; raise for the ones that HTTP itself explains."""
    failure: type[PlatformError] | None = None
    if answer.status == 429:
        failure = RateLimited
    elif answer.status >= 500:
        failure = PlatformBusy
    elif 300 <= answer.status < 400:
        failure = AnswerNotUnderstood
    if failure is None:
        return answer
    raise failure(
        f"HTTP {answer.status}",
        http_status=answer.status,
        raw=answer.excerpt(),
        retry_after=retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC)),
    )


def retry_after(value: str, now: datetime) -> timedelta | None:
    """Read a Retry-After header: seconds or a date; at most 24 h are believed."""
    if value.strip().isascii() and value.strip().isdecimal():
        return min(timedelta(seconds=min(int(value.strip()), 10**6)), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta()), LONGEST_WAIT)


def _failure(error: BaseException) -> PlatformError:
    """Our class for what the library raised; only names of classes are kept, since its texts hold the address."""
    kinds = list(_causes(error))
    refused = next((cause for cause in kinds if isinstance(cause, AddressRefused)), None)
    if refused:
        return refused
    names = " < ".join(dict.fromkeys(type(cause).__name__ for cause in kinds))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in kinds):
        return CertificateRefused(names)
    return AnswerLost(names) if progress.written else NetworkFailed(names)


def _causes(error: BaseException | None, depth: int = 8) -> list[BaseException]:
    """The exception with everything that it wraps, by chain, argument or reason."""
    if error is None or depth == 0:
        return []
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    nested = [cause for item in inner if isinstance(item, BaseException) for cause in _causes(item, depth - 1)]
    return [error, *nested]
