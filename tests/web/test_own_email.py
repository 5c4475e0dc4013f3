"""One's own e-mail address: the password, then the code that only the mailbox's owner reads."""

from __future__ import annotations

import re
import smtplib
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select

from config import Settings
from extensions import db
from jobs import mail as mail_job
from jobs.outbox import Claim, Dead, Done, Later, Outcome
from models import AuditEntry, Job, Membership, User
from services import own_email
from services.clock import utcnow
from tests.conftest import make_settings
from tests.factories import make_member
from tests.web.conftest import PASSWORD, Browser

NEW = "lin@example.com"


class Server:
    """A mail server that keeps what it is given; broken: it takes nothing."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.is_broken = False

    def __call__(self, *_address: object, **_options: object) -> Server:
        if self.is_broken:
            raise ConnectionRefusedError
        return self

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def ehlo(self) -> None:
        return None

    def has_extn(self, _name: str) -> bool:
        return False

    def send_message(self, message: EmailMessage) -> None:
        self.messages.append(message)


@pytest.fixture
def settings(data_folder: Path, sqlite_template: Path) -> Settings:
    return make_settings(data_folder, smtp_url="smtp://mail.example.com", mail_from="duty@example.com")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(smtplib, "SMTP", made)
    return made


@pytest.fixture
def lin(client: Browser, responder: Membership) -> Membership:
    client.sign_in(responder)
    return responder


def deliver() -> list[Outcome]:
    """Let the worker send what waits, once; what came of each."""
    outcomes = []
    for job in db.session.scalars(select(Job).where(Job.kind == "send_mail", Job.state == "pending")).all():
        assert NEW not in str(job.payload)  # neither address nor code lies there in the clear
        mine = Claim(job.id, job.kind, job.tenant_id, job.subject_id, job.payload, job.attempts, job.due_at, 0)
        outcomes.append(mail_job.run(mine))
        db.session.refresh(job)
        assert isinstance(outcomes[-1], Later) or not job.payload  # it is forgotten with the last try
        db.session.delete(job)
    db.session.commit()
    return outcomes


def ask(client: Browser, address: str = NEW, password: str = PASSWORD) -> str:
    fields = {"email": address, "password": password}
    answer: str = client.submit("/me/email", fields, page="/me", follow_redirects=True).text
    return answer


def prove(client: Browser, code: str) -> str:
    answer: str = client.submit("/me/email/prove", {"code": code}, page="/me", follow_redirects=True).text
    return answer


def code_in(message: EmailMessage) -> str:
    found = re.search(r"\d{6}", message.get_content())
    assert found
    return found[0]


def stored(member: Membership) -> User:
    return db.session.get_one(User, member.user_id, populate_existing=True)


def test_an_address_is_ours_once_its_code_is_typed(client: Browser, lin: Membership, server: Server) -> None:
    stored(lin).email = "old@example.com"
    assert "验证码已发送" in ask(client)
    assert stored(lin).email == "old@example.com"
    assert deliver() == [Done()]
    (message,) = server.messages
    assert (message["To"], message["From"]) == (NEW, "duty@example.com")
    assert "邮箱已更新并通过验证" in prove(client, code_in(message))
    assert (stored(lin).email, stored(lin).email_verified_at is not None) == (NEW, True)
    deliver()
    assert server.messages[-1]["To"] == "old@example.com"  # whoever had it hears of it
    assert "验证码不正确或已过期" in prove(client, code_in(message))
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "email.changed")).one()
    assert entry.detail == {"before": "old@example.com", "after": NEW}


def test_without_the_password_nothing_is_sent(client: Browser, lin: Membership) -> None:
    refused = ask(client, password="another long sentence")
    assert "当前密码不正确" in refused
    assert f'value="{NEW}"' in refused
    assert deliver() == []


@pytest.mark.parametrize("address", ["", "lin", "lin@", "a b@example.com", "a@b.c\nBcc: x@y.z", "x" * 250 + "@a.cn"])
def test_what_is_no_address_is_refused(client: Browser, lin: Membership, address: str) -> None:
    assert "邮箱格式不正确" in ask(client, address)
    assert deliver() == []


def test_a_code_is_guessed_five_times_and_no_more(client: Browser, lin: Membership, server: Server) -> None:
    ask(client)
    deliver()
    right = code_in(server.messages[0])
    for number in range(own_email.MOST_TRIES):
        assert "验证码不正确" in prove(client, f"{(int(right) + number + 1) % 1_000_000:06}")
    assert "验证码不正确" in prove(client, right)
    assert stored(lin).email is None


def test_a_code_ends_after_a_quarter_of_an_hour(client: Browser, lin: Membership, server: Server) -> None:
    ask(client)
    deliver()
    with time_machine.travel(utcnow() + own_email.LIFE, tick=False):
        assert "验证码不正确" in prove(client, code_in(server.messages[0]))
    assert stored(lin).email is None


def test_nobody_learns_who_else_has_an_address(client: Browser, lin: Membership, server: Server) -> None:
    make_member("zhou", email=NEW)
    assert "验证码已发送" in ask(client)
    deliver()
    assert "已属于您的账户" in server.messages[0].get_content()
    assert "验证码不正确" in prove(client, "000000")
    assert stored(lin).email is None


def test_of_two_who_prove_an_address_at_once_one_gets_it(
    client: Browser, lin: Membership, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(client)
    deliver()
    make_member("zhou", email=NEW)  # a moment after it was looked at whether somebody has it
    monkeypatch.setattr(own_email, "_is_of_another", lambda _user, _address: False)
    assert "验证码不正确" in prove(client, code_in(server.messages[0]))
    assert stored(lin).email is None


def test_a_server_that_takes_nothing_is_tried_three_times(client: Browser, lin: Membership, server: Server) -> None:
    server.is_broken = True
    ask(client)
    (outcome,) = deliver()
    assert isinstance(outcome, Later)
    assert outcome.payload is not None
    last = Claim(1, "send_mail", lin.tenant_id, 0, outcome.payload | {"tries": 2}, 1, utcnow(), 0)
    assert isinstance(mail_job.run(last), Dead)


def test_a_code_that_nobody_waits_for_any_more_is_not_sent(client: Browser, lin: Membership, server: Server) -> None:
    """No worker was there, or a backup was restored."""
    ask(client)
    with time_machine.travel(utcnow() + timedelta(minutes=61), tick=False):
        (outcome,) = deliver()
    assert isinstance(outcome, Dead)
    assert server.messages == []


def test_without_a_mail_server_the_page_says_so(client: Browser, lin: Membership, app) -> None:
    app.config["SETTINGS"] = make_settings(app.config["SETTINGS"].home)
    assert "没有配置邮件服务器" in client.get("/me").text
    assert "没有配置邮件服务器" in ask(client)
