"""Reports of members about members, and the log of what moderators did.

The audit log is written with each change and never changed; reading it needs a permission of its own. What a report says was
seen is kept as the reporter told it: it is testimony, not proof.
"""

from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from vox.chat.api.access import USER, requires
from vox.chat.api.pages import Items
from vox.chat.api.pagination import page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length, validate_text
from vox.chat.database.schema import audit_log, reports
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import refuse
from vox.chat.events.permissions import P
from vox.chat.features.moderation.schemas import (
    AuditLine,
    AuditPage,
    AuditQuery,
    Evidence,
    NewReport,
    Report,
    ReportLine,
    ReportQuery,
    Resolution,
)

routes = RouteTable()


@routes.post("/reports", access=USER, body=NewReport, status=201, returns=ReportLine)
async def report(call: Call[NewReport]) -> ReportLine:
    """A complaint about a user; the answer has only its id."""
    chat, body = call.chat, call.body
    validate_length(chat.config.limit, "reason", body.reason, "report_reason_max")
    validate_length(chat.config.limit, "description", body.description, "report_description_max")
    for evidence in body.messages or ():
        validate_length(chat.config.limit, "messages[].body", evidence.body, "message_body_max")
    if body.reported_user_id not in chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {body.reported_user_id}.")
    now_s = int(chat.clock.wall().timestamp())
    return ReportLine(await chat.change(partial(_report, reporter_id=call.user_id, body=body, now_s=now_s)))


@routes.get("/reports", access=requires(P.VIEW_REPORTS), query=ReportQuery, returns=Items[ReportLine])
async def list_reports(call: Call[None, ReportQuery]) -> Items[ReportLine]:
    """Reports by id."""
    chat, page = call.chat, call.query
    limit = page_limit(chat, page.limit, "reports")
    rows = await chat.read(partial(_reports, status=page.status, after=page.after, limit=limit))
    return Items(rows, str(rows[-1].report_id) if rows else None)


@routes.get("/reports/{report_id}", access=requires(P.VIEW_REPORTS), returns=Report)
async def get_report(call: Call) -> Report:
    """A report with its details."""
    report_id = call.id("report_id")
    found = await call.chat.read(partial(_one_report, report_id=report_id))
    if found is None:
        raise _no_report(report_id)
    return found


@routes.post("/reports/{report_id}/resolve", access=requires(P.MANAGE_REPORTS), body=Resolution)
async def resolve_report(call: Call[Resolution]) -> None:
    """Notes what was done and closes a report; the server does nothing else about it."""
    validate_length(call.chat.config.limit, "action", call.body.action, "admin_reason_max")
    await call.chat.change(
        partial(_resolve, actor_id=call.user_id, report_id=call.id("report_id"), action=call.body.action)
    )


@routes.delete("/reports/{report_id}", access=requires(P.MANAGE_REPORTS))
async def delete_report(call: Call) -> None:
    """Deletes a report."""
    await call.chat.change(partial(_delete, report_id=call.id("report_id")))


@routes.get("/audit-log", access=requires(P.VIEW_AUDIT_LOG), query=AuditQuery, returns=AuditPage)
async def list_audit_log(call: Call[None, AuditQuery]) -> AuditPage:
    """What moderators did, oldest first."""
    chat, query = call.chat, call.query
    validate_text("event_type", query.event_type)
    limit = page_limit(chat, query.limit, "audit_log")
    entries = await chat.read(partial(_audit, query=query, limit=limit))
    return AuditPage(entries, str(entries[-1].entry_id) if entries else None)


def like_pattern(glob: str) -> str:
    r"""A glob with `*` as a LIKE pattern whose escape character is a backslash."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _report(connection: Connection, *, reporter_id: int, body: NewReport, now_s: int) -> Change[int]:
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
    return Change(int(report_id))


def _reports(connection: Connection, *, status: str | None, after: int, limit: int) -> list[ReportLine]:
    row = reports.c
    found = connection.execute(
        select(row.id, row.reporter_id, row.reported_user_id, row.reason, row.status, row.created_at)
        .where(row.id > after, *([row.status == status] if status else []))
        .order_by(row.id)
        .limit(limit)
    )
    return [ReportLine(*values) for values in found]


def _one_report(connection: Connection, *, report_id: int) -> Report | None:
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


def _resolve(connection: Connection, *, actor_id: int, report_id: int, action: str) -> Change[None]:
    closed = connection.execute(
        update(reports).where(reports.c.id == report_id).values(status="resolved", action=action)
    ).rowcount
    if not closed:
        raise _no_report(report_id)
    return Change(None, (), [AuditEntry("report.resolve", actor_id, report_id, {"action": action})])


def _delete(connection: Connection, *, report_id: int) -> Change[None]:
    if not connection.execute(delete(reports).where(reports.c.id == report_id)).rowcount:
        raise _no_report(report_id)
    return Change(None)


def _audit(connection: Connection, *, query: AuditQuery, limit: int) -> list[AuditLine]:
    row = audit_log.c
    wanted: list[Any] = [row.id > query.after]
    if query.event_type is not None:
        kind = query.event_type.lower()  # SQLite's LIKE knows no case, PostgreSQL's does
        is_glob = "*" in kind
        wanted.append(row.event_type.like(like_pattern(kind), escape="\\") if is_glob else row.event_type == kind)
    if query.actor_id is not None:
        wanted.append(row.actor_id == query.actor_id)
    if query.target_id is not None:
        wanted.append(row.target_id == query.target_id)
    found = connection.execute(
        select(row.id, row.event_type, row.actor_id, row.target_id, row.metadata, row.timestamp)
        .where(*wanted)
        .order_by(row.id)
        .limit(limit)
    )
    return [
        AuditLine(entry_id, event_type, actor_id, target_id, _fields(metadata), timestamp)
        for entry_id, event_type, actor_id, target_id, metadata, timestamp in found
    ]


def _fields(text: str | None) -> dict[str, object] | None:
    return msgspec.json.decode(text, type=dict[str, object]) if text else None


def _no_report(report_id: int) -> Exception:
    return refuse("REPORT_NOT_FOUND", f"There is no report {report_id}.")
