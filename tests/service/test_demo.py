"""The demo's company and what it is connected to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask import Flask

from demo import connect
from extensions import db
from platforms.base import Group
from services import groups
from services.clock import utcnow
from tests.factories import make_integration

CID = "cidTESTGROUP0001=="


def test_a_group_is_used_once_the_platform_has_told_its_name(app: Flask, monkeypatch: pytest.MonkeyPatch):
    integration = make_integration(platform="dingtalk")
    told = iter([Group(CID), Group(CID, "支付值班群")])

    def tell(_seconds: float) -> None:
        groups.note_seen(integration, next(told), origin="event", now=utcnow())
        db.session.commit()

    monkeypatch.setattr(connect, "time", SimpleNamespace(sleep=tell))  # for others the clock goes on
    chat = connect.arrived_group(integration, CID)
    assert (chat.external_id, chat.name) == (CID, "支付值班群")
