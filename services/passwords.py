"""Passwords: which ones are accepted, and how they are kept (argon2id) and compared."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

import processors
from errors import AppError
from texts import N_

Result = TypeVar("Result")

SHORTEST = 8
ADVISED = 15
LONGEST = 256
ONE_TIME_LENGTH = 16
READABLE = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters and digits that nobody confuses when reading a password aloud."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
AT_ONCE = 2
_HASHING = threading.BoundedSemaphore(AT_ONCE)
QUEUE_SECONDS = 0.05
NICENESS = 10
"""Of the threads that hash: a crowd that signs in gets what presses and alerts leave of the processor."""
ONE_TIME = "one-time$"
"""How the hash of an initial password begins."""
COMMON = Path(__file__).with_name("data") / "common_passwords.txt"


class WeakPassword(AppError):
    """A password that is not accepted; the message of each kind says why."""

    code = "password.weak"
    api_code = "InvalidParameter"
    message = N_("这个密码太容易猜到")
    status = 422


class PasswordTooShort(WeakPassword):
    code = "password.too_short"
    message = N_("密码至少需要 %(shortest)s 个字符，建议 %(advised)s 个以上")


class PasswordTooLong(WeakPassword):
    code = "password.too_long"
    message = N_("密码最多 %(longest)s 个字符")


class PasswordIsCommon(WeakPassword):
    code = "password.common"
    message = N_("这个密码很常见，容易被猜到")
    hint = N_("试试用几个不相干的词组成一句话。")


class PasswordHoldsName(WeakPassword):
    code = "password.holds_name"
    message = N_("密码不能包含用户名")


class HashingBusy(AppError):
    """Too many people sign in at this moment; hashing must not keep everything else waiting."""

    code = "password.busy"
    api_code = "RequestTooFrequently"
    message = N_("现在登录的人太多")
    hint = N_("请稍等几秒再试。")
    status = 429
    retry_after = timedelta(seconds=1)


def check_acceptable(password: str, username: str) -> None:
    """Raise a WeakPassword unless the password may be used by this person. There are no rules of composition."""
    if len(password) < SHORTEST:
        raise PasswordTooShort(shortest=SHORTEST, advised=ADVISED)
    if len(password) > LONGEST:
        raise PasswordTooLong(longest=LONGEST)
    folded = password.casefold()
    if folded in _common() or len(set(folded)) <= 2:
        raise PasswordIsCommon
    name = username.casefold()
    if name and (folded == name[::-1] or name in folded):
        raise PasswordHoldsName


def hash_password(password: str) -> str:
    """Raises HashingBusy if two others are being computed."""
    return _computed(lambda: HASHER.hash(_normal(password)))


def hash_one_time(password: str) -> str:
    """A hash for a password that dies with its first use or soon: cheap, so that thousands can be made in seconds.

    A random one has 92 bits, which nobody tries through; one that is the account's name is no secret at all.
    """
    salt = secrets.token_hex(8)
    return f"{ONE_TIME}{salt}${_digest(salt, password)}"


def is_one_time(hashed: str | None) -> bool:
    return hashed is not None and hashed.startswith(ONE_TIME)


def _digest(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}${_normal(password)}".encode()).hexdigest()


def _matches_one_time(password: str, hashed: str) -> bool:
    salt, _, digest = hashed.removeprefix(ONE_TIME).partition("$")
    return hmac.compare_digest(_digest(salt, password), digest)


def verify(password: str, hashed: str | None) -> bool:
    """Whether the password is the right one. Takes equally long without a hash to compare with.

    Raises HashingBusy if two others are being computed.
    """
    cheap = hashed if is_one_time(hashed) else None
    try:
        right = _computed(lambda: HASHER.verify(_decoy() if cheap or not hashed else hashed, _normal(password)))
    except (VerificationError, InvalidHashError):
        return cheap is not None and password != "" and _matches_one_time(password, cheap)
    return right and hashed is not None and password != ""


def is_outdated(hashed: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return not is_one_time(hashed) and HASHER.check_needs_rehash(hashed)


def one_time_password() -> str:
    """A random password to be handed over once: 16 letters and digits, 92 bits."""
    return "".join(secrets.choice(READABLE) for _ in range(ONE_TIME_LENGTH))


def _computed(compute: Callable[[], Result]) -> Result:
    with _one_of_two():
        return _HASHERS.submit(compute).result()


def _give_way() -> None:
    """Put this thread behind others, where a thread can be and not only a process, and let it find room elsewhere."""
    processors.roam()
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


_HASHERS = ThreadPoolExecutor(AT_ONCE, "hashing", initializer=_give_way)


@contextmanager
def _one_of_two() -> Iterator[None]:
    if not _HASHING.acquire(timeout=QUEUE_SECONDS):
        raise HashingBusy
    try:
        yield
    finally:
        _HASHING.release()


def _normal(password: str) -> str:
    """The same characters typed on different systems are the same password."""
    return unicodedata.normalize("NFKC", password)


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text(encoding="utf-8").split())


@cache
def _decoy() -> str:
    return HASHER.hash(secrets.token_hex(16))
