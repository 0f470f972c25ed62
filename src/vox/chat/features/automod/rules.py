"""A rule of auto-moderation as it is sent and stored: what triggers it, what it does, and who is exempt."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from vox.chat.api.fields import Id

MAX_RULES = 100
MAX_WORDS = 20_000
"""Of all rules together: the automaton of so many takes about 30 MB."""
MAX_PATTERNS = 100
LONGEST_NAME = 100
DAY_S = 86_400
MAX_TIMEOUT_S = 28 * DAY_S

Word = Annotated[str, Meta(min_length=1, max_length=64)]
Domain = Annotated[str, Meta(min_length=1, max_length=253)]
Seconds = Annotated[int, Meta(ge=1, le=3600)]
Roles = Annotated[list[Id], Meta(max_length=100)]
Feeds = Annotated[list[Id], Meta(max_length=1000)]


class Words(Struct, tag_field="type", tag="words", frozen=True):
    """A listed word or phrase; `*` at its beginning or end lets a word go on there."""

    words: Annotated[list[Word], Meta(min_length=1, max_length=5000)]
    look_alikes: bool = True
    """Whether disguised spellings count: other scripts, signs and digits for letters, spelling out, stretching."""


class Links(Struct, tag_field="type", tag="links", frozen=True):
    """A link: to a denied domain, to one that is not allowed where `allow` is given, or that invites to another community."""

    deny: Annotated[list[Domain], Meta(max_length=5000)] = []
    allow: Annotated[list[Domain], Meta(max_length=5000)] | None = None
    invites: bool = False


class Patterns(Struct, tag_field="type", tag="regex", frozen=True):
    """A regular expression of RE2."""

    patterns: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(min_length=1, max_length=50)]


class Mentions(Struct, tag_field="type", tag="mentions", frozen=True):
    """More mentions than `most` in one message, each person or role once; everyone counts as one."""

    most: Annotated[int, Meta(ge=0, le=100)]


class Repeats(Struct, tag_field="type", tag="repeats", frozen=True):
    """The same text of one author for the `times`-th time within `within_s` seconds, in all feeds together."""

    times: Annotated[int, Meta(ge=2, le=50)]
    within_s: Seconds


class Flood(Struct, tag_field="type", tag="flood", frozen=True):
    """More than `messages` messages of one author within `within_s` seconds, in all feeds together."""

    messages: Annotated[int, Meta(ge=1, le=100)]
    within_s: Seconds


class Contents(Struct, tag_field="type", tag="contents", frozen=True):
    """A message that has one of these, whatever it says; with `account_younger_than_s` a limit for new accounts."""

    any_of: Annotated[list[Literal["text", "link", "attachment", "embed", "mention"]], Meta(min_length=1, max_length=5)]


Trigger = Words | Links | Patterns | Mentions | Repeats | Flood | Contents


class Block(Struct, tag_field="type", tag="block", frozen=True):
    """The message or edit is refused; its author reads the sentence."""

    message: Annotated[str, Meta(max_length=300)] = "This message is not allowed here."


class Delete(Struct, tag_field="type", tag="delete", frozen=True):
    """The message is deleted as soon as it is sent or edited; its author is not told."""


class Flag(Struct, tag_field="type", tag="flag", frozen=True):
    """A report enters the queue, with the message as evidence."""


class TimeOut(Struct, tag_field="type", tag="timeout", frozen=True):
    """The author is timed out; a longer time-out stays."""

    seconds: Annotated[int, Meta(ge=10, le=MAX_TIMEOUT_S)]


class Notify(Struct, tag_field="type", tag="notify", frozen=True):
    """A note is written into a feed."""

    feed_id: Id


Action = Block | Delete | Flag | TimeOut | Notify


class Definition(Struct, frozen=True, kw_only=True):
    """A rule."""

    name: str
    trigger: Trigger
    actions: Annotated[list[Action], Meta(min_length=1, max_length=5)]
    enabled: bool = True
    exempt_roles: Roles = []
    exempt_feeds: Feeds = []
    account_younger_than_s: Annotated[int, Meta(ge=1, le=365 * DAY_S)] | None = None
    """The rule counts for accounts younger than this only."""
    applies_to_moderators: bool = False
    """Whether it counts for holders of MANAGE_MESSAGES too; administrators are always left alone."""


class Rule(Definition, frozen=True, kw_only=True):
    """A stored rule; times in Unix seconds."""

    rule_id: int
    creator_id: int | None
    created_at: int
    updated_at: int


_decode = msgspec.json.Decoder(Definition).decode


def definition_text(rule: Definition) -> str:
    """The stored form."""
    return msgspec.json.encode(rule).decode()


def definition_from(text: str) -> Definition:
    """The inverse of `definition_text`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decode(text)
