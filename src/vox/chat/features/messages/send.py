"""Sending a message: from the request to the stored message and its notifications, in feeds, threads and conversations.

Permissions are checked before the unit of work, in memory; notifications are published after it, because memory also knows who
may read the message. Interception of commands belongs between the two, in `send_message`.
"""

import asyncio
from functools import partial
from itertools import groupby, islice
from operator import itemgetter

from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import Change, UnitOfWork
from vox.chat.errors import missing_permission, refuse
from vox.chat.events.audience import Participants, Readers, Users
from vox.chat.events.ids import DmId, FeedId, ThreadId, UserId
from vox.chat.events.messages import notification_to_each
from vox.chat.events.permissions import P
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.content import EVERYONE_MENTION, Content, content_of
from vox.chat.features.messages.insert import InsertedMessage, NewMessage, insert_message
from vox.chat.features.messages.recipients import Recipients, preview, recipients_of
from vox.chat.features.messages.schemas import SendMessage, Sent
from vox.stores.sql import Connection

NOTIFIED_AT_ONCE = 1000
"""Users notified between two turns of the event loop: a feed with many subscribers must not hold up all sockets."""

READ = P.VIEW_SPACE | P.READ_HISTORY


async def send_message(chat: ChatContext, author_id: UserId, address: Address, message: SendMessage) -> Sent:
    """Stores a message, notifies the users it concerns, and returns the response for its author.

    Args:
        chat: the server.
        author_id: the author, whose permission to send there has been checked.
        address: where it is sent.
        message: the request.

    Raises:
        Refusal: EMPTY_MESSAGE, MESSAGE_TOO_LARGE, VALIDATION_ERROR, FORBIDDEN for an announcement, SPACE_NOT_FOUND, THREAD_LOCKED,
            USER_BLOCKED, or the refusal of an attachment.
    """
    draft = _draft(chat, author_id, address, message)
    now_s = chat.clock.unix_s()
    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        posted = await chat.change(_unit(chat, draft, now_s))
    if posted.is_new:
        await _notify(chat, draft, posted)
        if chat.federation is not None and address.dm_id is not None:
            chat.federation.outbox.wake()
    return Sent(posted.msg_id, posted.timestamp, None, list(draft.content.mentions))


def check_may_announce(chat: ChatContext, user_id: UserId, feed_id: FeedId) -> None:
    """Refuses to post or edit a message in an announcement feed without MANAGE_SPACES.

    Raises:
        Refusal: FORBIDDEN.
    """
    feed = chat.community.feeds.get(feed_id)
    is_for_all = feed is None or feed.type != "announcement"
    if not is_for_all and not chat.community.may_in(user_id, "feed", feed_id, P.MANAGE_SPACES):
        raise refuse("FORBIDDEN", "Posting announcements needs the MANAGE_SPACES permission.")


def may_read(chat: ChatContext, address: Address, user_id: UserId) -> bool:
    """Whether a user may read the messages of a feed or conversation."""
    if address.dm_id is not None:
        return chat.community.in_dm(user_id, address.dm_id)
    return address.feed_id is not None and chat.community.may_in(user_id, "feed", address.feed_id, READ)


def _unit(chat: ChatContext, draft: NewMessage, now_s: int) -> UnitOfWork[InsertedMessage]:
    """Stores the message; where the other one in a conversation is a user of another server, it is queued for that, too."""
    unit = partial(insert_message, draft=draft, next_id=chat.ids.next, now_s=now_s)
    federation, dm_id = chat.federation, draft.address.dm_id
    route = None if federation is None or dm_id is None else federation.route_of(draft.author_id, dm_id)
    if federation is None or dm_id is None or route is None:
        return unit
    relayed = partial(federation.relay_message, route=route, dm_id=dm_id, author_id=draft.author_id)

    def stored_and_queued(connection: Connection) -> Change[InsertedMessage]:
        change = unit(connection)
        if change.value.is_new:
            files = change.events[-1].payload.get("attachments", ())
            content = draft.content
            relayed(
                connection,
                msg_id=change.value.msg_id,
                body=content.body,
                opaque_blob=content.opaque_blob,
                files=files,
            )
        return change

    return stored_and_queued


def _draft(chat: ChatContext, author_id: UserId, address: Address, message: SendMessage) -> NewMessage:
    community, limits = chat.community, chat.config.limit
    feed_id = address.feed_id
    if feed_id is None:
        content = content_of(message, limits, may_embed=False, takes_blob=True)
        return NewMessage(author_id, address, content, _known(chat, content))

    def may(permission: P) -> bool:
        return community.may_in(author_id, "feed", feed_id, permission)

    feed = community.feeds.get(feed_id)
    if feed is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    content = content_of(message, limits, may_embed=may(P.SEND_EMBEDS), may_mention_everyone=may(P.MENTION_EVERYONE))
    check_may_announce(chat, author_id, feed_id)
    names_thread = feed.type == "forum" and address.thread_id is None
    return NewMessage(author_id, address, content, _known(chat, content), names_thread)


def _known(chat: ChatContext, content: Content) -> list[UserId]:
    return [UserId(user) for user in content.mentions if user in chat.community.users]


async def _notify(chat: ChatContext, draft: NewMessage, posted: InsertedMessage) -> None:
    address, content = draft.address, draft.content
    text = preview(content.body)
    notification = partial(
        notification_to_each,
        feed_id=address.feed_id,
        thread_id=address.thread_id,
        msg_id=posted.msg_id,
        actor_id=draft.author_id,
        body_preview=text,
    )
    if EVERYONE_MENTION in content.mentions:
        here = Readers(address.feed_id) if address.feed_id is not None else Participants(address.dm_id or DmId(0))
        chat.tell(notification(here, type="mention"))
        return
    if not (draft.known or posted.answered is not None or posted.followers):
        return
    candidates = Recipients(draft.author_id, draft.known, posted.answered, posted.followers)
    recipients = recipients_of(candidates, partial(may_read, chat, address))
    while some := list(islice(recipients, NOTIFIED_AT_ONCE)):
        for reason, users in groupby(some, key=itemgetter(1)):
            chat.tell(notification(Users(tuple(user for user, _ in users)), type=reason))
        if len(some) == NOTIFIED_AT_ONCE:
            await asyncio.sleep(0)


def thread_address(chat: ChatContext, feed_id: FeedId, thread_id: ThreadId) -> Address:
    """The address of a thread in its feed.

    Raises:
        Refusal: SPACE_NOT_FOUND where the thread is not in that feed.
    """
    thread = chat.community.threads.get(thread_id)
    if thread is None or thread.feed_id != feed_id:
        raise refuse("SPACE_NOT_FOUND", f"There is no thread {thread_id} in this feed.")
    return Address(feed_id, thread_id)


def assert_may(chat: ChatContext, user_id: UserId, feed_id: FeedId, permission: P) -> None:
    """Refuses a user without a permission in a feed.

    Raises:
        Refusal: MISSING_PERMISSIONS.
    """
    if not chat.community.may_in(user_id, "feed", feed_id, permission):
        raise missing_permission(permission.name or "")
