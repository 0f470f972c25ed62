"""SQL of reports and the audit log."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, insert, select, update

from vox.chat.database.schema import audit_log, reports
from vox.chat.events.ids import FeedId, MessageId, UserId
from vox.chat.features.moderation.schemas import (
    AuditLine,
    AuditQuery,
    Evidence,
    NewReport,
    Report,
    ReportLine,
    ReportQuery,
)


@dataclass(frozen=True, slots=True)
class ReportState:
    """What a report is about and where it stands."""

    status: str
    assignee_id: UserId | None
    reported_user_id: UserId
    feed_id: FeedId | None
    msg_id: MessageId | None


_STATE: Final = (
    reports.c.status,
    reports.c.assignee_id,
    reports.c.reported_user_id,
    reports.c.feed_id,
    reports.c.msg_id,
)


def insert_report(connection: Connection, *, reporter_id: UserId, body: NewReport, now_s: int) -> int:
    """Stores a new report and returns its id."""
    report_id = connection.execute(
        insert(reports)
        .values(
            reporter_id=reporter_id,
            reported_user_id=body.reported_user_id,
            feed_id=body.feed_id,
            msg_id=body.msg_id,
            dm_id=body.dm_id,
            reason=body.reason,
            description=body.description,
            evidence=msgspec.json.encode(body.messages).decode() if body.messages else None,
            created_at=now_s,
        )
        .returning(reports.c.id)
    ).scalar_one()
    return int(report_id)


def list_reports(connection: Connection, *, query: ReportQuery, limit: int) -> list[ReportLine]:
    """Reports by id, as the query narrows them."""
    row = reports.c
    conditions: list[ColumnElement[bool]] = [row.id > query.after]
    if query.status is not None:
        conditions.append(row.status == query.status)
    if query.assignee_id is not None:
        conditions.append(row.assignee_id == query.assignee_id if query.assignee_id else row.assignee_id.is_(None))
    columns = (row.id, row.reporter_id, row.reported_user_id, row.reason, row.status, row.created_at)
    found = connection.execute(
        select(*columns, row.assignee_id, row.rule_id).where(*conditions).order_by(row.id).limit(limit)
    )
    return [ReportLine(*each[:6], **_set(assignee_id=each[6], rule_id=each[7])) for each in found]


def find_report(connection: Connection, *, report_id: int) -> Report | None:
    """One report with its details."""
    row = connection.execute(select(reports).where(reports.c.id == report_id)).first()
    if row is None:
        return None
    return Report(
        report_id=row.id,
        reporter_id=row.reporter_id,
        reported_user_id=row.reported_user_id,
        reason=row.reason,
        status=row.status,
        created_at=row.created_at,
        feed_id=row.feed_id,
        msg_id=row.msg_id,
        dm_id=row.dm_id,
        description=row.description,
        evidence=msgspec.json.decode(row.evidence, type=list[Evidence]) if row.evidence else [],
        action=row.action,
        **_set(assignee_id=row.assignee_id, resolver_id=row.resolver_id, rule_id=row.rule_id),
    )


def find_report_state(connection: Connection, *, report_id: int) -> ReportState | None:
    """What a report is about and where it stands; None where there is none."""
    return _state(connection, select(*_STATE).where(reports.c.id == report_id))


def lock_report(connection: Connection, *, report_id: int) -> ReportState | None:
    """The same, unchanged by others until the transaction ends."""
    return _state(connection, select(*_STATE).where(reports.c.id == report_id).with_for_update())


def close_report(connection: Connection, *, report_id: int, action: str, resolver_id: UserId) -> None:
    """Marks a report as resolved."""
    values = {"status": "resolved", "action": action, "resolver_id": resolver_id}
    connection.execute(update(reports).where(reports.c.id == report_id).values(values))


def assign_report(connection: Connection, *, report_id: int, assignee_id: UserId | None) -> None:
    """Stores who works on a report."""
    connection.execute(update(reports).where(reports.c.id == report_id).values(assignee_id=assignee_id))


def delete_report(connection: Connection, *, report_id: int) -> bool:
    """Deletes a report; False where there is none."""
    return bool(connection.execute(delete(reports).where(reports.c.id == report_id)).rowcount)


def list_audit_log(connection: Connection, *, query: AuditQuery, limit: int) -> list[AuditLine]:
    """The entries that a query matches, oldest first."""
    row = audit_log.c
    conditions: list[Any] = [row.id > query.after]
    if query.event_type is not None:
        kind = query.event_type.lower()  # SQLite's LIKE ignores case, PostgreSQL's does not
        is_glob = "*" in kind
        conditions.append(row.event_type.like(like_pattern(kind), escape="\\") if is_glob else row.event_type == kind)
    if query.actor_id is not None:
        conditions.append(row.actor_id == query.actor_id)
    if query.target_id is not None:
        conditions.append(row.target_id == query.target_id)
    found = connection.execute(
        select(row.id, row.event_type, row.actor_id, row.target_id, row.metadata, row.timestamp)
        .where(*conditions)
        .order_by(row.id)
        .limit(limit)
    )
    return [
        AuditLine(entry_id, event_type, actor_id, target_id, _fields(metadata), timestamp)
        for entry_id, event_type, actor_id, target_id, metadata, timestamp in found
    ]


def like_pattern(glob: str) -> str:
    r"""A glob with `*` as a LIKE pattern whose escape character is a backslash."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _state(connection: Connection, query: Select[Any, Any, Any, Any, Any]) -> ReportState | None:
    row = connection.execute(query).first()
    return None if row is None else ReportState(*row)


def _set(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}


def _fields(text: str | None) -> dict[str, object] | None:
    return msgspec.json.decode(text, type=dict[str, object]) if text else None
