"""Requests and responses of reports and the audit log."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from vox.chat.api.fields import Id, Int64, Limit
from vox.chat.events.ids import MessageId
from vox.chat.features.automod.rules import MAX_TIMEOUT_S


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
    assignee_id: int | UnsetType = UNSET
    rule_id: int | UnsetType = UNSET


class Report(ReportLine, kw_only=True):
    """A report with all its details."""

    feed_id: int | None = None
    msg_id: MessageId | None = None
    dm_id: int | None = None
    description: str | None = None
    evidence: list[Evidence] = []
    action: str | None = None
    resolver_id: int | UnsetType = UNSET


class ReportQuery(Struct):
    """Which page of reports; `assignee_id` 0 asks for those that no moderator works on."""

    status: Literal["open", "resolved"] | None = None
    assignee_id: Id | None = None
    limit: Limit = 50
    after: Id = 0


class Resolution(Struct):
    """What was done about a report."""

    action: str


class Assignment(Struct):
    """Who works on a report from now on: without `assignee_id` the caller, with 0 no one; `force` takes it from another."""

    assignee_id: Id | None = None
    force: bool = False


ActionReason = Annotated[str, Meta(max_length=256)] | None


class DeleteMessage(Struct, tag_field="type", tag="delete_message", frozen=True):
    """Deletes the reported message of a feed, where it is still there."""


class TimeOutMember(Struct, tag_field="type", tag="timeout", frozen=True):
    """Times the reported member out."""

    seconds: Annotated[int, Meta(ge=1, le=MAX_TIMEOUT_S)]
    reason: ActionReason = None


class KickMember(Struct, tag_field="type", tag="kick", frozen=True):
    """Removes the reported member."""

    reason: ActionReason = None


class BanMember(Struct, tag_field="type", tag="ban", frozen=True):
    """Bans the reported user, and deletes their messages of the last days."""

    reason: ActionReason = None
    delete_msg_days: Annotated[int, Meta(ge=0, le=14)] = 0


ReportAction = DeleteMessage | TimeOutMember | KickMember | BanMember


class ReportActions(Struct):
    """What is done about a report, all together or nothing; without actions it is only resolved."""

    actions: Annotated[list[ReportAction], Meta(max_length=4)] = []
    note: ActionReason = None
    force: bool = False


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
