"""What rules of auto-moderation do about a message: refuse it, delete it, flag it, time its author out, tell a feed.

The rules are asked before the message is stored; what they want done besides refusing is done when it is stored, in one unit of
work. Conversations are private and never asked about.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar, cast

from vox.chat.context import ChatContext
from vox.chat.database.snowflakes import time_of
from vox.chat.database.unit_of_work import AuditEntry, Change, UnitOfWork, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import Event, message_create, message_delete, report_create
from vox.chat.events.ids import FeedId, MessageId, ThreadId, UserId
from vox.chat.features.automod import queries as automod_queries
from vox.chat.features.automod.rules import Action, Block, Delete, Flag, Notify, TimeOut
from vox.chat.features.automod.ruleset import Hit, Sample
from vox.chat.features.automod.screening import AUDITED, TOLD, may_write_down, triggered
from vox.chat.features.automod.timeouts import extend_timeout
from vox.chat.features.messages import insert_queries, queries
from vox.chat.features.messages.content import Content, embed_fields
from vox.chat.features.messages.schemas import Embed
from vox.stores.sql import Connection

T = TypeVar("T")

EXCERPT_CHARS: Final = 300
FLAG_REASON: Final = "automod"

_MENTION: Final = re.compile(r"<@(&?\d{1,19}|everyone|here)>")


@dataclass(frozen=True, slots=True)
class Screened:
    """A message that rules are asked about.

    Args:
        author_id: the author; None for a webhook.
        feed_id: where it is written.
        sample: what rules look at.
        thread_id: the thread it is in.
        msg_id: its id, once it is stored.
    """

    author_id: UserId | None
    feed_id: FeedId
    sample: Sample
    thread_id: ThreadId | None = None
    msg_id: MessageId | None = None


class Consequences(Protocol):
    """What rules want about a message that is stored, within a unit of work."""

    def __call__(self, connection: Connection, *, msg_id: MessageId | None) -> Change[None]:
        """Does it; `msg_id` is None where no message was stored."""
        ...


@dataclass(frozen=True, slots=True)
class _Writing:
    """One hit, and whether it is written into the audit log and told to moderators."""

    hit: Hit
    is_audited: bool
    is_reported: bool


def is_screened(chat: ChatContext) -> bool:
    """Whether there is anything to ask: a rule is enabled, or raid mode is on."""
    return bool(chat.community.rules) or chat.community.raid is not None


def sample_of(content: Content, embeds: Sequence[Embed] = (), title: str | None = None) -> Sample:
    """What rules look at of a new message; `embeds` are those that it has besides the content's own, `title` names its thread."""
    shown = [*([content.embed] if content.embed is not None else ()), *embeds]
    parts = [title or "", content.body or "", *(text for embed in shown for text in _texts(embed))]
    mentioned = {str(user) for user in content.mentions if user}
    if 0 in content.mentions:
        mentioned.add("everyone")
    return Sample(
        "\n".join(part for part in parts if part),
        len(mentioned.union(_MENTION.findall(content.body or ""))),
        bool(content.attachments),
        content.embed is not None,
    )


def sample_of_text(text: str) -> Sample:
    """What rules look at of an edited text or the name of a thread."""
    return Sample(text, len(set(_MENTION.findall(text))))


async def screen(chat: ChatContext, message: Screened) -> Sequence[Hit]:
    """Asks the rules about a message that is about to be stored.

    Returns:
        The rules it triggers, to be carried out once it is stored.

    Raises:
        Refusal: MESSAGE_BLOCKED, ACCOUNT_TOO_NEW.
    """
    hits = await triggered(chat, message.author_id, message.feed_id, message.sample)
    refusal = next((_blocked(action) for hit in hits for action in hit.rule.actions if isinstance(action, Block)), None)
    if refusal is not None:
        await carry_out(chat, hits, message, is_blocked=True)
        raise refusal
    return hits


async def carry_out(chat: ChatContext, hits: Sequence[Hit], message: Screened, *, is_blocked: bool = False) -> None:
    """Does what rules want besides refusing, in one unit of work with its audit entries."""
    then = consequences(chat, hits, message, is_blocked=is_blocked)
    if then is not None:
        await chat.change(partial(then, msg_id=message.msg_id))


def consequences(
    chat: ChatContext, hits: Sequence[Hit], message: Screened, *, is_blocked: bool = False
) -> "Consequences | None":
    """What rules want besides refusing, as a unit of work; None where nothing is to be done or written down."""
    writings = [
        _Writing(
            hit,
            may_write_down(chat, hit, message.author_id, AUDITED),
            may_write_down(chat, hit, message.author_id, TOLD),
        )
        for hit in hits
    ]
    if not any(writing.is_audited or _acts(writing, is_blocked=is_blocked) for writing in writings):
        return None
    feed = chat.community.feeds.get(message.feed_id)
    return partial(
        _carry_out,
        writings=writings,
        message=message,
        feed_name=feed.name if feed is not None else "",
        is_blocked=is_blocked,
        next_id=chat.ids.next,
        now_s=chat.clock.unix_s(),
    )


def followed_by(unit: UnitOfWork[T], then: "Consequences", stored: Callable[[T], MessageId | None]) -> UnitOfWork[T]:
    """A unit of work that stores a message and does what rules want about it, both or neither.

    Args:
        unit: stores the message.
        then: what rules want.
        stored: the message's id by the unit's value; None where nothing was stored.
    """

    def both(connection: Connection) -> Change[T]:
        lock_event_order(connection)
        done = unit(connection)
        msg_id = stored(done.value)
        if msg_id is None:
            return done
        more = then(connection, msg_id=msg_id)
        return Change(done.value, [*done.events, *more.events], [*done.audit, *more.audit])

    return both


def deletes(hits: Sequence[Hit]) -> bool:
    """Whether a rule wants the message deleted."""
    return any(isinstance(action, Delete) for hit in hits for action in hit.rule.actions)


def _acts(writing: _Writing, *, is_blocked: bool) -> bool:
    return any(
        isinstance(action, TimeOut)
        or (isinstance(action, Delete) and not is_blocked)
        or (isinstance(action, Flag | Notify) and writing.is_reported)
        for action in writing.hit.rule.actions
    )


def _carry_out(
    connection: Connection,
    *,
    msg_id: MessageId | None,
    writings: Sequence[_Writing],
    message: Screened,
    feed_name: str,
    is_blocked: bool,
    next_id: Callable[[], int],
    now_s: int,
) -> Change[None]:
    lock_event_order(connection)
    message = replace(message, msg_id=msg_id)
    events: list[Event] = []
    audit: list[AuditEntry] = []
    for writing in writings:
        hit = writing.hit
        for action in hit.rule.actions:
            if isinstance(action, TimeOut) and message.author_id is not None:
                reason = f"rule {hit.rule_id}: {hit.rule.name}"
                events += extend_timeout(connection, message.author_id, action.seconds, reason=reason, now_s=now_s)
            elif isinstance(action, Delete) and message.msg_id is not None and not is_blocked:
                queries.delete_message(connection, message.msg_id)
                gone = message_delete(msg_id=message.msg_id, feed_id=message.feed_id)
                events += [] if gone in events else [gone]
            elif isinstance(action, Flag) and writing.is_reported and message.author_id is not None:
                events.append(_flag(connection, hit, message, message.author_id, now_s))
            elif isinstance(action, Notify) and writing.is_reported:
                events += _note(connection, hit, message, FeedId(action.feed_id), feed_name, MessageId(next_id()))
        if writing.is_audited:
            audit.append(_audit(hit, message))
    return Change(None, events, audit)


def _flag(connection: Connection, hit: Hit, message: Screened, author_id: UserId, now_s: int) -> Event:
    values: dict[str, Any] = {
        "reported_user_id": author_id,
        "feed_id": message.feed_id,
        "msg_id": message.msg_id,
        "reason": FLAG_REASON,
        "description": _why(hit),
        "created_at": now_s,
        "rule_id": hit.rule_id,
    }
    said = {"msg_id": message.msg_id or 0, "body": message.sample.text, "timestamp": now_s * 1000}
    report_id = automod_queries.insert_flag(connection, values, evidence=[said])
    return report_create(report_id=report_id, reported_user_id=author_id, reason=FLAG_REASON, rule_id=hit.rule_id)


def _note(
    connection: Connection, hit: Hit, message: Screened, target: FeedId, feed_name: str, msg_id: MessageId
) -> list[Event]:
    """Writes the note of a rule; one whose feed is gone is left out."""
    if not automod_queries.has_feed(connection, target):
        return []
    who = f"<@{message.author_id}>" if message.author_id is not None else "a webhook"
    quoted = "\n".join(f"> {line}" for line in message.sample.text[:EXCERPT_CHARS].splitlines())
    body = f"{_why(hit)}: {', '.join(_kinds(hit.rule.actions))}. Written by {who} in {feed_name}:\n{quoted}"
    timestamp = time_of(msg_id)
    row: dict[str, Any] = dict.fromkeys(("dm_id", "thread_id", "author_id", "opaque_blob", "reply_to", "embed"))
    row |= {"id": msg_id, "feed_id": target, "body": body, "timestamp": timestamp}
    insert_queries.insert_row(connection, row)
    return [message_create(msg_id=msg_id, author_id=None, body=body, timestamp=timestamp, feed_id=target)]


def _audit(hit: Hit, message: Screened) -> AuditEntry:
    metadata: dict[str, Any] = {
        "rule_id": hit.rule_id,
        "rule": hit.rule.name,
        "feed_id": message.feed_id,
        "matched": list(hit.matched),
        "actions": _kinds(hit.rule.actions),
    }
    if message.msg_id is not None:
        metadata["msg_id"] = message.msg_id
    return AuditEntry("automod.hit", None, message.author_id, metadata)


def _why(hit: Hit) -> str:
    found = f" ({', '.join(hit.matched)})" if hit.matched else ""
    return f"Rule “{hit.rule.name}”{found}"


def _kinds(actions: Sequence[Action]) -> list[str]:
    return [str(action.__struct_config__.tag) for action in actions]


def _blocked(action: Block) -> Refusal:
    return refuse("MESSAGE_BLOCKED", action.message)


def _texts(embed: Embed) -> Iterator[str]:
    """All texts and addresses of a card."""
    pending: list[Any] = [embed_fields(embed)]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending += cast("dict[str, Any]", value).values()
        elif isinstance(value, list):
            pending += cast("list[Any]", value)
