"""Units of work of an import: people, spaces and batches of messages. Each may run twice and is stored once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vox.chat.database.quotas import MAX_SPACES
from vox.chat.database.unit_of_work import lock_event_order
from vox.chat.events.permissions import P
from vox.chat.identity.registration import create_default_roles
from vox.chat.imports import queries
from vox.chat.imports.model import (
    LONGEST_NAME,
    LONGEST_SPACE_NAME,
    LONGEST_TOPIC,
    ForeignChannel,
    ForeignMessage,
    ForeignPerson,
    Origin,
    Skipped,
    clean_text,
    usable_name,
)
from vox.stores.sql import Connection
from vox.text.emoji import canonical_emoji
from vox.text.names import is_visible, without_unshown

LONGEST_EMOJI: Final = 64
THREAD: Final = "Thread"
_SEE: Final = int(P.VIEW_SPACE)


@dataclass(frozen=True, slots=True)
class StoredFileRow:
    """A file whose bytes are stored: the row, and the message that shows it with its position."""

    values: Mapping[str, Any]
    msg_id: int
    position: int


@dataclass(slots=True)
class Batch:
    """Messages of one channel that are stored together.

    Args:
        feed_id: where they go.
        thread_id: the thread that all of them are in; None where each says by itself.
        channel: where they come from.
        messages: checked.
        files: theirs.
        finished: the part of the archive that ends with this batch, and its number of messages.
    """

    feed_id: int
    thread_id: int | None
    channel: ForeignChannel
    messages: list[ForeignMessage] = field(default_factory=list[ForeignMessage])
    files: list[StoredFileRow] = field(default_factory=list[StoredFileRow])
    finished: str | None = None


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """What a batch has become."""

    inserted: int
    people: Mapping[str, int]
    skipped: Sequence[Skipped]


def store_people(connection: Connection, origin: Origin, people: Iterable[ForeignPerson], now_s: int) -> dict[str, int]:
    """The accounts of people; those that have none get a placeholder, which has no password and can be claimed."""
    listed = {person.id: person for person in people}
    found = queries.mapped(connection, origin, "person", listed)
    there = queries.existing(connection, "person", found.values())
    accounts = {foreign_id: user_id for foreign_id, user_id in found.items() if user_id in there}
    for foreign_id, person in listed.items():
        if foreign_id not in accounts:
            shown = usable_name(person.display_name, LONGEST_SPACE_NAME, "")
            user_id = queries.insert_placeholder(
                connection, _free_name(connection, origin, person), shown or None, now_s
            )
            queries.keep_mapped(connection, origin, "person", foreign_id, user_id, clean_text(person.username)[:128])
            accounts[foreign_id] = user_id
    return accounts


def store_space(
    connection: Connection, origin: Origin, channel: ForeignChannel, now_s: int, *, is_hidden: bool
) -> tuple[int, int | None] | Skipped:
    """The feed of a channel, and of a thread the thread in it; made where there is none yet.

    Args:
        connection: of the writer.
        origin: where it comes from.
        channel: a channel, or a thread.
        now_s: Unix seconds.
        is_hidden: whether a new feed is for administrators only.
    """
    lock_event_order(connection)
    create_default_roles(connection)
    foreign_id, name = channel.parent or (channel.id, channel.name)
    feed_id = _known(connection, origin, "feed", foreign_id)
    if feed_id is None:
        if queries.count_feeds(connection) >= MAX_SPACES:
            return Skipped("channel", channel.name, f"there may be at most {MAX_SPACES} feeds")
        feed_id = _new_feed(connection, origin, channel, (foreign_id, name))
        _restrict(connection, origin, feed_id, channel, now_s, is_hidden=is_hidden)
    if channel.parent is None:
        return feed_id, None
    thread_id = _known(connection, origin, "thread", channel.id)
    if thread_id is None:
        title = usable_name(channel.name, LONGEST_SPACE_NAME, THREAD)
        thread_id = queries.insert_thread(connection, title, feed_id, _parent_message(channel))
        queries.keep_mapped(connection, origin, "thread", channel.id, thread_id)
    return feed_id, thread_id


def store_batch(connection: Connection, origin: Origin, batch: Batch, now_s: int, most_pins: int) -> StoredBatch:
    """Stores messages with what belongs to them.

    Args:
        connection: of the writer.
        origin: where they come from.
        batch: the messages.
        now_s: Unix seconds.
        most_pins: of one feed.
    """
    people = store_people(connection, origin, _people_of(batch.messages), now_s)
    skipped: list[Skipped] = []
    rows = [
        {
            "id": message.id,
            "feed_id": batch.feed_id,
            "thread_id": batch.thread_id or _thread_of(connection, origin, batch, message),
            "author_id": None if message.author is None else people[message.author.id],
            "body": message.body,
            "timestamp": message.timestamp,
            "edit_timestamp": message.edited,
            "reply_to": message.reply_to,
            "embed": message.embed,
        }
        for message in batch.messages
    ]
    inserted = queries.insert_messages(connection, rows)
    for file in batch.files:
        uploader = next(m.author for m in batch.messages if m.id == file.msg_id)
        owner = None if uploader is None else people[uploader.id]
        queries.insert_file(connection, {**file.values, "uploader_id": owner, "feed_id": batch.feed_id})
    queries.insert_attachments(connection, [(file.msg_id, file.values["id"], file.position) for file in batch.files])
    queries.insert_reactions(connection, list(_reactions(batch.messages, people)))
    pinned = [
        message for message in batch.messages if message.is_pinned or message.name.split(" ")[-1] in batch.channel.pins
    ]
    if pinned:
        room = max(0, most_pins - queries.count_pins(connection, batch.feed_id))
        queries.insert_pins(connection, [(batch.feed_id, m.id, m.timestamp // 1000) for m in pinned[:room]])
        skipped += [Skipped("pin", m.name, f"a feed has at most {most_pins}") for m in pinned[room:]]
    if batch.finished is not None:
        queries.keep_mapped(connection, origin, "part", batch.finished, None)
    return StoredBatch(inserted, people, skipped)


def _people_of(messages: Iterable[ForeignMessage]) -> Iterable[ForeignPerson]:
    for message in messages:
        if message.author is not None:
            yield message.author
        for reaction in message.reactions:
            yield from reaction.people


def _reactions(messages: Iterable[ForeignMessage], people: Mapping[str, int]) -> Iterable[tuple[int, int, str]]:
    for message in messages:
        for reaction in message.reactions:
            emoji = canonical_emoji(reaction.emoji) or usable_name(reaction.emoji, LONGEST_EMOJI, "")
            if emoji:
                for person in reaction.people:
                    yield message.id, people[person.id], emoji


def _thread_of(connection: Connection, origin: Origin, batch: Batch, message: ForeignMessage) -> int | None:
    """The thread that a message says it is in; made with the message that begins it, or with its first answer."""
    if message.thread is None:
        return None
    foreign_id = f"{batch.channel.id}/{message.thread}"
    thread_id = _known(connection, origin, "thread", foreign_id)
    if thread_id is None:
        first = next((line for line in message.body.splitlines() if is_visible(without_unshown(line))), "")
        title = usable_name(first, LONGEST_SPACE_NAME, THREAD) if message.begins_thread else THREAD
        parent = message.id if message.begins_thread else None
        thread_id = queries.insert_thread(connection, title, batch.feed_id, parent)
        queries.keep_mapped(connection, origin, "thread", foreign_id, thread_id)
    return None if message.begins_thread else thread_id


def _known(connection: Connection, origin: Origin, kind: str, foreign_id: str) -> int | None:
    found = queries.mapped(connection, origin, kind, [foreign_id]).get(foreign_id)
    return found if found is not None and queries.existing(connection, kind, [found]) else None


def _new_feed(connection: Connection, origin: Origin, channel: ForeignChannel, shown: tuple[str, str]) -> int:
    foreign_id, name = shown
    category_id, is_thread = None, channel.parent is not None
    if channel.category is not None and not is_thread:
        category_id = _known(connection, origin, "category", channel.category[0])
        if category_id is None:
            title = usable_name(channel.category[1], LONGEST_SPACE_NAME, "Imported")
            category_id = queries.insert_category(connection, title)
            queries.keep_mapped(connection, origin, "category", channel.category[0], category_id)
    topic = "" if is_thread else clean_text(channel.topic)[:LONGEST_TOPIC]
    title = usable_name(name, LONGEST_SPACE_NAME, f"{origin}-{foreign_id}"[:LONGEST_SPACE_NAME])
    feed_id = queries.insert_feed(connection, title, "text" if is_thread else channel.kind, topic or None, category_id)
    queries.keep_mapped(connection, origin, "feed", foreign_id, feed_id)
    return feed_id


def _restrict(
    connection: Connection, origin: Origin, feed_id: int, channel: ForeignChannel, now_s: int, *, is_hidden: bool
) -> None:
    """A private channel stays private: for its members, and for administrators, who see everything."""
    if not is_hidden and channel.members is None:
        return
    queries.insert_override(connection, feed_id, ("role", queries.everyone_role_id(connection)), 0, _SEE)
    if channel.members and not is_hidden:
        for user_id in sorted(set(store_people(connection, origin, channel.members, now_s).values())):
            queries.insert_override(connection, feed_id, ("user", user_id), _SEE, 0)


def _parent_message(channel: ForeignChannel) -> int | None:
    from vox.chat.imports.discord import message_id  # noqa: PLC0415  only Discord has channels that are threads

    return message_id(channel.id)


def _free_name(connection: Connection, origin: Origin, person: ForeignPerson) -> str:
    base = usable_name(person.username, LONGEST_NAME, f"{origin}-{person.id}"[:LONGEST_NAME])
    tail = "".join(letter for letter in person.id if letter.isalnum())[-12:]
    endings = ("", "~2", "~3", f"~{origin}", f"~{tail}", f"~{tail}2", f"~{tail}3")
    for ending in endings:
        name = base[: LONGEST_NAME - len(ending)].rstrip() + ending
        if queries.is_name_free(connection, name):
            return name
    number = 4
    while not queries.is_name_free(connection, f"{origin}~{tail}~{number}"):
        number += 1
    return f"{origin}~{tail}~{number}"
