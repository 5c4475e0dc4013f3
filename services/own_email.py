"""One's own e-mail address: changed by its owner alone, who types the code that was sent there."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from flask_babel import gettext
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from errors import AppError, InvalidInput
from extensions import db
from models import EmailChange, Membership, User
from services import audit, mail
from services.instance import current_settings
from texts import N_

LIFE = timedelta(minutes=15)
MOST_TRIES = 5
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
LONGEST = 254


class NoMailServer(AppError):
    code = "email.no_mail_server"
    api_code = "InvalidParameter"
    message = N_("本系统没有配置邮件服务器，无法验证邮箱")
    hint = N_("请联系实例管理员。")
    status = 422


class WrongCode(AppError):
    """Another code, too late, or too often wrong: the answer does not tell which."""

    code = "email.wrong_code"
    api_code = "InvalidParameter"
    message = N_("验证码不正确或已过期")
    hint = N_("请检查最近一封邮件，或重新获取验证码。")
    status = 422
    field = "code"


def waiting(user: User, *, now: datetime) -> str:
    """The address that waits for its code; "" if none does."""
    change = db.session.get(EmailChange, user.id)
    return change.email if change is not None and _is_open(change, now) else ""


def ask(member: Membership, address: str, *, now: datetime) -> None:
    """Stage sending a code to an address that the person says is theirs. The caller has made sure that it is they.

    Somebody else's address gets a note in place of a code, and the answer is the same: nobody learns who has one.
    Raises NoMailServer, InvalidInput.
    """
    if not mail.is_configured():
        raise NoMailServer
    user, address = member.user, address.strip().lower()
    if not ADDRESS.fullmatch(address) or len(address) > LONGEST:
        raise InvalidInput("email", N_("邮箱格式不正确"))
    if address == user.email and user.email_verified_at is not None:
        raise InvalidInput("email", N_("这已经是您验证过的邮箱"))
    code = f"{secrets.randbelow(1_000_000):06}"
    change = db.session.get(EmailChange, user.id) or EmailChange(user_id=user.id)
    change.email, change.tries, change.expires_at = address, 0, now + LIFE
    change.code_hash = _hash(user, address, secrets.token_hex() if _is_of_another(user, address) else code)
    db.session.add(change)
    subject = gettext("验证您的邮箱")
    if _is_of_another(user, address):
        text = gettext("有人想把这个邮箱用于另一个账户，但它已属于您的账户。如果不是您本人操作，无需处理。")
    else:
        text = gettext("您的验证码是 %(code)s，15 分钟内有效。如果不是您本人操作，请忽略此邮件。", code=code)
    mail.stage(member.tenant_id, address, subject, text, now=now)
    audit.record("email.change_asked", by=member, target=user.username, now=now, address=address)


def prove(member: Membership, code: str, *, now: datetime) -> bool:
    """Stage the new address if the code is right; whether it was. A wrong one is counted: commit either way.

    The old address is told, so that its owner notices what somebody else did.
    """
    user = member.user
    change = db.session.get(EmailChange, user.id, with_for_update=True)
    if change is None or not _is_open(change, now):
        return False
    if not hmac.compare_digest(change.code_hash, _hash(user, change.email, code.strip())):
        change.tries += 1
        return False
    before, address = user.email, change.email
    db.session.delete(change)
    if _is_of_another(user, address):
        return False
    try:
        with db.session.begin_nested():
            user.email, user.email_verified_at = address, now
    except IntegrityError:  # somebody else proved the same one at this moment
        return False
    audit.record("email.changed", by=member, target=user.username, now=now, before=before, after=address)
    if before and before != address:
        text = gettext(
            "您的账户 %(name)s 的邮箱已改为另一个地址。如果不是您本人操作，请立即联系管理员。", name=user.username
        )
        mail.stage(member.tenant_id, before, gettext("您的邮箱已更改"), text, now=now)
    return True


def _is_open(change: EmailChange, now: datetime) -> bool:
    return change.expires_at > now and change.tries < MOST_TRIES


def _is_of_another(user: User, address: str) -> bool:
    taken = select(User.id).where(func.lower(User.email) == address, User.id != user.id)
    return db.session.scalar(taken) is not None


def _hash(user: User, address: str, code: str) -> str:
    """Bound to the installation, so that what is stored cannot be tried out elsewhere."""
    key = current_settings().secret_key.encode()
    return hmac.new(key, f"email {user.id} {address} {code}".encode(), hashlib.sha256).hexdigest()
