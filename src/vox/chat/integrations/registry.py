"""What a process remembers of bots and outgoing webhooks, so that a message costs nothing where neither is used.

Both change by events for servers only, which carry the whole of what has changed and have versions: an event that is older than
what was loaded does nothing, and a missing one makes the server read everything again.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vox.chat.events import Event
from vox.chat.events.audience import Everyone, Readers, Viewers
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.kinds import BOT_CHANGED, SUBSCRIPTION_CHANGED
from vox.chat.integrations import queries
from vox.chat.integrations.commands import Command
from vox.stores.sql import Connection

CHANGES: Final = frozenset({BOT_CHANGED, SUBSCRIPTION_CHANGED})


class Bot(msgspec.Struct, frozen=True):
    """A bot.

    Args:
        user_id: its account.
        bot_id: its row in `bots`.
        owner_id: the member who may manage it.
        is_http: whether interactions are posted to an address of its own.
        is_disabled: whether it may act.
        commands: what it offers.
    """

    user_id: UserId
    bot_id: int
    owner_id: UserId | None
    is_http: bool
    is_disabled: bool
    commands: list[Command]


class Subscription(msgspec.Struct, frozen=True):
    """An outgoing webhook that is enabled; without a feed it is about the community."""

    id: int
    feed_id: FeedId | None
    events: list[str]
    string_ids: bool


@dataclass(frozen=True, slots=True)
class OfferedCommand:
    """A command that can be called, and its bot."""

    bot: Bot
    command: Command


_Place = tuple[FeedId | None, str]


class Integrations:
    """Bots by user and command, outgoing webhooks by place and type of event; any thread may ask."""

    def __init__(self) -> None:
        self.bots: Mapping[UserId, Bot] = {}
        """All bots, by user id."""
        self.commands: Mapping[str, OfferedCommand] = {}
        """The commands of enabled bots, by name."""
        self.has_subscriptions = False
        """Whether any event is to be sent to another program."""
        self._subscriptions: Mapping[int, Subscription] = {}
        self._by_place: Mapping[_Place, Sequence[Subscription]] = {}
        self._version = 0
        self._lock = threading.Lock()

    def load(self, connection: Connection) -> None:
        """Reads everything, unless a later change is known already."""
        version, bot_rows, subscription_rows = queries.read_all(connection)
        bots = [msgspec.convert(row, Bot) for row in bot_rows]
        subscriptions = [msgspec.convert(row, Subscription) for row in subscription_rows]
        with self._lock:
            if version < self._version:
                return
            self._version = version
            self._take_bots({bot.user_id: bot for bot in bots})
            self._take_subscriptions({one.id: one for one in subscriptions})

    def apply(self, event: Event) -> None:
        """Takes an event of CHANGES."""
        with self._lock:
            if event.version <= self._version:
                return
            self._version = event.version
            if event.type == BOT_CHANGED:
                user_id, bot = event.facts["user_id"], event.facts["bot"]
                others = {known: one for known, one in self.bots.items() if known != user_id}
                self._take_bots(others if bot is None else {**others, user_id: msgspec.convert(bot, Bot)})
            else:
                number, given = event.facts["id"], event.facts["subscription"]
                rest = {known: one for known, one in self._subscriptions.items() if known != number}
                if given is not None:
                    rest[number] = msgspec.convert(given, Subscription)
                self._take_subscriptions(rest)

    def is_bot(self, user_id: UserId) -> bool:
        """Whether a user is a bot."""
        return user_id in self.bots

    def subscribed(self, event: Event) -> Sequence[Subscription]:
        """The outgoing webhooks that an event is for: by its feed, or by being for everyone."""
        match event.audience:
            case Readers(feed_id=feed_id):
                return self._by_place.get((feed_id, event.type), ())
            case Viewers(kind="feed", id=space_id):
                return self._by_place.get((FeedId(space_id), event.type), ())
            case Everyone():
                return self._by_place.get((None, event.type), ())
            case _:
                return ()

    def _take_bots(self, bots: Mapping[UserId, Bot]) -> None:
        self.bots = bots
        self.commands = {
            command.name: OfferedCommand(bot, command)
            for bot in bots.values()
            if not bot.is_disabled
            for command in bot.commands
        }

    def _take_subscriptions(self, subscriptions: Mapping[int, Subscription]) -> None:
        by_place: dict[_Place, list[Subscription]] = {}
        for one in subscriptions.values():
            for kind in one.events:
                by_place.setdefault((one.feed_id, kind), []).append(one)
        self._subscriptions, self._by_place = subscriptions, by_place
        self.has_subscriptions = bool(subscriptions)


def bot_facts(bot: Bot) -> dict[str, Any]:
    """A bot as its event carries it."""
    return msgspec.to_builtins(bot)


def subscription_facts(subscription: Subscription) -> dict[str, Any]:
    """A subscription as its event carries it."""
    return msgspec.to_builtins(subscription)
