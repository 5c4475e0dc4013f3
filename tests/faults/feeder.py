"""The outside world: monitoring systems that push until they are answered, people who press buttons; all at once."""

from __future__ import annotations

import itertools
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.faults.fleet import Company
from tests.faults.history import Answer, History, Press, Push

ANSWER_SECONDS = 10.0
"""How long a monitoring system waits for an answer: Alertmanager's own patience."""
LOSING_SECONDS = 20.0
"""After so long a request is given up; a test that is about the time says what is too long."""
PRESS_SECONDS = 60.0
PATIENCE_SECONDS = 150.0
"""How long anybody goes on trying; far longer than any fault lasts."""
PAUSE_SECONDS = 0.2
BUTTONS = {
    "acknowledge": "开始处理",
    "close": "直接关闭",
    "snooze": "屏蔽 2 小时",
    "wake": "取消屏蔽",
    "refresh": "状态刷新",
}
RECOVER = "recover"
SCRIPTS = (
    ("acknowledge", RECOVER),  # always the first
    ("acknowledge",),
    ("acknowledge", "close"),
    ("snooze", "wake", "close"),
    ("acknowledge", "snooze", "wake"),
    ("refresh", "acknowledge", "close"),
    ("close",),
    (RECOVER,),
)
"""What is done about an alert: buttons that its person presses, and the end of what was wrong."""


@dataclass
class Load:
    """How much: alerts, how many of them are pressed on, how many senders and people act at once."""

    alerts: int = 24
    pressed: int = 8
    senders: int = 6
    pressers: int = 4
    batch: int = 4
    """At most so many alerts of Alertmanager in one push."""


@dataclass
class Feeder:
    """Pushes and presses in the background, from `with` to its end; what happened is in `history`.

    At the end of `with` everybody finishes what they began. target: which address the next push goes to, by default
    the fleet's own.
    """

    company: Company
    seed: int
    load: Load = field(default_factory=Load)
    kinds: tuple[str, ...] = ("standard", "prometheus")
    target: Callable[[], str] = lambda: ""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.history = History()
        self.run = uuid.uuid4().hex[:6]
        self.progress = threading.Condition()
        self.answered = 0
        self._stored: dict[str, int] = {}
        self._began = time.monotonic()
        self._batches: queue.SimpleQueue[tuple[Push, ...]] = queue.SimpleQueue()
        self._wishes: queue.SimpleQueue[list[Press | Push]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._plan()

    def __enter__(self) -> Feeder:
        self._began = time.monotonic()
        workers = [self._send_all] * self.load.senders + [self._press_all] * self.load.pressers
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in workers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + PRESS_SECONDS)
        if self._errors:
            raise self._errors[0]

    def start(self) -> None:
        self.__enter__()

    def finish(self) -> None:
        self.__exit__()

    @staticmethod
    def whole(feeders: list[Feeder]) -> History:
        """What several of them did, as one history."""
        return History.of(feeder.history for feeder in feeders)

    def wait_for(self, answered: int) -> None:
        """Wait until so many alerts or presses have been answered with success: the fault hits in the middle."""
        with self.progress:
            self.progress.wait_for(lambda: self.answered >= answered or not self.is_working(), PATIENCE_SECONDS)

    def _plan(self) -> None:
        """Decide with the seed who is told of what, and what they will do about it."""
        keys = [f"{self.run}-{number:04}" for number in range(self.load.alerts)]
        pressed = set(self.random.sample(keys, min(self.load.pressed, len(keys))))
        for kind in itertools.cycle(self.kinds):
            if not keys:
                break
            size = self.random.randint(1, self.load.batch) if kind == "prometheus" else 1
            mine, keys = keys[:size], keys[size:]
            batch = tuple(Push(key, kind, self.company.next_person()) for key in mine)
            self.history.pushes.extend(batch)
            self._batches.put(batch)
            for push in batch:
                if push.alert_key in pressed:
                    self._wish(push, self.random.choice(SCRIPTS) if self._wishes.qsize() else SCRIPTS[0])

    def _wish(self, push: Push, actions: tuple[str, ...]) -> None:
        script: list[Press | Push] = []
        for action in actions:
            if action == RECOVER:
                recovery = Push(push.alert_key, push.kind, push.person, is_recovery=True)
                self.history.recoveries.append(recovery)
                script.append(recovery)
            else:
                press = Press(push.alert_key, push.person, action)
                self.history.presses.append(press)
                script.append(press)
        self._wishes.put(script)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)
            raise
        finally:
            with self.progress:
                self.progress.notify_all()

    def is_working(self) -> bool:
        """Whether somebody has something left to do."""
        return any(thread.is_alive() for thread in self._threads)

    def _is_patient(self) -> bool:
        return time.monotonic() - self._began < PATIENCE_SECONDS

    def _note(self, answer: Answer) -> None:
        if answer.is_success:
            with self.progress:
                self.answered += 1
                self.progress.notify_all()

    # --- monitoring systems -------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        with requests.Session() as session:
            while True:
                try:
                    batch = self._batches.get_nowait()
                except queue.Empty:
                    return
                self._send(session, batch)

    def _send(self, session: requests.Session, batch: tuple[Push, ...]) -> None:
        """Push until it is answered 2xx, as Alertmanager and careful scripts do."""
        while self._is_patient():
            answer = self.push_once(session, batch)
            self._note(answer)
            if answer.is_success:
                self._stored.update({push.alert_key: len(push.answers) for push in batch})
                return
            time.sleep(min(float(answer.headers.get("Retry-After", 0) or 0), 1.0) or PAUSE_SECONDS)

    def push_once(
        self, session: requests.Session, batch: tuple[Push, ...], more_labels: Mapping[str, str] | None = None
    ) -> Answer:
        """One request with all of `batch`, noted at each of them. more_labels: of one alert, to make it heavy."""
        url, body = self.company.push_url(batch[0].kind, self.target()), body_of(batch)
        if more_labels:
            body["labels"] |= more_labels
        answer = asked(lambda: session.post(url, json=body, timeout=LOSING_SECONDS))
        for push in batch:
            push.answers.append(answer)
        return answer

    # --- people -------------------------------------------------------------------------------------------------------

    def _press_all(self) -> None:
        with requests.Session() as session:
            while True:
                try:
                    script = self._wishes.get_nowait()
                except queue.Empty:
                    return
                for number, step in enumerate(script):
                    if not self._do(session, step):
                        self._forget(script[number:])
                        break

    def _do(self, session: requests.Session, step: Press | Push) -> bool:
        if isinstance(step, Press):
            return self._press(step)
        if not self._wait_for_card(step):
            return False
        self._send(session, (step,))
        return step.is_accepted

    def _forget(self, steps: list[Press | Push]) -> None:
        """What could not be tried, as its button or its card was not there, is no part of the history."""
        for step in steps:
            if not step.answers and isinstance(step, Press):
                self.history.presses.remove(step)
            elif not step.answers:
                self.history.recoveries.remove(step)  # type: ignore[arg-type]

    def _wait_for_card(self, push: Push) -> bool:
        """What is over before anybody was told is another story."""
        while self._is_patient():
            if self._stored.get(push.alert_key) and self.find_card(push) is not None:
                return True
            time.sleep(PAUSE_SECONDS)
        return False

    def _press(self, press: Press) -> bool:
        """Look at the chat until the button is there, press it until that is answered; False if it never was.

        Nobody acts before the sender has its answer: an alert that is pushed again after it was closed is a new one.
        """
        while self._is_patient():
            tries = self._stored.get(press.alert_key, 0)
            if not tries:
                time.sleep(PAUSE_SECONDS)
                continue
            if press.action == "close" and tries > 1:  # an earlier try may be stored, too, and wait behind the first
                return False
            message = self.find_card(press)
            button = BUTTONS[press.action]
            if message is None or not any(button in shown["text"] for shown in message["buttons"]):
                if press.answers and message is not None:
                    return True  # pressed, the answer lost, and the card shows that it was done
                time.sleep(PAUSE_SECONDS)
                continue
            answer = self.press_once(press, message)
            self._note(answer)
            if answer.is_success:
                return True
            time.sleep(PAUSE_SECONDS)
        return False

    def find_card(self, press: Press | Push) -> dict[str, Any] | None:
        """The card of an alert as its person sees it now."""
        messages = self.company.fleet.messages(press.person)
        return next((message for message in messages if press.alert_key in str(message["card"])), None)

    def press_once(self, press: Press, message: dict[str, Any]) -> Answer:
        """One press as the platform delivers it: up to three requests of the same event."""
        shown = BUTTONS[press.action]
        key = next(button["key"] for button in message["buttons"] if shown in button["text"])
        body = {"platform": "wecom", "message_id": message["id"], "person": press.person, "key": key}
        url = f"{self.company.fleet.simulator_url}/control/press"
        began = time.monotonic()
        made = requests.post(url, json=body, timeout=PRESS_SECONDS)
        if not made.ok:  # the card has changed since we looked
            return Answer(0, time.monotonic() - began, made.text)
        result = made.json()
        answer = Answer(int(result["http_status"]), time.monotonic() - began, str(result["answer"]))
        press.answers.append(answer)
        return answer


def body_of(batch: tuple[Push, ...]) -> dict[str, Any]:
    """What the monitoring system of this kind sends."""
    if batch[0].kind == "standard":
        (push,) = batch
        return {
            "title_rule": push.alert_key,
            "event_status": "Ok" if push.is_recovery else "Critical",
            "alert_key": push.alert_key,
            "labels": {"duty": push.person, "resource": "db-09"},
        }
    status = "resolved" if batch[0].is_recovery else "firing"
    return {
        "version": "4",
        "status": status,
        "groupKey": "{}:{}",
        "receiver": "dutybell",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": push.alert_key, "severity": "critical", "duty": push.person},
                "annotations": {},
                "startsAt": "2026-03-02T01:31:00Z",
                "endsAt": "2026-03-02T01:32:00Z" if push.is_recovery else "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": push.alert_key,
            }
            for push in batch
        ],
    }


def asked(call: Callable[[], requests.Response]) -> Answer:
    """A request's answer; no answer is status 0."""
    began = time.monotonic()
    try:
        response = call()
    except requests.RequestException as error:
        return Answer(0, time.monotonic() - began, type(error).__name__)
    return Answer(response.status_code, time.monotonic() - began, response.text[:300], headers=dict(response.headers))
