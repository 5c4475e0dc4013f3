"""Slows down guessing: failed sign-ins are counted per account and per address.

An attempt is written down and committed before the password is looked at, and forgotten if it was right; so
a crowd of guesses at the same moment counts as a crowd.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select

from errors import AppError
from extensions import db, read_only
from models import SignInAttempt
from texts import N_

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 5
PER_ADDRESS = 100


class TooManyAttempts(AppError):
    """Refused without looking at the password; the same for names that do not exist."""

    code = "sign_in.too_many_attempts"
    api_code = "RequestTooFrequently"
    message = N_("登录失败次数过多，请在 %(minutes)s 分钟后再试")
    hint = N_("如果忘记了密码，请联系管理员重置。")
    status = 429

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(minutes=max(1, math.ceil(retry_after / timedelta(minutes=1))))
        self.retry_after = retry_after


def fold(username: str) -> str:
    """One spelling for all the ways to write a name: case, width and surrounding space do not matter."""
    return unicodedata.normalize("NFKC", username).strip().casefold()[:128]


def begin(account: str, address: str, *, now: datetime) -> SignInAttempt:
    """Count an attempt before it is decided. `account` is folded. Commits: others must see it at once.

    Raises TooManyAttempts, with the time until the oldest of the counted failures is forgotten.
    """
    attempt = SignInAttempt(account=account, address=address[:64], at=now)
    db.session.add(attempt)
    db.session.commit()
    db.session.expunge(attempt)  # the right password, given elsewhere meanwhile, may delete the row
    with read_only():
        wait = max(
            _wait(SignInAttempt.account == account, PER_ACCOUNT, attempt, now),
            _wait(SignInAttempt.address == attempt.address, PER_ADDRESS, attempt, now),
        )
    if wait > timedelta(0):
        withdraw(attempt)
        raise TooManyAttempts(wait)
    return attempt


def is_last(attempt: SignInAttempt, *, now: datetime) -> bool:
    """Whether this failure used up what its account or its address may get wrong: the next one is sent away."""
    account, address = SignInAttempt.account == attempt.account, SignInAttempt.address == attempt.address
    return any(_counted(same, now) == limit for same, limit in ((account, PER_ACCOUNT), (address, PER_ADDRESS)))


def _counted(same: ColumnElement[bool], now: datetime) -> int:
    wanted = select(func.count(SignInAttempt.id)).where(SignInAttempt.at > now - WINDOW, same)
    return int(db.session.scalar(wanted) or 0)


def withdraw(attempt: SignInAttempt) -> None:
    """Take an attempt back that was no guess: refused before the password was compared. Commits."""
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.id == attempt.id))
    db.session.commit()


def forget(account: str) -> None:
    """Stage that an account's failures no longer count: the right password was given."""
    db.session.execute(delete(SignInAttempt).where(SignInAttempt.account == account))


def _wait(same: ColumnElement[bool], limit: int, attempt: SignInAttempt, now: datetime) -> timedelta:
    """How long an attempt has to wait because `limit` earlier ones are still counted; zero if it may go on."""
    earlier = (SignInAttempt.at > now - WINDOW, SignInAttempt.id != attempt.id, same)
    count, newest = db.session.execute(
        select(func.count(SignInAttempt.id), func.max(SignInAttempt.at)).where(*earlier)
    ).one()
    return newest + WINDOW - now if count >= limit else timedelta(0)
