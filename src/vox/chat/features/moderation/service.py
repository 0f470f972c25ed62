"""Units of work that store, resolve and delete reports."""

from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.features.moderation import queries
from vox.chat.features.moderation.schemas import NewReport
from vox.stores.sql import Connection


def report(connection: Connection, *, reporter_id: UserId, body: NewReport, now_s: int) -> Change[int]:
    """Stores a report; the change's value is its id."""
    return Change(queries.insert_report(connection, reporter_id=reporter_id, body=body, now_s=now_s))


def resolve(connection: Connection, *, actor_id: UserId, report_id: int, action: str) -> Change[None]:
    """Closes a report and records what was done.

    Raises:
        Refusal: REPORT_NOT_FOUND.
    """
    if not queries.close_report(connection, report_id=report_id, action=action):
        raise no_report(report_id)
    return Change(None, (), [AuditEntry("report.resolve", actor_id, report_id, {"action": action})])


def delete(connection: Connection, *, report_id: int) -> Change[None]:
    """Deletes a report.

    Raises:
        Refusal: REPORT_NOT_FOUND.
    """
    if not queries.delete_report(connection, report_id=report_id):
        raise no_report(report_id)
    return Change(None)


def no_report(report_id: int) -> Exception:
    """The refusal where a report does not exist."""
    return refuse("REPORT_NOT_FOUND", f"There is no report {report_id}.")
