"""SQL of reports and the audit log."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.database.schema import audit_log, reports
from vox.chat.events.ids import UserId
from vox.chat.features.moderation.schemas import AuditLine, AuditQuery, Evidence, NewReport, Report, ReportLine


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


def list_reports(connection: Connection, *, status: str | None, after: int, limit: int) -> list[ReportLine]:
    """Reports by id; with a status only those."""
    row = reports.c
    found = connection.execute(
        select(row.id, row.reporter_id, row.reported_user_id, row.reason, row.status, row.created_at)
        .where(row.id > after, *([row.status == status] if status else []))
        .order_by(row.id)
        .limit(limit)
    )
    return [ReportLine(*values) for values in found]


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
    )


def close_report(connection: Connection, *, report_id: int, action: str) -> bool:
    """Marks a report as resolved; False where there is none."""
    closed = connection.execute(
        update(reports).where(reports.c.id == report_id).values(status="resolved", action=action)
    ).rowcount
    return bool(closed)


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


def _fields(text: str | None) -> dict[str, object] | None:
    return msgspec.json.decode(text, type=dict[str, object]) if text else None
