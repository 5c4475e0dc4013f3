"""Everything that can happen to incidents, in any order: to the product and to the model, which must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import time_machine
from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, select

from extensions import db
from jobs import update_cards
from models import (
    AccountLink,
    Card,
    CardState,
    Delivery,
    DeliveryState,
    Flapping,
    Incident,
    Integration,
    Job,
    JobState,
    Membership,
    Role,
    Severity,
    TimelineEntry,
)
from platforms.base import IncidentCard
from platforms.errors import AnswerLost, NetworkFailed, PlatformBusy, PlatformError, RateLimited
from services import alert_sources, incident_cards, incidents
from services.clock import utcnow
from tests.factories import (
    NOW,
    make_channel,
    make_incident,
    make_integration,
    make_level,
    make_link,
    make_member,
    make_policy,
    make_tenant,
)
from tests.fakes import FakePlatform, Message
from tests.model.reference import ADDED, ALREADY, DONE, OVERTAKEN, TIMES_OUT_AFTER, Case
from tests.moments import next_moment
from tests.service.messaging import Office

ON_CALL = ("lin", "wu")
PEOPLE = (*ON_CALL, "sun")
"""Sun is a colleague whom nobody tells: she has the console."""
KEYS = ("disk", "cpu")
ACTIONS = {
    "acknowledge": "开始处理",
    "close": "直接关闭",
    "snooze:120": "屏蔽 2 小时",
    "snooze:240": "屏蔽 4 小时",
    "wake": "取消屏蔽",
    "refresh": "状态刷新",
}
SAID = {
    ("acknowledge", DONE): "已开始处理",
    ("acknowledge", ADDED): "开始处理",
    ("acknowledge", ALREADY): "您已在处理",
    ("close", DONE): "已关闭",
    ("snooze", DONE): "屏蔽至",
    ("snooze", ALREADY): "屏蔽至",
    ("wake", DONE): "已取消屏蔽",
    ("wake", ALREADY): "当前未屏蔽",
}
OF_STATE = {"new", "ack", "unack", "close", "snooze", "wake", "reopen", "card_refresh"}
EVERYTHING = {severity.value: ["wecom_app"] for severity in Severity if severity is not Severity.OK}
GIVES_UP_WITHIN = timedelta(hours=26)
ERRORS: dict[str, Callable[[], PlatformError]] = {
    "network": lambda: NetworkFailed("model"),
    "busy": lambda: PlatformBusy("model"),
    "rate": lambda: RateLimited("model", retry_after=timedelta(seconds=90)),
}


class Killed(BaseException):
    """The worker's process ends at once."""


@dataclass
class Stage:
    """One application for all examples; each example has an organisation of its own."""

    app: Flask
    clock: time_machine.Traveller
    platform: FakePlatform = field(default_factory=FakePlatform)

    def organisation(self) -> tuple[Office, str]:
        """A new one at the same hour, and where its monitoring pushes to."""
        db.session.rollback()
        db.session.execute(delete(Job))
        db.session.commit()
        self.clock.move_to(NOW)
        self.platform = FakePlatform()
        tenant = make_tenant()
        members = {name: make_member(name, tenant=tenant) for name in PEOPLE}
        integration = make_integration(tenant=tenant)
        for member in members.values():
            make_link(integration, member)
        minutes = int(TIMES_OUT_AFTER.total_seconds()) // 60
        # here each firing is an incident of its own; tests/service/test_flapping.py is about those that are not
        channel = make_channel(tenant=tenant, close_timeout_minutes=minutes, flapping=Flapping.OFF)
        level = make_level(*(members[name] for name in ON_CALL), repeat=1, every=30)
        make_policy(channel, levels=[level | {"personal": {"mode": "unified", "unified": EVERYTHING}}])
        admin = make_member(f"admin-{tenant.id}", Role.ADMIN, tenant=tenant)
        source = alert_sources.create(channel.id, "standard", "监控", by=admin, now=NOW)
        db.session.commit()
        closed = make_incident(tenant=tenant, progress="Closed")  # the office wants one; nothing happens to it
        office = Office(self.app, self.platform, self.clock, integration, closed, members["lin"])
        return office, f"/event/push/alert/standard?integration_key={alert_sources.current_key(source)}"


@dataclass(frozen=True)
class Made:
    """A press that was delivered, to be delivered again: who pressed what on which card, and what was answered."""

    case: int
    card: IncidentCard
    text: str
    by: str
    number: int
    answer: IncidentCard | None


class Duty(RuleBasedStateMachine):
    """`cases` is the model; the incident of case n is incident number n + 2 of the organisation."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.cases: list[Case] = []
        self.linked = set(PEOPLE)
        self.made: list[Made] = []

    @initialize()
    def begin(self) -> None:
        self.office, self.push_path = self.stage.organisation()
        self.tenant_id = self.office.ids[1]
        self.an_alert_comes(KEYS[0], "Critical")
        self._work()

    # --- alerts -------------------------------------------------------------------------------------------------------

    @rule(key=st.sampled_from(KEYS), severity=st.sampled_from(("Critical", "Warning")))
    def an_alert_comes(self, key: str, severity: str) -> None:
        self._push(key, severity)
        if self._firing(key) is None:
            self.cases.append(Case(key, utcnow()))

    @precondition(lambda self: any(case.alert_fires for case in self.cases))
    @rule(data=st.data())
    def it_recovers(self, data: st.DataObject) -> None:
        case = self._one_of(data, [case for case in self.cases if case.alert_fires])
        self._push(case.alert_key, "Ok")
        case.recover()

    # --- people -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: bool(self._messages()))
    @rule(data=st.data(), by=st.sampled_from(ON_CALL))
    def somebody_presses_what_their_card_shows(self, data: st.DataObject, by: str) -> None:
        mine = [message for message in self._messages() if message.to == by]
        if mine:
            message = self._one_of(data, mine[-2:])
            self._choose(data, message, message.shown, by)

    @precondition(lambda self: bool(self._messages()))
    @rule(data=st.data())
    def somebody_presses_what_a_card_once_showed(self, data: st.DataObject) -> None:
        """Any button of any state of any card: most of them are out of date."""
        message = self._one_of(data, self._messages())
        self._choose(data, message, self._one_of(data, [message.card, *message.updates]), message.to)

    def _choose(self, data: st.DataObject, message: Message, card: IncidentCard | None, by: str) -> None:
        assert card is not None
        texts = [button.text for button in (*card.buttons, *card.menu) if button.text in ACTIONS.values()]
        text = data.draw(st.sampled_from(texts))
        made = Made(self._case_of(card), card, text, by, len(self.made), None)
        answer = self._press(made)
        self.made.append(Made(made.case, card, text, by, made.number, answer.card))
        self._expect(made, answer)
        if answer.card is not None:
            message.updates.append(answer.card)

    @precondition(lambda self: bool(self.made))
    @rule(data=st.data())
    def the_platform_repeats_a_press(self, data: st.DataObject) -> None:
        made = self._one_of(data, self.made)
        assert self._press(made).card == made.answer

    @precondition(lambda self: bool(self.cases))
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), verb=st.sampled_from(("reopen", "unacknowledge", "comment")))
    def somebody_uses_the_console(self, data: st.DataObject, who: str, verb: str) -> None:
        number = data.draw(st.integers(0, len(self.cases) - 1))
        case, incident = self.cases[number], self._incident(number)
        known: dict[str, Any] = {"by": self._member(who), "via": "console", "now": utcnow()}
        db.session.commit()
        incident = incidents.lock(incident.id, self.tenant_id)
        if verb == "reopen":
            assert incidents.reopen(incident, reason="又来了", **known).changed == (case.reopen() == DONE)
        elif verb == "unacknowledge":
            assert incidents.unacknowledge(incident, **known).changed == (case.unacknowledge(who) == DONE)
        else:
            incidents.comment(incident, text="看一下", **known)
        db.session.commit()

    @rule(who=st.sampled_from(PEOPLE))
    def a_link_ends_or_is_made_again(self, who: str) -> None:
        integration = db.session.get_one(Integration, self.office.ids[-1])
        if who in self.linked:
            db.session.execute(delete(AccountLink).where(*self._link_of(who)))
            db.session.commit()
            self.linked.discard(who)
        else:
            make_link(integration, self._member(who))
            self.linked.add(who)

    # --- the worker, the platform, the clock --------------------------------------------------------------------------

    @rule()
    def the_worker_works(self) -> None:
        self._work()

    @rule(length=st.sampled_from((1, 5, 29, 31, 119, 121, 300, 1500)))
    def time_passes(self, length: int) -> None:
        self._pass(timedelta(minutes=length))

    @rule(seconds=st.sampled_from((-3600, -600, -1, 1, 600)))
    def the_clock_steps(self, seconds: int) -> None:
        """Nothing runs meanwhile; two timers must not both be passed, since nothing says which is first then."""
        to = utcnow() + timedelta(seconds=seconds)
        for case in self.cases:
            passed = [at for at in (case.snoozed_until, case.began_at + TIMES_OUT_AFTER) if at and utcnow() < at <= to]
            if len(passed) > 1:
                return
        self.stage.clock.move_to(to)

    @rule(kinds=st.lists(st.sampled_from(sorted(ERRORS)), min_size=1, max_size=3))
    def the_platform_fails(self, kinds: list[str]) -> None:
        self.stage.platform.lost = False
        self.stage.platform.errors.extend(ERRORS[kind]() for kind in kinds)

    @rule()
    def an_answer_gets_lost(self) -> None:
        self.stage.platform.errors.clear()
        self.stage.platform.errors.append(AnswerLost("model"))
        self.stage.platform.lost = True
        self._work()
        self.stage.platform.errors.clear()
        self.stage.platform.lost = False

    @rule()
    def the_worker_is_killed_after_sending(self) -> None:
        self.stage.platform.while_sending = _die
        try:
            self._work()
        except Killed:
            db.session.rollback()
        finally:
            self.stage.platform.while_sending = lambda: None
        self._restart_worker()
        self._work()

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "tenant_id"):
            return
        db.session.rollback()
        found = self._incidents()
        assert len(found) == len(self.cases)
        for incident, model in zip(found, self.cases, strict=True):
            acknowledged = {r.user.username for r in incident.responders if r.acknowledged_at is not None}
            recorded = [entry for entry in self._record(incident) if entry in OF_STATE]
            seen = (incident.progress.value, acknowledged, incident.snoozed_until, recorded)
            wanted = (model.progress, set(model.acknowledged), model.snoozed_until, model.record)
            assert seen == wanted
            assert (incident.closed_at is None) == model.is_open
            assert (incident.active_alert_count > 0) == model.alert_fires

    @invariant()
    def nothing_came_twice_and_what_is_sent_has_arrived(self) -> None:
        if not hasattr(self, "tenant_id"):
            return
        arrived = [message.card.reference for message in self.stage.platform.messages if message.card]
        assert len(arrived) == len(set(arrived))
        for delivery in self._deliveries():
            assert delivery.state is not DeliveryState.SENT or delivery.reference in arrived
            assert delivery.state is not DeliveryState.FAILED or delivery.failure_code

    def teardown(self) -> None:
        """The platform is well again: everything comes to its end, and every card shows what is."""
        if not hasattr(self, "tenant_id"):
            return
        self.stage.platform.errors.clear()
        self._restart_worker()
        until = utcnow() + GIVES_UP_WITHIN
        while utcnow() < until and self._is_busy():
            self._pass(timedelta(minutes=20))
        self._pass(timedelta(minutes=5))
        self.both_agree()
        self.nothing_came_twice_and_what_is_sent_has_arrived()
        for delivery in self._deliveries():
            assert delivery.state.is_final, (delivery.id, delivery.state, delivery.failure_code)
        dead = select(Job.kind, Job.error).where(Job.state == JobState.DEAD)
        given_up = dead.where(Job.kind != "tell")  # why a press was refused: the platform is asked four times to say it
        assert not (found := db.session.execute(given_up).all()), found
        self._check_cards()

    def _is_busy(self) -> bool:
        """Whether anything is still to be sent or shown; a clock that was set back makes that later."""
        waiting = select(Job.id).where(Job.kind.in_(("refresh_cards", "update_card", "deliver")), _PENDING)
        found = db.session.scalars(waiting.limit(1)).all()
        return bool(found) or any(not delivery.state.is_final for delivery in self._deliveries())

    def _check_cards(self) -> None:
        mine = select(Card).where(Card.tenant_id == self.tenant_id, Card.state == CardState.LIVE)
        for card in db.session.scalars(mine):
            incident = db.session.get_one(Incident, card.incident_id)
            integration = db.session.get_one(Integration, card.integration_id)
            drawn = incident_cards.draw(update_cards.content_of(card, incident, integration, utcnow()))
            assert _visible(self.stage.platform.by_reference(card.reference).shown) == _visible(drawn)

    # --- doing it -----------------------------------------------------------------------------------------------------

    def _push(self, key: str, status: str) -> None:
        body = {"title_rule": key, "event_status": status, "alert_key": key, "labels": {"n": str(len(self.cases))}}
        db.session.commit()
        answer = Context().run(self.stage.app.test_client().post, self.push_path, json=body)
        assert answer.status_code == 200, answer.text

    def _press(self, made: Made) -> Any:
        number = str(made.number)
        result = self.office.press(
            made.card, made.text, by=made.by, event_key=f"{self.tenant_id}-{number}", update_code=f"press-{number}"
        )
        db.session.rollback()
        return result

    def _expect(self, made: Made, answer: Any) -> None:
        said = answer.text.message
        if made.by not in self.linked:
            assert "未关联应用" in said and answer.card is None
            return
        action = next(name for name, text in ACTIONS.items() if text == made.text)
        verb, _, minutes = action.partition(":")
        case, now = self.cases[made.case], utcnow()
        became = {
            "acknowledge": lambda: case.acknowledge(made.by, now),
            "close": case.close,
            "snooze": lambda: case.snooze(made.by, int(minutes), now),
            "wake": lambda: case.wake(now),
            "refresh": case.refresh,
        }[verb]()
        if verb == "refresh":
            return
        assert ("关闭" in said and "已于" in said) if became == OVERTAKEN else SAID[verb, became] in said

    def _work(self) -> None:
        """The model's timers first: the product's rows are due at the same time."""
        now = utcnow()
        self.office.work()
        for case in self.cases:
            case.run_timers(now)

    def _pass(self, length: timedelta) -> None:
        """Stop wherever something falls due, so that it happens in order."""
        until = utcnow() + length
        self._work()
        while (moment := next_moment()) is not None and moment <= until:
            self.stage.clock.move_to(moment)
            self._work()
        self.stage.clock.move_to(until)

    def _restart_worker(self) -> None:
        """A new process: it knows nothing of what the old one was doing."""
        self.office.__post_init__()

    def _one_of(self, data: st.DataObject, things: Sequence[Any]) -> Any:
        """Drawn by its number, so that a failing example can be read."""
        return things[data.draw(st.integers(0, len(things) - 1), label="which")]

    # --- looking ------------------------------------------------------------------------------------------------------

    def _firing(self, key: str) -> Case | None:
        return next((case for case in self.cases if case.alert_key == key and case.alert_fires), None)

    def _messages(self) -> list[Message]:
        return [message for message in self.stage.platform.messages if message.card]

    def _incidents(self) -> list[Incident]:
        wanted = select(Incident).where(Incident.tenant_id == self.tenant_id, Incident.id != self.office.ids[0])
        return list(db.session.scalars(wanted.order_by(Incident.id).execution_options(populate_existing=True)))

    def _incident(self, number: int) -> Incident:
        return self._incidents()[number]

    def _case_of(self, card: IncidentCard) -> int:
        wanted = select(Delivery.incident_id).where(Delivery.reference == card.reference)
        incident_id = db.session.scalars(wanted).one()
        return next(number for number, incident in enumerate(self._incidents()) if incident.id == incident_id)

    def _record(self, incident: Incident) -> list[str]:
        wanted = select(TimelineEntry.type).where(TimelineEntry.incident_id == incident.id)
        return list(db.session.scalars(wanted.order_by(TimelineEntry.id)))

    def _deliveries(self) -> list[Delivery]:
        wanted = select(Delivery).where(Delivery.tenant_id == self.tenant_id)
        return list(db.session.scalars(wanted.execution_options(populate_existing=True)))

    def _member(self, name: str) -> Membership:
        return next(
            m for m in db.session.scalars(_MEMBERS) if m.tenant_id == self.tenant_id and m.user.username == name
        )

    def _link_of(self, who: str) -> tuple[Any, ...]:
        return AccountLink.integration_id == self.office.ids[-1], AccountLink.external_user_id == who


_PENDING = Job.state == JobState.PENDING
_MEMBERS = select(Membership)


def _visible(card: IncidentCard) -> tuple[Any, ...]:
    """What a card says about its incident, but for times: what is "09:31" today is "03-02 09:31" tomorrow."""
    buttons = [button.text for button in card.buttons]
    return card.tone, card.title, buttons, [fact.value for fact in card.facts if ":" not in fact.value]


def _die() -> None:
    raise Killed
