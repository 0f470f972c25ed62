"""Requests and responses of rules, raid mode, time-outs and slow mode."""

from typing import Annotated

from msgspec import Meta, Struct

from vox.chat.api.fields import Id
from vox.chat.events.ids import MessageId
from vox.chat.features.automod.rules import MAX_TIMEOUT_S, Definition, Rule
from vox.chat.identity.joins import LastsS, SlowS, WaitS


class RuleList(Struct):
    """All rules by id, and whether this server takes regular expressions."""

    items: list[Rule]
    regex_available: bool


class RuleTrial(Struct, kw_only=True):
    """A rule to try, or the id of a stored one, and on what.

    `messages` is how many of the latest messages are looked at, in `feed_id` or in all feeds that the caller may read.
    """

    rule: Definition | None = None
    rule_id: Id | None = None
    samples: Annotated[list[Annotated[str, Meta(max_length=20_000)]], Meta(max_length=100)] = []
    messages: Annotated[int, Meta(ge=0, le=5000)] = 0
    feed_id: Id | None = None


class CaughtSample(Struct):
    """A sample that the rule would have caught: its place in the list, and what in it."""

    index: int
    matched: list[str]


class CaughtMessage(Struct):
    """A message that the rule would have caught, and what in it."""

    msg_id: MessageId
    feed_id: int
    author_id: int | None
    body: str | None
    matched: list[str]


class TrialResult(Struct):
    """What a rule would have caught; of the messages at most 200 are listed, and `caught` counts all."""

    samples: list[CaughtSample]
    messages: list[CaughtMessage]
    examined: int
    caught: int


class RaidRequest(Struct, kw_only=True):
    """Raid mode, by hand; without measures those of the policy."""

    active: bool
    lasts_s: LastsS | None = None
    joins_paused: bool | None = None
    new_account_wait_s: WaitS | None = None
    slow_mode_s: SlowS | None = None


class RaidInfo(Struct):
    """Whether raid mode is on, until when (Unix seconds), and what it does."""

    active: bool
    until: int
    joins_paused: bool
    new_account_wait_s: int
    slow_mode_s: int


class NewTimeout(Struct):
    """A time-out; with `add` its seconds come on top of what is left of an earlier one."""

    seconds: Annotated[int, Meta(ge=1, le=MAX_TIMEOUT_S)]
    reason: str | None = None
    add: bool = False


class TimeoutInfo(Struct):
    """A time-out; times in Unix seconds, `actor_id` null where a rule did it."""

    user_id: int
    until: int
    reason: str | None
    actor_id: int | None
    created_at: int


class OwnTimeout(Struct):
    """Until when the caller is timed out, in Unix seconds; 0 for not at all."""

    until: int


class SlowMode(Struct):
    """The time between two messages of an author in a feed; 0 turns it off."""

    seconds: SlowS


class SlowModeInfo(Struct):
    """Slow mode of a feed; `wait_s` is how long the caller has to wait at the moment, raid mode included."""

    feed_id: int
    seconds: int
    wait_s: int


class SlowModeList(Struct):
    """The feeds with slow mode that the caller may view."""

    items: list[SlowModeInfo]
