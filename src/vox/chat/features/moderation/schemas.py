"""Requests and responses of reports and the audit log."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from vox.chat.api.fields import Id, Int64, Limit
from vox.chat.events.ids import MessageId


class Evidence(Struct):
    """A message as the reporter saw it."""

    msg_id: Int64
    body: str | None = None
    timestamp: Int64 | None = None


class NewReport(Struct):
    """A report about a user."""

    reported_user_id: Id
    reason: str
    feed_id: Id | None = None
    msg_id: Id | None = None
    dm_id: Id | None = None
    messages: Annotated[list[Evidence], Meta(max_length=100)] | None = None
    description: str | None = None


class ReportLine(Struct):
    """A report in a list; `created_at` in Unix seconds."""

    report_id: int
    reporter_id: int | None = None
    reported_user_id: int | None = None
    reason: str | None = None
    status: str | None = None
    created_at: int | None = None


class Report(ReportLine):
    """A report with all its details."""

    feed_id: int | None = None
    msg_id: MessageId | None = None
    dm_id: int | None = None
    description: str | None = None
    evidence: list[Evidence] = []
    action: str | None = None


class ReportQuery(Struct):
    """Which page of reports."""

    status: Literal["open", "resolved"] | None = None
    limit: Limit = 50
    after: Id = 0


class Resolution(Struct):
    """What was done about a report."""

    action: str


class AuditQuery(Struct):
    """Which entries of the audit log; `event_type` may hold `*`."""

    event_type: str | None = None
    actor_id: Id | None = None
    target_id: Id | None = None
    limit: Limit = 50
    after: Id = 0


class AuditLine(Struct):
    """One entry; `timestamp` in Unix milliseconds."""

    entry_id: int
    event_type: str
    actor_id: int | None
    target_id: int | None
    metadata: dict[str, object] | None
    timestamp: int


class AuditPage(Struct):
    """Entries, oldest first."""

    entries: list[AuditLine]
    cursor: str | None
