"""One simulator for a run's process, a fresh application for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from platforms.base import CardButton, Fact, IncidentCard, Platform
from tests.contract import dingtalk, feishu, wecom, wecom_installed
from tests.contract.connection import Connection
from tests.contract.receiver import Receiver, running_receiver
from tests.contract.simulator import Simulator, running_simulator

CONNECTIONS = {
    "dingtalk": dingtalk.make_connection,
    "feishu": feishu.make_connection,
    "wecom": wecom.make_connection,
}
"""A maker of a connected application for every platform of the registry."""


@pytest.fixture(scope="session")
def started_simulator() -> Iterator[Simulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(started_simulator: Simulator) -> Iterator[Simulator]:
    yield started_simulator
    started_simulator.control("faults", method="DELETE")
    started_simulator.control("clock", {"offset_seconds": 0})
    started_simulator.control("reset", {})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


MODES = {"wecom_installed": wecom_installed.make_connection}
"""Other ways to connect one of them."""


@pytest.fixture(params=sorted(CONNECTIONS))
def connection(request: pytest.FixtureRequest, simulator: Simulator, receiver: Receiver) -> Connection:
    """One for each platform."""
    return CONNECTIONS[request.param](simulator, receiver)


@pytest.fixture
def platform(connection: Connection) -> Platform:
    return connection.platform


@pytest.fixture
def card() -> IncidentCard:
    return make_card()


def make_card(**changes: object) -> IncidentCard:
    card = IncidentCard(
        reference="inc-1024_d-7",
        source="值班铃 · 支付核心",
        tone="critical",
        title="[严重] db-03 / disk.used>95%",
        subtitle="#1024 · 待处理 · 09:31 触发",
        elapsed="持续 5 分钟",
        facts=(Fact("协作空间", "支付核心"), Fact("严重程度", "严重"), Fact("处理人员", "林值班")),
        body=("磁盘使用率 96.4%", "实例 db-03"),
        footer="",
        url="https://oncall.example.com/h5/wecom/k/incidents/1024",
        buttons=(
            CardButton("acknowledge", "开始处理", "primary"),
            CardButton("close", "直接关闭", "danger"),
            CardButton("snooze:120", "屏蔽 2 小时"),
            CardButton("refresh", "状态刷新"),
        ),
        menu_label="更多屏蔽",
        menu=(CardButton("snooze:240", "屏蔽 4 小时"), CardButton("snooze:1440", "屏蔽 24 小时")),
    )
    return replace(card, **changes)  # type: ignore[arg-type]
