"""Threads as clients see them, and the units of work that change them."""

from typing import Any

from vox.chat.community import Community
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import thread_create, thread_delete, thread_update
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId
from vox.chat.features.messages.addresses import MessageLocation
from vox.chat.features.messages.delete import delete_messages
from vox.chat.features.threads import queries
from vox.chat.features.threads.schemas import CreateThread, ThreadInfo, UpdateThread
from vox.stores.sql import Connection


def thread_info(community: Community, thread_id: ThreadId) -> ThreadInfo:
    """One thread.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    thread = community.threads.get(thread_id)
    if thread is None:
        raise _not_found(thread_id)
    return ThreadInfo(thread.id, thread.feed_id, thread.parent_msg_id, thread.name, thread.archived, thread.locked)


def create_thread(connection: Connection, *, feed_id: FeedId, body: CreateThread) -> Change[ThreadInfo]:
    """Inserts a thread beside a message of a feed."""
    lock_event_order(connection)
    parent = MessageId(body.parent_msg_id)
    thread_id = queries.insert_thread(connection, name=body.name, feed_id=feed_id, parent_msg_id=parent)
    event = thread_create(thread_id=thread_id, parent_feed_id=feed_id, name=body.name, parent_msg_id=parent)
    thread = ThreadInfo(thread_id, feed_id, parent, body.name, archived=False, locked=False)
    return Change(thread, (event,))


def update_thread(connection: Connection, *, thread: ThreadInfo, body: UpdateThread) -> Change[None]:
    """Writes another name, or whether the thread is archived or locked.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    given: dict[str, Any] = {"name": body.name, "archived": body.archived, "locked": body.locked}
    changed = {name: value for name, value in given.items() if value is not None}
    if not changed:
        return Change(None)
    lock_event_order(connection)
    if not queries.update_thread(connection, thread.thread_id, changed):
        raise _not_found(thread.thread_id)
    event = thread_update(thread_id=thread.thread_id, parent_feed_id=thread.parent_feed_id, changed=changed)
    return Change(None, (event,))


def delete_thread(connection: Connection, *, actor_id: UserId, thread: ThreadInfo) -> Change[None]:
    """Deletes a thread with the messages that are left in it; `purge_messages` has deleted most of them before.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    lock_event_order(connection)
    if not queries.lock_thread(connection, thread.thread_id):
        raise _not_found(thread.thread_id)
    while delete_messages(connection, MessageLocation("thread", thread.thread_id)):  # sent since the batches
        pass
    queries.delete_thread(connection, thread.thread_id)
    event = thread_delete(thread_id=thread.thread_id, parent_feed_id=thread.parent_feed_id)
    audit = AuditEntry("thread.delete", actor_id, thread.thread_id, {"name": thread.name})
    return Change(None, (event,), (audit,))


def _not_found(thread_id: ThreadId) -> Refusal:
    return refuse("SPACE_NOT_FOUND", f"There is no thread {thread_id}.")
