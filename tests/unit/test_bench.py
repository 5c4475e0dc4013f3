"""The benchmark's own tools: a wrong ruler would mislead everybody who uses it."""

from __future__ import annotations

import importlib
import json
import math
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import Mock
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.datastructures import Headers

import platforms as product
from bench import company
from bench.__main__ import PARTS, parse, verdict
from bench.delivery import busiest_second, rate_of, to_cards
from bench.fake_platform import State, answer_api, answer_control, platform_of
from bench.intake import accepted_keys
from bench.load import ClosedLoop, OpenLoop, Outcome, Wire, answer_length, generate, merged, request, spread
from bench.machine import Reading, Watch, file_system, machine_facts, summary
from bench.payloads import AlertmanagerAlerts, Numbering, Reports, Webhooks, tag_of
from bench.platforms import PLATFORMS
from bench.platforms.base import Application, Button, Call
from bench.product import keys_of
from bench.results import AT_LEAST, Meanwhile, Report, Row, cost, median, percentile, shown, table
from config import Settings
from platforms.base import CallbackRequest, CardButton, CardPress, IncidentCard, Platform, PressAnswer
from platforms.errors import CallbackRefused

NAME = Numbering("run1")


def echo(number: int) -> bytes:
    return request("POST", f"/{number}", b"x" * number)


@contextmanager
def server(pause: threading.Event | None = None) -> Iterator[int]:
    """A server on a free port that answers 200 to whatever comes; with `pause`, only once that is set."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                length = 0
                while line.strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                    line = self.rfile.readline()
                self.rfile.read(length)
                if pause is not None:
                    pause.wait(10)
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made.server_address[1]
        made.shutdown()


# --- figures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent, expected):
    assert percentile(range(1, 101), percent) == expected


def test_a_percentile_counts_what_never_came_as_endless():
    assert percentile([1.0, 2.0, math.inf], 50) == 2.0
    assert percentile([1.0, 2.0, math.inf], 99) == math.inf


def test_what_was_not_measured_fails_its_bar():
    assert Row("p", "n", median([]), "ms", bar=10).has_passed is False
    assert Row("p", "n", percentile([], 99), "ms", bar=10).has_passed is False


def test_a_bar_looks_in_its_own_direction():
    assert Row("p", "n", 2.0, "×", bar=2.0, aim=1.7).has_passed
    assert not Row("p", "n", 2.0, "×", bar=2.0, aim=1.7).reaches_aim
    assert Row("p", "n", 2.0, "×", bar=2.0, sense=AT_LEAST).has_passed
    assert not Row("p", "n", 1.9, "×", bar=2.0, sense=AT_LEAST).has_passed
    assert Row("p", "n", 1.9, "×").has_passed is None


@pytest.mark.parametrize(
    ("value", "expected"), [(1234.5, "1234"), (56.78, "56.8"), (1.234, "1.23"), (0.0123, "0.012"), (math.inf, "inf")]
)
def test_figures_are_shown_with_three_digits(value, expected):
    assert shown(value) == expected


# --- the result file ----------------------------------------------------------------------------------------------


QUIET = Meanwhile(60.0, 0.1, 1.5, 0.05, 2, ("cron 0.03",))
BUSY = Meanwhile(60.0, 3.0, 4.0, 1.2, 2, ("compiler 1.10",))


def report_of(*rows: Row, was: Meanwhile = QUIET) -> Report:
    report = Report(machine_facts("SQLite"), is_quick=True, parts=["press"])
    report.rows, report.meanwhile = list(rows), {"press": was}
    return report


def test_a_report_is_kept_as_data_and_as_a_table(tmp_path):
    report = report_of(Row("press", "ratio", 1.8, "×", bar=2.0), cost("costs", "a press", 2.5, "ms"))
    path = report.save(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, path.with_suffix(".json").name}
    stored = json.loads(path.with_suffix(".json").read_text())
    assert stored["passed"] is True
    assert [row["passed"] for row in stored["rows"]] == [True, None]
    text = path.read_text()
    assert "| press |  | ratio | 1.80 × | ≤ 2.00 |  | pass |" in text
    assert "## Unit costs" in text
    assert "a press" in text.partition("## Unit costs")[2]
    assert "a press" not in text.partition("## Unit costs")[0]


def test_the_latest_result_is_one_of_all_parts(tmp_path):
    report = report_of()
    report.save(tmp_path, is_latest=True)
    assert {one.name for one in tmp_path.glob("latest*")} == {"latest-sqlite.md", "latest-sqlite.json"}


def test_a_busy_machine_is_told_but_not_what_was_on_it():
    report = report_of(was=BUSY)
    assert report.busy_parts == ["press"]
    assert "compiler 1.10" in BUSY.as_line()
    assert "TOO BUSY" in BUSY.as_line()
    assert "TOO BUSY" not in QUIET.as_line()
    assert "| press | 60 | 3.0, 4.0 | 1.20 of 2 **busy** |" in report.as_markdown()
    assert "compiler" not in report.as_markdown() + json.dumps(report.as_json())
    assert "quiet machine" in verdict(report)
    assert verdict(report_of()) == "Every bar was reached."


def test_what_others_use_is_what_we_did_not():
    was = summary(
        Reading(10.0, 100.0, 5.0, 0.5), Reading(20.0, 118.0, 11.0, 1.5), {"old": 8.0, "idle": 0.0, "new": 3.0}
    )
    assert (was.seconds, was.others_cores, was.load_before, was.load_after) == (10.0, pytest.approx(1.2), 0.5, 1.5)
    assert was.named == ("old 0.80", "new 0.30")


def test_our_own_children_are_not_named_as_others():
    program = "import os, time\nwhile time.process_time() < 0.3: pass\nos.write(1, b'x')\nos.read(0, 1)"
    with Watch(every=0.02) as watch:
        child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.read(1)
        watch.look()
        seen = {pid for pid, _ in watch._names}
        child.communicate(b"x")
    assert child.pid not in seen
    assert os.getpid() not in seen
    assert watch._after.own - watch._before.own >= 0.3


def test_the_disk_is_told_by_its_file_system(tmp_path):
    assert file_system(tmp_path / "not" / "there") == file_system(tmp_path) != "unknown"


def test_what_was_measured_on_every_platform_stands_side_by_side():
    report = report_of(
        Row("press", "ratio", 1.5, "×", bar=2.0, platform="wecom"),
        Row("press", "ratio", 2.5, "×", bar=2.0, platform="dingtalk"),
        Row("delivery", "pace", 19, "", bar=20, platform="dingtalk"),
        Row("press", "for information", 1.0, "×", platform="wecom"),
    )
    lines = report.as_markdown().partition("## Every figure")[0].splitlines()
    assert "| part | figure | wecom | dingtalk | bar |" in lines
    assert "| press | ratio | 1.50 × | 2.50 × **FAIL** | ≤ 2.00 |" in lines
    assert "| delivery | pace | – | 19.0 | ≤ 20.0 |" in lines
    assert not any("for information" in line for line in lines)


def test_a_part_that_failed_or_was_not_come_to_fails_the_run():
    report = report_of()
    assert report.has_passed
    report.meanwhile.clear()
    assert not report.has_passed
    assert "**press did not come to its end:** not run" in report.as_markdown()
    report.failures["press"] = "RuntimeError: no"
    assert "**press did not come to its end:** RuntimeError: no" in report.as_markdown()


def test_the_facts_tell_nothing_of_whose_machine_it_is():
    facts = {"cores", "memory_gb", "system", "python", "database", "disk", "sync_ms", "load_before"}
    assert set(machine_facts("SQLite")) == facts


def test_the_terminal_shows_what_failed():
    assert table([Row("press", "slow", 3.0, "×", bar=2.0)]).startswith("FAIL")


# --- the load generator -------------------------------------------------------------------------------------------


def test_planned_times_are_even():
    assert spread(4, 1) == [0.0, 0.25, 0.5, 0.75]
    assert spread(2, 1, offset=1.0) == [1.0, 1.5]
    assert len(spread(300, 8)) == 2400


def test_an_answer_is_known_by_its_length():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert answer_length(head[:20]) is None
    assert answer_length(head + b"ok") == len(head) + 2
    assert answer_length(b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n") == 36
    with pytest.raises(ValueError, match="Content-Length"):
        answer_length(b"HTTP/1.1 200 OK\r\n\r\n")


def test_one_connection_serves_many_exchanges():
    with server() as port:
        wire = Wire(port)
        assert [wire.exchange(echo(number)) for number in range(3)] == [(200, b"ok")] * 3
        with pytest.raises(RuntimeError, match="200"):
            wire.timed(echo(1), expected=201)
        wire.close()


def test_a_closed_loop_numbers_every_request_once():
    with server() as port:
        outcome = generate(ClosedLoop(port, clients=3, seconds=30, make=echo, first=5, last=25))[0]
    assert sorted(outcome.numbers) == list(range(5, 25))
    assert outcome.counts == {200: 20}


def test_an_open_loop_charges_a_stalled_server_for_every_planned_request():
    """One connection and a server that answers nobody for a while: every request has waited since it was due."""
    pause, released_at = threading.Event(), []

    def release() -> None:
        released_at.append(time.monotonic())
        pause.set()

    with server(pause) as port:
        threading.Timer(1.5, release).start()  # generators begin one second after they are asked to
        outcome = generate(OpenLoop(port, [(at, echo(1)) for at in spread(20, 0.25)], connections=1))[0]
    assert outcome.counts == {200: 5}
    assert len(set(outcome.sent_at)) == 5
    for planned_at, latency in zip(outcome.sent_at, outcome.latencies_ms, strict=True):
        assert latency >= (released_at[0] - planned_at) * 1000 - 1


def test_several_generators_are_seen_as_one():
    one = Outcome(1.0, 2.0, numbers=[1], statuses=[200], latencies_ms=[5.0], sent_at=[1.5], cpu_share=0.2)
    other = Outcome(0.5, 3.0, numbers=[7], statuses=[503], latencies_ms=[9.0], sent_at=[0.7], cpu_share=0.9)
    both = merged([one, other])
    assert (both.began_at, both.seconds, both.numbers, both.counts) == (0.5, 3.0, [1, 7], {200: 1, 503: 1})
    assert both.is_bottleneck


def test_what_is_never_answered_is_lost_and_has_waited():
    with server(threading.Event()) as port:
        outcome = generate(OpenLoop(port, [(0.0, echo(1))], patience_seconds=0.3))[0]
    assert (outcome.statuses, outcome.numbers) == ([0], [0])
    assert outcome.latencies_ms[0] >= 300


# --- what is sent, and what is looked for -------------------------------------------------------------------------


def body_of(sent: bytes) -> dict:
    return json.loads(sent.partition(b"\r\n\r\n")[2])


def test_no_two_alerts_of_a_run_are_alike():
    make = Webhooks(["/a", "/b"], NAME, group=5)
    found = [alert["fingerprint"] for number in range(4) for alert in body_of(make(number))["alerts"]]
    assert len(set(found)) == 20
    assert set(found) == {NAME.alert_key(number) for number in range(20)}


def test_alertmanager_gets_the_same_labels():
    ours = body_of(Webhooks(["/a"], NAME, group=2, shift="1")(3))["alerts"][1]["labels"]
    theirs = body_of(AlertmanagerAlerts(NAME, group=2)(3))[1]["labels"]
    assert ours.keys() == theirs.keys()
    assert ours["instance"] == theirs["instance"] == "run1-7"


def test_a_card_leads_back_to_its_push():
    report = body_of(Reports(["/a"], NAME)(4))
    assert tag_of(f"[严重] {report['title_rule']}") == NAME.tag(4)
    outcome = Outcome(0.0, 1.0, numbers=[4, 5], statuses=[200, 200], sent_at=[10.0, 10.5])
    arrivals = [(10.04, "corp", "lin", "[严重] Latency / run1-4")]
    assert to_cards(arrivals, NAME, outcome) == [pytest.approx(40), math.inf]


def parsed(sent: bytes) -> CallbackRequest:
    """A request's bytes as the product sees them."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    address = urlsplit(first.split(" ")[1])
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    purpose = address.path.rpartition("/")[2]
    return CallbackRequest("POST", dict(parse_qsl(address.query)), Headers(headers), body, datetime.now(UTC), purpose)


def connected(platform: str, application: Application) -> Platform:
    kind = product.PLATFORMS[platform]
    return kind.build(application.settings, application.secrets, tokens=Mock(), hosts=kind.hosts, transport=Mock())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_press_is_one_that_the_product_takes_for_genuine_unless_it_is_forged(platform):
    bench = PLATFORMS[platform]
    application = replace(bench.application(3), callback_path="/callback/card")
    button = Button(bench.person("lin"), "reference-1", "acknowledge.mac")
    reader = connected(platform, application)
    press = reader.read_callback(parsed(bench.press(application, button)))
    assert isinstance(press, CardPress)
    assert (press.external_user_id, press.reference, press.button_key) == (button.user_id, "reference-1", button.key)
    with pytest.raises(CallbackRefused):
        reader.read_callback(parsed(bench.press(application, button, forged=True)))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_answer_with_the_new_card_is_told_from_one_without(platform):
    bench = PLATFORMS[platform]
    application = replace(bench.application(0), callback_path="/callback/card")
    reader = connected(platform, application)
    press = reader.read_callback(parsed(bench.press(application, Button(bench.person("lin"), "reference-1", "key"))))
    card = IncidentCard("reference-1", "s", "critical", "t", "#1", "", (), (), "", "", (CardButton("key", "b"),))
    assert bench.shows_card(application, reader.answer(press, PressAnswer(card)).body)
    assert not bench.shows_card(application, reader.answer(press, PressAnswer()).body)


CALLS: dict[str, tuple[Call, Callable[[str], Call]]] = {
    "wecom": (
        Call("GET", "gettoken", {"corpid": ["ww1"]}),
        lambda token: Call(
            "POST",
            "message/send",
            {"access_token": [token]},
            body=b'{"touser": "lin", "template_card": {"main_title": {"title": "run1-4"}}}',
        ),
    ),
    "dingtalk": (
        Call("POST", "oauth2/accessToken", body=b'{"appKey": "ding1"}'),
        lambda token: Call(
            "POST",
            "card/instances/createAndDeliver",
            head=f"POST / HTTP/1.1\r\nX-Acs-Dingtalk-Access-Token: {token}".encode(),
            body=b'{"outTrackId": "r", "openSpaceId": "dtv1.card//IM_ROBOT.lin",'
            b' "cardData": {"cardParamMap": {"title": "run1-4"}}}',
        ),
    ),
    "feishu": (
        Call("POST", "auth/v3/tenant_access_token/internal", body=b'{"app_id": "cli_1"}'),
        lambda token: Call(
            "POST",
            "im/v1/messages",
            head=f"POST / HTTP/1.1\r\nAuthorization: Bearer {token}".encode(),
            body=json.dumps(
                {"receive_id": "lin", "content": json.dumps({"header": {"title": {"content": "run1-4"}}})}
            ).encode(),
        ),
    ),
}
TOKEN_OF = {"wecom": "access_token", "dingtalk": "accessToken", "feishu": "tenant_access_token"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_fake_platform_keeps_who_got_what(platform):
    state, (ask, send) = State(), CALLS[platform]
    _, given = answer_api(state, PLATFORMS[platform], ask, 1.0)
    token = given[TOKEN_OF[platform]]
    answer_api(state, PLATFORMS[platform], send(token), 2.0)
    application = token.rpartition(".")[0]
    assert answer_control(state, "arrivals", b"") == [(2.0, application, "lin", "run1-4")]
    assert answer_control(state, "counts", b"") == {f"{platform}/token": 1, f"{platform}/card": 1}
    assert answer_control(state, "tokens", b"") == {application: 1}
    answer_control(state, "reset", b"{}")
    assert answer_control(state, "arrivals", b"") == []
    assert not answer_control(state, "tokens", b"")


def test_one_platform_alone_is_told_to_be_slow_or_dead():
    state = State()
    wanted = {"platform": "feishu", "delay_seconds": 0.2, "hangs": True}
    answer_control(state, "behaviour", json.dumps(wanted).encode())
    assert (state.behaviour("feishu").hangs, state.behaviour("wecom").hangs) == (True, False)


def test_an_address_belongs_to_one_platform():
    for platform in PLATFORMS.values():
        assert platform_of(f"{platform.api}anything") is platform
    assert platform_of("/elsewhere") is None


def test_the_busiest_second_is_of_one_application():
    arrivals = sorted([(at / 8, "a", "lin", "t") for at in range(20)] + [(0.5, "b", "wu", "t")])
    assert busiest_second(arrivals) == 8
    assert busiest_second([]) == 0
    assert rate_of(arrivals[:1]) == 0
    assert rate_of([(0.0, "a", "lin", "t"), (0.5, "a", "lin", "t"), (1.0, "a", "wu", "t")]) == 2.0


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_an_organisation_has_applications_for_all_that_is_measured(platform):
    count = company.application_count(platform)
    if platform.sends_a_second:
        assert count * platform.sends_a_second >= company.CARDS_A_SECOND
        assert product.PLATFORMS[platform.slug].capabilities.sends_per_second <= platform.sends_a_second
    if platform.sends_a_minute:
        assert count * platform.sends_a_minute / 60 >= company.CARDS_A_SECOND
    assert len({platform.application(number).key for number in range(count)}) == count


def test_only_what_was_answered_counts_as_accepted():
    outcome = Outcome(0.0, 1.0, numbers=[1, 0, 2], statuses=[200, 503, 202])
    assert accepted_keys(outcome, NAME, 2) == {NAME.alert_key(number) for number in (2, 3, 4, 5)}


def test_a_product_with_servers_is_given_the_keys_of_its_folder(tmp_path):
    given = keys_of(tmp_path)
    servers = {"DATABASE_URL": "postgresql+psycopg://dutybell@127.0.0.1/bench", "DUTYBELL_HOME": str(tmp_path)}
    assert Settings.from_env(servers | given).secret_key == given["SECRET_KEY"]
    assert keys_of(tmp_path) == given


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_run(part):
    assert callable(importlib.import_module(f"bench.{part}").run)


def test_a_part_is_asked_for_by_name():
    wanted = parse(["press", "intake", "--quick", "--postgres"])
    assert (wanted.parts, wanted.quick, wanted.postgres) == (["press", "intake"], True, True)
    assert parse([]).parts == []
    with pytest.raises(SystemExit):
        parse(["nothing"])
