"""A database with as many incidents as one likes, and all that hangs on them, made by INSERT … SELECT in minutes.

Three organisations; 95 of 100 incidents are the first one's. Two of 100 are open, over all ages; a year's worth, the
newest from now. Every one has an alert, two events, a responder, five timeline entries, a notification with its
delivery, attempt and card, and jobs that are done.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    ColumnElement,
    Integer,
    String,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    type_coerce,
)

from bench.large_people import CHANNELS, ORGANISATIONS, PEOPLE, make_people
from extensions import Base, db
from models import (
    Alert,
    AlertEvent,
    AlertState,
    Card,
    CardCode,
    CardState,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Incident,
    Job,
    JobState,
    Notification,
    Progress,
    Receipt,
    Responder,
    Severity,
    SignInAttempt,
    Tenant,
    TimelineEntry,
    UtcDateTime,
)

SPAN = timedelta(days=360)
RESOURCES = ("订单数据库", "支付网关", "库存服务", "消息队列", "对象存储", "登录服务", "搜索集群")
PROBLEMS = ("磁盘使用率过高", "响应延迟升高", "连接数耗尽", "主从延迟", "证书即将过期", "内存不足", "节点失联")
RARE_EVERY, RARE_WORD = 200_000, "罕见"
"""One title in so many holds a word that nothing else has; the oldest incident always does."""


def build(incidents: int) -> None:
    """Fill the migrated, empty database of the current application. Takes about 0.1 s for 1,000 incidents."""
    now = datetime.now(UTC).replace(microsecond=0)
    make_people(now)
    with db.engine.connect() as connection:
        _hurry(connection, is_on=True)
        rows = _Rows(connection.dialect.name, incidents, now)
        for table, values in rows.all():
            names = list(values)
            connection.execute(insert(table).from_select(names, select(*values.values()).select_from(rows.numbers)))
        for tenant_id in range(len(ORGANISATIONS)):
            mine = select(func.coalesce(func.max(Incident.num), 0)).where(Incident.tenant_id == tenant_id)
            connection.execute(
                Tenant.__table__.update()  # type: ignore[attr-defined]
                .where(Tenant.id == tenant_id)
                .values(last_incident_num=mine.scalar_subquery())
            )
        _follow_sequences(connection)
        connection.commit()
        _hurry(connection, is_on=False)
    if db.engine.dialect.name == "postgresql":
        raw = db.engine.raw_connection()
        raw.cursor().execute("VACUUM ANALYZE")  # the driver's own: in no transaction
        raw.close()
    db.engine.dispose()


def _hurry(connection: Any, *, is_on: bool) -> None:
    """Rows made here are consistent and may be lost: leave out checking and syncing while they are written."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET session_replication_role = {'replica' if is_on else 'origin'}"))
        return
    driver = connection.connection.dbapi_connection
    if driver.in_transaction:
        driver.execute("COMMIT")
    driver.execute(f"PRAGMA foreign_keys={'OFF' if is_on else 'ON'}")
    driver.execute(f"PRAGMA synchronous={'OFF' if is_on else 'FULL'}")
    driver.execute(f"PRAGMA cache_size={-500_000 if is_on else -2_000}")


def _follow_sequences(connection: Any) -> None:
    """Let PostgreSQL's sequences go on behind the ids given here; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        column = table.primary_key.columns.values()[0]
        if isinstance(column.type, Integer) and column.autoincrement is not False:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            following = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
            connection.execute(select(func.setval(sequence, following)))


class _Rows:
    """The values of each table's columns as expressions of one number per row, 1 being the oldest incident."""

    def __init__(self, dialect: str, count: int, now: datetime) -> None:
        self.dialect, self.count, self.now = dialect, count, now
        self.numbers = self._counted(count)
        self.n: ColumnElement[Any] = self.numbers.c.n
        n = self.n
        self.tenant = case((n % 20 != 7, 0), (n % 40 == 7, 1), else_=2)
        self.channel = self.tenant * CHANNELS + 1 + n % CHANNELS
        self.person = 1 + n % PEOPLE
        self.is_open = n % 50 == 0
        step = SPAN.total_seconds() / count
        self.age = cast((count - n) * literal_column(repr(step)), Integer)
        self.title = (
            self._one_of(RESOURCES, n)
            + self._one_of(PROBLEMS, n // 7)
            + literal(" ")
            + cast(n, String)
            + case((n % RARE_EVERY == 1, RARE_WORD), else_="")
        )

    def all(self) -> list[tuple[type[Base], dict[str, Any]]]:
        return [
            (Incident, self.incidents()),
            (Responder, self.responders()),
            (Alert, self.alerts()),
            (AlertEvent, self.events(0)),
            (AlertEvent, self.events(1)),
            *((TimelineEntry, self.timeline(number)) for number in range(5)),
            (Notification, self.notifications()),
            (Delivery, self.deliveries()),
            (DeliveryAttempt, self.attempts()),
            (Card, self.cards()),
            (CardCode, self.codes()),
            *((Job, self.jobs(number)) for number in range(3)),
            (Receipt, self.receipts()),
            (SignInAttempt, self.sign_ins()),
        ]

    def incidents(self) -> dict[str, Any]:
        severity = self._word(Severity.CRITICAL, Severity.WARNING, Severity.INFO)
        return {
            "id": self.n,
            "tenant_id": self.tenant,
            "num": self.n,
            "channel_id": self.channel,
            "title": self.title,
            "description": literal("超过阈值已有 5 分钟，请尽快查看。运行手册见内部文档。"),
            "severity": severity,
            "status": severity,
            "progress": case(
                (self.n % 100 == 0, Progress.TRIGGERED.value),
                (self.is_open, Progress.PROCESSING.value),
                else_=Progress.CLOSED.value,
            ),
            "labels": self._json('{"resource": "db-03", "check": "disk.used", "service": "orders", "region": "cn-1"}'),
            "images": self._json("[]"),
            "started_at": self._at(3600),
            "last_event_at": self._at(1800),
            "changed_at": self._at(0),
            "acknowledged_at": self._at(3000),
            "closed_at": case((self.is_open, null()), else_=self._at(0)),
            "closed_by_id": self.person,
            "is_private": literal(False),
            "assignment": self._json('{"kind": "assign", "run": 2}'),
            "overrides": self._json("[]"),
            "alert_count": literal(1),
            "active_alert_count": case((self.is_open, 1), else_=0),
            "event_count": literal(2),
            "impact": literal(""),
            "root_cause": literal(""),
            "resolution": literal(""),
            "version": literal(3),
        }

    def responders(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "incident_id": self.n,
            "user_id": self.person,
            "source": literal("policy"),
            "is_current": literal(True),
            "assigned_at": self._at(3600),
            "acknowledged_at": self._at(3000),
        }

    def alerts(self) -> dict[str, Any]:
        return {
            "id": self.n,
            "tenant_id": self.tenant,
            "source_id": self.tenant + 1,
            "channel_id": self.channel,
            "incident_id": self.n,
            "alert_key": literal("key-") + cast(self.n, String),
            "title": self.title,
            "description": literal("超过阈值已有 5 分钟，请尽快查看。"),
            "severity": literal(Severity.CRITICAL.value),
            "status": literal(Severity.CRITICAL.value),
            "state": case((self.is_open, AlertState.FIRING.value), else_=AlertState.RECOVERED.value),
            "labels": self._json('{"resource": "db-03", "check": "disk.used", "service": "orders"}'),
            "images": self._json("[]"),
            "started_at": self._at(3600),
            "last_event_at": self._at(1800),
            "event_count": literal(2),
        }

    def events(self, number: int) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "alert_id": self.n,
            "event_status": literal(Severity.CRITICAL.value),
            "title": self.title,
            "description": literal("超过阈值已有 5 分钟，请尽快查看。"),
            "labels": self._json('{"resource": "db-03", "check": "disk.used", "service": "orders"}'),
            "event_at": self._at(3600 - number * 600),
            "received_at": self._at(3600 - number * 600),
            "raw": self._json('{"event_status": "Critical", "alert_key": "key", "labels": {"resource": "db-03"}}'),
        }

    def timeline(self, number: int) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "incident_id": self.n,
            "type": literal(("new", "assign", "notify", "ack", "close")[number]),
            "actor_id": self.person if number > 2 else null(),
            "actor_name": literal("值班员" if number > 2 else ""),
            "via": literal("console" if number > 2 else "system"),
            "at": self._at(3600 - number * 600),
            "detail": self._json('{"kind": "assign", "policy": "默认", "cause": "assign"}'),
        }

    def notifications(self) -> dict[str, Any]:
        return {
            "id": self.n,
            "tenant_id": self.tenant,
            "incident_id": self.n,
            "level": literal(0),
            "cause": literal("assign"),
            "times": literal(1),
            "policy_name": literal("默认"),
            "created_at": self._at(3600),
        }

    def deliveries(self) -> dict[str, Any]:
        failed = self.n % 40 == 1
        return {
            "id": self.n,
            "tenant_id": self.tenant,
            "notification_id": self.n,
            "incident_id": self.n,
            "source": literal("incident"),
            "channel_kind": literal("wecom_app"),
            "integration_id": self.tenant + 1,
            "integration_name": literal("企业微信"),
            "user_id": self.person,
            "recipient_name": literal("值班员") + cast(self.person - 1, String),
            "external_user_id": literal("person-") + cast(self.person - 1, String),
            "state": case((failed, DeliveryState.FAILED.value), else_=DeliveryState.SENT.value),
            "reference": literal("reference-") + cast(self.n, String),
            "failure_code": case((failed, "app_not_linked"), else_=null()),
            "failure": self._json("{}"),
            "rendered": self._json('{"title": "订单数据库", "body": ["超过阈值已有 5 分钟，请尽快查看。"]}'),
            "sent_at": self._at(3590),
            "created_at": self._at(3600),
        }

    def attempts(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "delivery_id": self.n,
            "at": self._at(3590),
            "outcome": literal("sent"),
            "http_status": literal(200),
            "message": literal(""),
            "latency_ms": literal(80),
        }

    def cards(self) -> dict[str, Any]:
        return {
            "id": self.n,
            "tenant_id": self.tenant,
            "incident_id": self.n,
            "delivery_id": self.n,
            "integration_id": self.tenant + 1,
            "user_id": self.person,
            "external_user_id": literal("person-") + cast(self.person - 1, String),
            "reference": literal("reference-") + cast(self.n, String),
            "message_id": literal(""),
            "state": case((self.is_open, CardState.LIVE.value), else_=CardState.FROZEN.value),
            "shown_fingerprint": literal(""),
            "update_count": literal(1),
            "created_at": self._at(3590),
            "updated_at": self._at(0),
        }

    def codes(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "card_id": self.n,
            "code": literal("code"),
            "origin": literal("send"),
            "received_at": self._at(3590),
            "expires_at": self._at(-3 * 86400),
            "used_at": self._at(0),
        }

    def jobs(self, number: int) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "kind": literal(("deliver", "policy_step", "update_card")[number]),
            "subject_id": self.n,
            "payload": self._json("{}"),
            "state": literal(JobState.DONE.value),
            "due_at": self._at(3600),
            "lease_until": self._at(3600),
            "attempts": literal(1),
            "created_at": self._at(3600),
            "finished_at": self._at(3590),
        }

    def receipts(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant,
            "scope": literal("wecom:1"),
            "key": literal("press-") + cast(self.n, String),
            "answer": self._json("{}"),
            "at": self._at(0),
        }

    def sign_ins(self) -> dict[str, Any]:
        return {
            "account": literal("guess-") + cast(self.n % 1000, String),
            "address": literal("192.0.2.") + cast(self.n % 250, String),
            "at": self._at(0),
        }

    def _counted(self, count: int) -> CTE:
        start = select(literal(1, Integer).label("n")).cte("numbers", recursive=True)
        return start.union_all(select(start.c.n + 1).where(start.c.n < count))

    def _at(self, seconds_before: int) -> ColumnElement[Any]:
        """A time so many seconds before the incident's last change."""
        seconds = literal(int(self.now.timestamp()) - seconds_before, Integer) - self.age
        if self.dialect == "postgresql":
            return type_coerce(func.to_timestamp(seconds), UtcDateTime)
        return type_coerce(func.strftime("%Y-%m-%d %H:%M:%S.000000", seconds, "unixepoch"), UtcDateTime)

    def _one_of(self, words: tuple[str, ...], number: ColumnElement[Any]) -> ColumnElement[Any]:
        picked = number % len(words)
        return case(*((picked == place, word) for place, word in enumerate(words[1:], 1)), else_=words[0])

    def _word(self, *words: str) -> ColumnElement[Any]:
        return self._one_of(tuple(str(word) for word in words), self.n)

    def _json(self, value: str) -> ColumnElement[Any]:
        written: ColumnElement[Any] = literal_column(f"'{value}'", String)
        return type_coerce(cast(written, JSON) if self.dialect == "postgresql" else written, JSON)
