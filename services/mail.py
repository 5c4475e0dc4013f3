"""E-mail: staged with the change that asks for it, sent by the worker through the operator's server."""

from __future__ import annotations

import json
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from services import outbox, vault
from services.instance import current_settings

SEND = "send_mail"
TIMEOUT_SECONDS = 10
PORTS = {"smtp": 587, "smtps": 465}
_FIELD = "mail"


class NotEncrypted(OSError):
    """The server asks for a password in the clear."""


def is_configured() -> bool:
    return current_settings().smtp_url is not None


def stage(tenant_id: int, to: str, subject: str, text: str, *, now: datetime) -> None:
    """Have the worker send a message. Its text is kept encrypted: it may hold a code."""
    sealed = vault.seal(tenant_id, _FIELD, json.dumps([to, subject, text]))
    payload = {"sealed": sealed}
    outbox.enqueue(SEND, tenant_id=tenant_id, subject_id=0, due_at=now, now=now, payload=payload, queue=outbox.MAIL)


def send_staged(tenant_id: int, sealed: str) -> None:
    """Send what was staged. No transaction may be open. Raises OSError, smtplib.SMTPException."""
    to, subject, text = json.loads(vault.unseal(tenant_id, _FIELD, sealed))
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = current_settings().mail_from, to, subject
    message.set_content(text)
    with _connected() as server:
        server.send_message(message)


def _connected() -> smtplib.SMTP:
    """A session with the server, encrypted where it can be; a password is never sent otherwise."""
    address = urlsplit(current_settings().smtp_url or "")
    host, port = address.hostname or "", address.port or PORTS[address.scheme]
    if address.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        elif address.username:
            server.close()
            raise NotEncrypted("the mail server offers no encryption for the password")
    if address.username:
        server.login(unquote(address.username), unquote(address.password or ""))
    return server
