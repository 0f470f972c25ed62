"""Carries out what a moderator decides about a report, and resolves it in the same transaction.

Each action needs the permission that it needs elsewhere, and the moderator's rank is asked again inside the transaction. Of two
moderators who act on one report at the same moment one succeeds.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from vox.chat.api.hierarchy import fresh_community
from vox.chat.community import Community
from vox.chat.community.state import Person
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import missing_permission, refuse
from vox.chat.events import Event, message_delete, report_update
from vox.chat.events.ids import FeedId, MessageId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.automod.schemas import NewTimeout
from vox.chat.features.automod.timeouts import time_out
from vox.chat.features.members import queries as member_queries
from vox.chat.features.members import service as members
from vox.chat.features.members.schemas import BanRequest
from vox.chat.features.messages import queries as message_queries
from vox.chat.features.messages.addresses import Address
from vox.chat.features.moderation import queries
from vox.chat.features.moderation.queries import ReportState
from vox.chat.features.moderation.schemas import (
    BanMember,
    DeleteMessage,
    KickMember,
    ReportAction,
    ReportActions,
    TimeOutMember,
)
from vox.chat.features.moderation.service import lock_open_report, no_report
from vox.stores.sql import Connection

DAY_MS: Final = 86_400_000
_NEEDED: Final[Mapping[type[object], P]] = {
    TimeOutMember: P.KICK_MEMBERS,
    KickMember: P.KICK_MEMBERS,
    BanMember: P.BAN_MEMBERS,
}


async def act_on_report(chat: ChatContext, actor_id: UserId, report_id: int, body: ReportActions) -> None:
    """Carries out the actions of a report and resolves it.

    Raises:
        Refusal: REPORT_NOT_FOUND, REPORT_RESOLVED, REPORT_ASSIGNED, MISSING_PERMISSIONS, ROLE_HIERARCHY, USER_NOT_FOUND,
            INVALID_TARGET, or INVALID_OPERATION where an action does not fit the report.
    """
    kinds = [type(action) for action in body.actions]
    if len(set(kinds)) < len(kinds):
        raise refuse("VALIDATION_ERROR", "body.actions: expected each kind of action once")
    state = await chat.read(partial(queries.find_report_state, report_id=report_id))
    if state is None:
        raise no_report(report_id)
    person = chat.community.users.get(state.reported_user_id)
    if person is None:
        raise refuse("USER_NOT_FOUND", f"There is no user {state.reported_user_id}.")
    _check(chat.community, body.actions, actor_id=actor_id, state=state)
    _check_place(chat.community, body.actions, actor_id=actor_id, state=state)
    unit = partial(_act, report_id=report_id, actor_id=actor_id, person=person, body=body, now_ms=chat.clock.unix_ms())
    while not await chat.change(unit):  # a ban deletes many messages in several units
        pass


def _check(community: Community, actions: Sequence[ReportAction], *, actor_id: UserId, state: ReportState) -> None:
    """What the actor must hold, as far as roles decide it."""
    target_id = state.reported_user_id
    for action in actions:
        needed = _NEEDED.get(type(action))
        if needed is not None:
            if target_id == actor_id:
                raise refuse("INVALID_TARGET", "This report is about yourself.")
            members.assert_may_act(community, permission=needed, actor_id=actor_id, target_id=target_id)
            if isinstance(action, TimeOutMember) and community.is_administrator(target_id):
                raise refuse("INVALID_TARGET", "An administrator cannot be timed out; take the role first.")


def _check_place(
    community: Community, actions: Sequence[ReportAction], *, actor_id: UserId, state: ReportState
) -> None:
    """What the actor must hold in the feed of the reported message."""
    if not any(isinstance(action, DeleteMessage) for action in actions):
        return
    if state.feed_id is None or state.msg_id is None:
        raise refuse("INVALID_OPERATION", "This report names no message of a feed that could be deleted.")
    if not community.may_in(actor_id, "feed", state.feed_id, P.MANAGE_MESSAGES):
        raise missing_permission("MANAGE_MESSAGES")


def _act(
    connection: Connection, *, report_id: int, actor_id: UserId, person: Person, body: ReportActions, now_ms: int
) -> Change[bool]:
    """Everything in one transaction; False where a ban has more messages to delete first."""
    community = fresh_community(connection, actor_id, person.id)
    state = lock_open_report(connection, report_id, actor_id, is_forced=body.force)
    _check(community, body.actions, actor_id=actor_id, state=state)
    events: list[Event] = []
    audit: list[AuditEntry] = []
    for action in sorted(body.actions, key=lambda action: isinstance(action, BanMember), reverse=True):
        done = _one(connection, action, actor_id=actor_id, person=person, state=state, now_ms=now_ms)
        events += done.events
        audit += done.audit
        if isinstance(action, BanMember) and done.value is None:
            return Change(value=False, events=events, audit=audit)
    summary = ", ".join(str(action.__struct_config__.tag) for action in body.actions) or "none"
    text = f"{summary}: {body.note}" if body.note else summary
    queries.close_report(connection, report_id=report_id, action=text, resolver_id=actor_id)
    events.append(report_update(report_id=report_id, status="resolved", assignee_id=state.assignee_id))
    audit.append(AuditEntry("report.resolve", actor_id, report_id, {"action": text, "user_id": person.id}))
    return Change(value=True, events=events, audit=audit)


def _one(
    connection: Connection,
    action: ReportAction,
    *,
    actor_id: UserId,
    person: Person,
    state: ReportState,
    now_ms: int,
) -> Change[object]:
    match action:
        case DeleteMessage():
            return _delete(connection, actor_id, FeedId(state.feed_id or 0), MessageId(state.msg_id or 0))
        case TimeOutMember():
            timeout = NewTimeout(action.seconds, action.reason)
            return time_out(connection, actor_id=actor_id, user_id=person.id, body=timeout, now_s=now_ms // 1000)
        case KickMember():
            if not member_queries.is_active(connection, user_id=person.id):
                return Change(None)
            return members.remove(connection, actor_id=actor_id, user_id=person.id, reason=action.reason)
        case BanMember():
            days = action.delete_msg_days
            return members.ban(
                connection,
                actor_id=actor_id,
                person=person,
                body=BanRequest(action.reason, days),
                now_ms=now_ms,
                since_ms=now_ms - days * DAY_MS if days else None,
            )


def _delete(connection: Connection, actor_id: UserId, feed_id: FeedId, msg_id: MessageId) -> Change[None]:
    """Deletes the reported message, where it is still there."""
    if message_queries.lock_message_for_deletion(connection, Address(feed_id), msg_id) is None:
        return Change(None)
    message_queries.delete_message(connection, msg_id)
    audit = AuditEntry("message.delete", actor_id, None, {"feed_id": feed_id, "msg_id": msg_id})
    return Change(None, [message_delete(msg_id=msg_id, feed_id=feed_id)], [audit])
