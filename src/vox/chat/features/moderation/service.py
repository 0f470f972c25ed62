"""Units of work that store, assign, resolve and delete reports, and set slow mode."""

from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import feed_slow_mode, report_create, report_delete, report_update
from vox.chat.events.ids import FeedId, UserId
from vox.chat.features.automod import queries as automod_queries
from vox.chat.features.moderation import queries
from vox.chat.features.moderation.queries import ReportState
from vox.chat.features.moderation.schemas import NewReport
from vox.stores.sql import Connection


def report(connection: Connection, *, reporter_id: UserId, body: NewReport, now_s: int) -> Change[int]:
    """Stores a report; the change's value is its id."""
    report_id = queries.insert_report(connection, reporter_id=reporter_id, body=body, now_s=now_s)
    event = report_create(
        report_id=report_id,
        reported_user_id=body.reported_user_id,
        reason=body.reason,
        reporter_id=reporter_id,
    )
    return Change(report_id, [event])


def resolve(connection: Connection, *, actor_id: UserId, report_id: int, action: str) -> Change[None]:
    """Closes a report and records what was done.

    Raises:
        Refusal: REPORT_NOT_FOUND.
    """
    state = queries.lock_report(connection, report_id=report_id)
    if state is None:
        raise no_report(report_id)
    queries.close_report(connection, report_id=report_id, action=action, resolver_id=actor_id)
    event = report_update(report_id=report_id, status="resolved", assignee_id=state.assignee_id)
    return Change(None, [event], [AuditEntry("report.resolve", actor_id, report_id, {"action": action})])


def assign(
    connection: Connection, *, actor_id: UserId, report_id: int, assignee_id: UserId | None, is_forced: bool
) -> Change[None]:
    """Gives an open report to a moderator, or takes it back from them; of two who take it at once one gets it.

    Raises:
        Refusal: REPORT_NOT_FOUND, REPORT_RESOLVED, REPORT_ASSIGNED.
    """
    state = lock_open_report(connection, report_id, actor_id, is_forced=is_forced)
    if state.assignee_id == assignee_id:
        return Change(None)
    queries.assign_report(connection, report_id=report_id, assignee_id=assignee_id)
    event = report_update(report_id=report_id, status="open", assignee_id=assignee_id)
    return Change(None, [event], [AuditEntry("report.assign", actor_id, report_id, {"assignee_id": assignee_id})])


def lock_open_report(connection: Connection, report_id: int, actor_id: UserId, *, is_forced: bool) -> ReportState:
    """An open report that the actor may work on, unchanged by others until the transaction ends.

    Raises:
        Refusal: REPORT_NOT_FOUND, REPORT_RESOLVED, REPORT_ASSIGNED.
    """
    state = queries.lock_report(connection, report_id=report_id)
    if state is None:
        raise no_report(report_id)
    if state.status != "open":
        raise refuse("REPORT_RESOLVED", f"Report {report_id} is resolved already.")
    if state.assignee_id not in {None, actor_id} and not is_forced:
        raise refuse("REPORT_ASSIGNED", f"User {state.assignee_id} works on report {report_id}; send force to take it.")
    return state


def delete(connection: Connection, *, actor_id: UserId, report_id: int) -> Change[None]:
    """Deletes a report.

    Raises:
        Refusal: REPORT_NOT_FOUND.
    """
    if not queries.delete_report(connection, report_id=report_id):
        raise no_report(report_id)
    return Change(None, [report_delete(report_id=report_id)], [AuditEntry("report.delete", actor_id, report_id)])


def set_slow_mode(connection: Connection, *, actor_id: UserId, feed_id: FeedId, seconds: int) -> Change[None]:
    """Sets the slow mode of a feed.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    lock_event_order(connection)
    if not automod_queries.set_slow_mode(connection, feed_id, seconds):
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    audit = AuditEntry("feed.slow_mode", actor_id, feed_id, {"seconds": seconds})
    return Change(None, [feed_slow_mode(feed_id=feed_id, seconds=seconds)], [audit])


def no_report(report_id: int) -> Exception:
    """The refusal where a report does not exist."""
    return refuse("REPORT_NOT_FOUND", f"There is no report {report_id}.")
