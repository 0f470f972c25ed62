"""Reports of members about members, and the log of what moderators did.

The audit log is written with each change and never changed; reading it needs a permission of its own. The messages in a report
are kept as the reporter sent them: they are testimony, not proof.
"""

from functools import partial

from vox.chat.api.access import USER, requires
from vox.chat.api.pagination import Items, page_limit
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length, validate_prose, validate_text
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.moderation import queries, report_actions, service
from vox.chat.features.moderation.schemas import (
    Assignment,
    AuditPage,
    AuditQuery,
    NewReport,
    Report,
    ReportActions,
    ReportLine,
    ReportQuery,
    Resolution,
)

routes = RouteTable()


@routes.post("/reports", access=USER, body=NewReport, status=201, returns=ReportLine)
async def report(call: Call[NewReport]) -> ReportLine:
    """Reports a user; the response has only the id of the report."""
    chat, body = call.chat, call.body
    validate_prose(chat.config.limit, "reason", body.reason, "report_reason_max")
    validate_prose(chat.config.limit, "description", body.description, "report_description_max")
    for evidence in body.messages or ():
        validate_length(chat.config.limit, "messages[].body", evidence.body, "message_body_max")
    if body.reported_user_id not in chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {body.reported_user_id}.")
    now_s = chat.clock.unix_s()
    return ReportLine(await chat.change(partial(service.report, reporter_id=call.user_id, body=body, now_s=now_s)))


@routes.get("/reports", access=requires(P.VIEW_REPORTS), query=ReportQuery, returns=Items[ReportLine])
async def list_reports(call: Call[None, ReportQuery]) -> Items[ReportLine]:
    """Lists reports by id."""
    chat, page = call.chat, call.query
    limit = page_limit(chat, page.limit, "reports")
    rows = await chat.read(partial(queries.list_reports, query=page, limit=limit))
    return Items(rows, str(rows[-1].report_id) if rows else None)


@routes.get("/reports/{report_id}", access=requires(P.VIEW_REPORTS), returns=Report)
async def get_report(call: Call) -> Report:
    """Returns a report with its details."""
    report_id = call.id("report_id")
    found = await call.chat.read(partial(queries.find_report, report_id=report_id))
    if found is None:
        raise service.no_report(report_id)
    return found


@routes.post("/reports/{report_id}/resolve", access=requires(P.MANAGE_REPORTS), body=Resolution)
async def resolve_report(call: Call[Resolution]) -> None:
    """Records what was done and closes a report; the server takes no other action."""
    validate_prose(call.chat.config.limit, "action", call.body.action, "admin_reason_max")
    await call.chat.change(
        partial(service.resolve, actor_id=call.user_id, report_id=call.id("report_id"), action=call.body.action)
    )


@routes.post("/reports/{report_id}/assign", access=requires(P.MANAGE_REPORTS), body=Assignment)
async def assign_report(call: Call[Assignment]) -> None:
    """Gives an open report to a moderator, who is the caller where the body names no one."""
    chat, chosen = call.chat, call.body.assignee_id
    assignee = call.user_id if chosen is None else UserId(chosen) if chosen else None
    if assignee is not None and not chat.community.may(assignee, P.MANAGE_REPORTS):
        raise refuse("INVALID_TARGET", f"User {assignee} does not hold MANAGE_REPORTS.")
    unit = partial(
        service.assign,
        actor_id=call.user_id,
        report_id=call.id("report_id"),
        assignee_id=assignee,
        is_forced=call.body.force,
    )
    await chat.change(unit)


@routes.post("/reports/{report_id}/act", access=requires(P.MANAGE_REPORTS), body=ReportActions)
async def act_on_report(call: Call[ReportActions]) -> None:
    """Carries out actions about a report and resolves it, all together or nothing."""
    chat, body = call.chat, call.body
    for reason in (body.note, *(getattr(action, "reason", None) for action in body.actions)):
        validate_prose(chat.config.limit, "note", reason, "admin_reason_max")
    await report_actions.act_on_report(chat, call.user_id, call.id("report_id"), body)


@routes.delete("/reports/{report_id}", access=requires(P.MANAGE_REPORTS))
async def delete_report(call: Call) -> None:
    """Deletes a report."""
    await call.chat.change(partial(service.delete, actor_id=call.user_id, report_id=call.id("report_id")))


@routes.get("/audit-log", access=requires(P.VIEW_AUDIT_LOG), query=AuditQuery, returns=AuditPage)
async def list_audit_log(call: Call[None, AuditQuery]) -> AuditPage:
    """Lists the actions of moderators, oldest first."""
    chat, query = call.chat, call.query
    validate_text("event_type", query.event_type)
    limit = page_limit(chat, query.limit, "audit_log")
    entries = await chat.read(partial(queries.list_audit_log, query=query, limit=limit))
    return AuditPage(entries, str(entries[-1].entry_id) if entries else None)
