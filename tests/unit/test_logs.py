"""Log lines: one line each, numbered, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import logs
from tests.conftest import make_settings

CANARY = "CaNaRy-31415926"


@pytest.fixture
def written(tmp_path: Path) -> Iterator[io.StringIO]:
    """What the process's own handler writes."""
    logs.configure(make_settings(tmp_path, log_format="json"))
    handler = next(each for each in logging.getLogger().handlers if each.get_name() == logs.OWN)
    assert isinstance(handler, logging.StreamHandler)
    output = io.StringIO()
    handler.setStream(output)
    yield output
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://qyapi.weixin.qq.com/cgi-bin/gettoken?corpid=ww1&corpsecret={CANARY}",
        f"POST /cgi-bin/message/send?access_token={CANARY}&debug=1",
        f"/event/push/alert/standard?integration_key={CANARY}",
        f"/callback/wecom/abc?msg_signature={CANARY}&timestamp=1&nonce={CANARY}&echostr={CANARY}",
        f"/h5/wecom/k/oauth?code={CANARY}&state=1",
        f'{{"access_token": "{CANARY}", "expires_in": 7200}}',
        f"{{'appSecret': '{CANARY}'}}",
        f"Authorization: Bearer {CANARY}",
        f"{{'Authorization': 'Bearer {CANARY}'}}",
        f"bearer {CANARY}",
        f"Cookie: dutybell={CANARY}; language=en",
        f"postgresql+psycopg://dutybell:{CANARY}@db/dutybell",
        f"redis://:{CANARY}@redis:6379/0",
    ],
)
def test_secrets_are_cut_from_every_text(written: io.StringIO, text: str) -> None:
    log = logging.getLogger("somewhere")
    log.info("plain %s", text)
    log.warning(text)
    structlog.get_logger("else").info("structured", detail=text, nested={"list": [text]})
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("failed")
        structlog.get_logger("else").exception("failed", url=text)
    assert CANARY not in written.getvalue()
    assert written.getvalue().count("***") >= 6


@pytest.mark.parametrize(
    "name", ["password", "corpsecret", "access_token", "Authorization", "integration_key", "aes_key"]
)
def test_values_with_a_secret_name_are_masked(written: io.StringIO, name: str) -> None:
    structlog.get_logger("x").info("event", **{name: CANARY}, headers={name: CANARY})
    logging.getLogger("x").info("event", extra={name: CANARY})
    assert CANARY not in written.getvalue()


def test_what_is_read_for_stays(written: io.StringIO) -> None:
    structlog.get_logger("x").info("refused", code="wecom.ip_not_trusted", platform_code="60020", errcode=60020)
    logging.getLogger("x").info("errcode=60020 platform_code=60020 status_code=502")
    assert written.getvalue().count("60020") == 4
    assert "wecom.ip_not_trusted" in written.getvalue()


def test_a_line_stays_one_line(written: io.StringIO) -> None:
    hostile = 'name\r\n{"level": "error", "event": "forged"}\x1b[31m\u2028'
    structlog.get_logger("x").info(hostile, title=hostile)
    logging.getLogger("x").info("said %s", hostile)
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert json.loads(line)["level"] == "info"
        assert "\x1b" not in line
        assert "\\\\r\\\\n" in line


def test_lines_carry_the_requests_number(written: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-1")
    logging.getLogger("x").info("in a library")
    structlog.get_logger("x").info("in the product")
    assert [json.loads(line)["request_id"] for line in written.getvalue().splitlines()] == ["r-1", "r-1"]


def test_configuring_twice_writes_once(written: io.StringIO, tmp_path: Path) -> None:
    own = [each for each in logging.getLogger().handlers if each.get_name() == logs.OWN]
    logs.configure(make_settings(tmp_path))
    assert len([each for each in logging.getLogger().handlers if each.get_name() == logs.OWN]) == len(own) == 1


def test_long_hostile_texts_are_masked_quickly() -> None:
    import time

    for text in ("a" * 64_000, "secret=" * 9_000, '"secret": "' * 6_000, "authorization: " * 4_000, "://:" * 16_000):
        started = time.process_time()
        logs.masked(text)
        assert time.process_time() - started < 0.5


def test_a_quick_line_reads_as_any_other_and_keeps_no_secret(written: io.StringIO) -> None:
    values = {"request_id": "r1", "path": f"/callback?nonce={CANARY}\nforged", "status": 200, "address": None}
    structlog.get_logger("access").info("request", **values)
    logs.write_quickly(logging.getLogger("access"), "request", values)
    usual, quick = (json.loads(line) for line in written.getvalue().splitlines())
    assert list(quick) == list(usual)
    assert len(quick.pop("timestamp")) == len(usual.pop("timestamp"))
    assert quick == usual
    assert CANARY not in written.getvalue()
