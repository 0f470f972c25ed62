"""Sending a message: from the request to the stored message and its notifications, in feeds, threads and conversations.

Permissions are checked before the unit of work, in memory; notifications are published after it, because memory also knows who
may read the message. Between the two a text that begins with a slash may turn out to call a command, and is not stored then.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import groupby, islice
from operator import itemgetter

from vox.chat.api.validation import validate_name
from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import Change, UnitOfWork
from vox.chat.errors import missing_permission, refuse
from vox.chat.events.audience import Participants, Readers, Users
from vox.chat.events.ids import DmId, FeedId, MessageId, ThreadId, UserId
from vox.chat.events.messages import notification_to_each
from vox.chat.events.permissions import P
from vox.chat.features.automod.ruleset import Hit
from vox.chat.features.messages.addresses import Address
from vox.chat.features.messages.components import Component, validate_components
from vox.chat.features.messages.content import EVERYONE_MENTION, Content, content_of
from vox.chat.features.messages.insert import InsertedMessage, NewMessage, insert_message
from vox.chat.features.messages.recipients import Recipients, preview, recipients_of
from vox.chat.features.messages.schemas import Extras, SendMessage, Sent
from vox.chat.features.messages.screening import (
    Screened,
    consequences,
    deletes,
    followed_by,
    is_screened,
    sample_of,
    screen,
)
from vox.chat.features.messages.slow_mode import wait_between_s
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
            USER_BLOCKED, MESSAGE_BLOCKED, ACCOUNT_TOO_NEW, SLOW_MODE, or the refusal of an attachment.
    """
    draft = _draft(chat, author_id, address, message)
    body = draft.content.body
    if (
        body is not None
        and body.startswith("/")
        and (called := await _called(chat, draft, author_id, body)) is not None
    ):
        return called
    return await post_message(chat, draft)


async def post_message(chat: ChatContext, draft: NewMessage) -> Sent:
    """Asks the rules of auto-moderation about a checked message, stores it and notifies the users it concerns.

    Raises:
        Refusal: SPACE_NOT_FOUND, THREAD_LOCKED, USER_BLOCKED, MESSAGE_BLOCKED, ACCOUNT_TOO_NEW, SLOW_MODE, or the refusal of an attachment.
    """
    hits: Sequence[Hit] = ()
    screened: Screened | None = None
    address = draft.address
    if address.feed_id is not None and is_screened(chat):
        embeds = draft.extras.embeds if draft.extras is not None else ()
        sample = sample_of(draft.content, embeds, draft.thread_name)
        screened = Screened(draft.author_id, address.feed_id, sample, address.thread_id)
        hits = await screen(chat, screened)
    now_s = chat.clock.unix_s()
    unit = _unit(chat, draft, now_s)
    if hits and screened is not None and (then := consequences(chat, hits, screened)) is not None:
        unit = followed_by(unit, then, lambda posted: posted.msg_id if posted.is_new else None)
    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        posted = await chat.change(unit)
    if posted.is_new and not (hits and deletes(hits)):
        await notify(chat, draft, posted)
    if posted.is_new and chat.federation is not None and address.dm_id is not None:
        chat.federation.outbox.wake()
    return Sent(posted.msg_id, posted.timestamp, None, list(draft.content.mentions))


async def _called(chat: ChatContext, draft: NewMessage, author_id: UserId, body: str) -> Sent | None:
    """The answer to a text that calls a command; None where it is an ordinary message."""
    if chat.call_command is None:
        return None
    where = draft.address
    interaction_id = await chat.call_command(
        author_id,
        body,
        feed_id=where.feed_id,
        thread_id=where.thread_id,
        dm_id=where.dm_id,
        nonce=draft.content.nonce,
    )
    return None if interaction_id is None else Sent(MessageId(0), chat.clock.unix_ms(), interaction_id, [])


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
    federation, dm_id, author_id = chat.federation, draft.address.dm_id, draft.author_id
    if federation is None or dm_id is None or author_id is None:
        return unit
    route = federation.route_of(author_id, dm_id)
    if route is None:
        return unit
    relayed = partial(federation.relay_message, route=route, dm_id=dm_id, author_id=author_id)

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
    extras = None if message.components is None else _extras(chat, author_id, message.components)
    if feed_id is None:
        content = content_of(message, limits, may_embed=False, takes_blob=True)
        return NewMessage(author_id, address, content, _known(chat, content), extras=extras)

    def may(permission: P) -> bool:
        return community.may_in(author_id, "feed", feed_id, permission)

    feed = community.feeds.get(feed_id)
    if feed is None:
        raise refuse("SPACE_NOT_FOUND", f"There is no feed {feed_id}.")
    content = content_of(message, limits, may_embed=may(P.SEND_EMBEDS), may_mention_everyone=may(P.MENTION_EVERYONE))
    check_may_announce(chat, author_id, feed_id)
    names_thread = feed.type == "forum" and address.thread_id is None
    wait_s = wait_between_s(chat, author_id, feed_id)
    return NewMessage(
        author_id,
        address,
        content,
        _known(chat, content),
        names_thread,
        extras,
        thread_name=_thread_name(chat, message, names_thread=names_thread),
        wait_s=wait_s,
    )


def _thread_name(chat: ChatContext, message: SendMessage, *, names_thread: bool) -> str | None:
    """The name that the author gives the thread, as it is stored.

    Raises:
        Refusal: VALIDATION_ERROR where the message starts no thread, or the name is none.
    """
    if message.thread_name is None:
        return None
    if not names_thread:
        raise refuse("VALIDATION_ERROR", "body.thread_name: only a message to a forum starts a thread")
    return validate_name(chat.config.limit, "thread_name", message.thread_name, "channel_name_max", "channel_name_min")


def _extras(chat: ChatContext, author_id: UserId, components: Sequence[Component]) -> Extras | None:
    """The components of a bot's message; those of other members are ignored."""
    if not components or not chat.integrations.is_bot(author_id):
        return None
    validate_components(components)
    return Extras(components=list(components))


def _known(chat: ChatContext, content: Content) -> list[UserId]:
    return [UserId(user) for user in content.mentions if user in chat.community.users]


async def notify(chat: ChatContext, draft: NewMessage, posted: InsertedMessage) -> None:
    """Notifies the users that a stored message concerns: the mentioned, the author it answers, subscribers."""
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
