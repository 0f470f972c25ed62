"""The community inside the fake server: people, feeds, messages and interactions as plain objects, and the events that they cause."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vox.errors import UsageError
from vox.runtime.clock import Clock

ID_TIME_SHIFT: Final = 22
EVERYONE_MASK: Final = 6443107135


@dataclass(slots=True, eq=False)
class FakeUser:
    """A person or a bot; `token` is what it logs in with."""

    user_id: int
    name: str
    token: str
    is_bot: bool = False
    roles: list[int] = field(default_factory=list[int])
    nickname: str = ""


@dataclass(slots=True, eq=False)
class FakeMessage:
    """A message. `ephemeral_for` is the only person who sees it, where it is not stored."""

    msg_id: int
    author_id: int | None
    body: str
    place: tuple[str, int]
    thread_id: int | None = None
    timestamp: int = 0
    edit_timestamp: int | None = None
    reply_to: int | None = None
    mentions: list[int] = field(default_factory=list[int])
    attachments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    components: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    embeds: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reactions: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    is_pinned: bool = False
    ephemeral_for: int | None = None

    def on_the_wire(self) -> dict[str, Any]:
        """As an event or a page of history has it."""
        fields: dict[str, Any] = {
            "msg_id": self.msg_id,
            "author_id": self.author_id,
            "body": self.body,
            "timestamp": self.timestamp,
            self.place[0]: self.place[1],
            "thread_id": self.thread_id,
            "reply_to": self.reply_to,
            "edit_timestamp": self.edit_timestamp,
            "mentions": self.mentions,
            "attachments": self.attachments,
            "components": self.components,
            "embeds": self.embeds,
            "embed": self.embeds[0] if self.embeds else None,
            "ephemeral": self.ephemeral_for is not None or None,
        }
        return {name: value for name, value in fields.items() if value not in (None, [])}


@dataclass(slots=True, eq=False)
class FakeInteraction:
    """What was asked of a bot, and what it answered: the body of its response, None before."""

    id: str
    bot_id: int
    content: dict[str, Any]
    answer: dict[str, Any] | None = None


Publish = Callable[[str, dict[str, Any], Iterable[int] | None], None]
"""Type, content, and the ids of those who are told; None for all."""


class Community:
    """People, places and what is written in them.

    Args:
        clock: the time of messages.
        publish: is given each event.
    """

    def __init__(self, clock: Clock, publish: Publish) -> None:
        self._clock = clock
        self._publish = publish
        self._numbers = itertools.count(1)
        self._last_snowflake = 0
        self.users: dict[int, FakeUser] = {}
        self.feeds: dict[int, dict[str, Any]] = {}
        self.threads: dict[int, dict[str, Any]] = {}
        self.dms: dict[int, dict[str, Any]] = {}
        self.roles: dict[int, dict[str, Any]] = {}
        self.messages: dict[int, FakeMessage] = {}
        self.files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.commands: dict[int, list[dict[str, Any]]] = {}
        self.interactions: dict[str, FakeInteraction] = {}
        self.nonces: dict[tuple[int, str], dict[str, Any]] = {}
        self.add_role("@everyone", EVERYONE_MASK, position=0)
        self.add_feed("general")

    def number(self) -> int:
        """The next id of anything but a message."""
        return next(self._numbers)

    def snowflake(self) -> int:
        """The next id of a message."""
        self._last_snowflake = max(self._clock.unix_ms() << ID_TIME_SHIFT, self._last_snowflake + 1)
        return self._last_snowflake

    def publish(self, kind: str, content: dict[str, Any], only: Iterable[int] | None = None) -> None:
        """Tells an event to everyone, or to those named."""
        self._publish(kind, content, only)

    def add_user(self, name: str, *, is_bot: bool = False, roles: Iterable[int] = ()) -> FakeUser:
        """A new member."""
        user_id = self.number()
        user = FakeUser(user_id, name, f"fake_token_{user_id}", is_bot, list(roles))
        self.users[user_id] = user
        self.publish("member_join", {"user_id": user_id, "username": name, "display_name": name})
        return user

    def add_feed(self, name: str, kind: str = "text") -> int:
        """A new feed; returns its id."""
        feed_id = self.number()
        self.feeds[feed_id] = {"feed_id": feed_id, "name": name, "type": kind, "position": len(self.feeds)}
        self.publish("feed_create", {"feed_id": feed_id, "name": name, "type": kind})
        return feed_id

    def add_role(self, name: str, permissions: int, *, position: int = 1) -> int:
        """A new role; returns its id."""
        role_id = len(self.roles) + 1
        self.roles[role_id] = {"role_id": role_id, "name": name, "permissions": permissions, "position": position}
        return role_id

    def audience(self, place: tuple[str, int]) -> list[int] | None:
        """Who may read there; None for everyone."""
        return list(self.dms[place[1]]["participant_ids"]) if place[0] == "dm_id" else None

    def post(
        self, author_id: int | None, place: tuple[str, int], body: str, *, thread_id: int | None = None, **more: Any
    ) -> FakeMessage:
        """A new message, told to all who may read it; `more` are further fields of FakeMessage."""
        message = FakeMessage(
            self.snowflake(), author_id, body, place, thread_id, timestamp=self._clock.unix_ms(), **more
        )
        only = self.audience(place)
        if message.ephemeral_for is None:
            self.messages[message.msg_id] = message
        else:
            only = [message.ephemeral_for]
        self.publish("message_create", message.on_the_wire(), only)
        return message

    def edit(self, message: FakeMessage, changes: Mapping[str, Any]) -> None:
        """Changes a message's body, components or embeds."""
        for name in ("body", "components", "embeds"):
            if changes.get(name) is not None:
                setattr(message, name, changes[name])
        message.edit_timestamp = max(self._clock.unix_ms(), (message.edit_timestamp or 0) + 1)
        content = {
            "msg_id": message.msg_id,
            message.place[0]: message.place[1],
            "body": message.body,
            "components": message.components,
            "edit_timestamp": message.edit_timestamp,
        }
        self.publish("message_update", content, self.audience(message.place))

    def delete(self, message: FakeMessage) -> None:
        """Deletes a message."""
        del self.messages[message.msg_id]
        content = {"msg_id": message.msg_id, message.place[0]: message.place[1]}
        self.publish("message_delete", content, self.audience(message.place))

    def react(self, message: FakeMessage, user_id: int, emoji: str, *, is_there: bool) -> None:
        """Adds or takes away a reaction."""
        people = message.reactions.setdefault(emoji, [])
        if (user_id in people) is is_there:
            return
        people.append(user_id) if is_there else people.remove(user_id)
        content = {"msg_id": message.msg_id, "user_id": user_id, "emoji": emoji, message.place[0]: message.place[1]}
        kind = "message_reaction_add" if is_there else "message_reaction_remove"
        self.publish(kind, content, self.audience(message.place))

    def conversation(self, participants: Iterable[int], name: str = "") -> dict[str, Any]:
        """The conversation of these people; a group is always a new one."""
        ids = sorted(set(participants))
        for dm in self.dms.values():
            if not name and not dm["is_group"] and dm["participant_ids"] == ids:
                return dm
        dm_id = self.number()
        pair = 2
        self.dms[dm_id] = {"dm_id": dm_id, "participant_ids": ids, "is_group": len(ids) > pair, "name": name}
        self.publish("dm_create", self.dms[dm_id], ids)
        return self.dms[dm_id]

    def command_owner(self, name: str) -> int | None:
        """The bot that has this command."""
        return next(
            (bot_id for bot_id, commands in self.commands.items() if any(one["name"] == name for one in commands)),
            None,
        )

    def ask(self, bot_id: int, content: dict[str, Any]) -> FakeInteraction:
        """Asks something of a bot."""
        interaction = FakeInteraction(f"interaction_{self.number()}", bot_id, content)
        content["id"] = interaction.id
        self.interactions[interaction.id] = interaction
        self.publish("interaction_create", content, [bot_id])
        return interaction

    def answered(self, interaction: FakeInteraction, answer: dict[str, Any]) -> FakeMessage | None:
        """Takes a bot's answer; the message that it made, if any."""
        interaction.answer = answer
        asked = interaction.content
        place = ("feed_id", asked["feed_id"]) if asked.get("feed_id") else ("dm_id", asked["dm_id"])
        kind = answer.get("type") or "message"
        if kind == "update":
            self.edit(self.message(asked["msg_id"]), answer)
        if kind == "modal":
            form = {**answer["modal"], "modal_id": interaction.id, "bot_id": interaction.bot_id}
            self.publish("interaction_modal", form, [asked["user_id"]])
        if kind != "message":
            return None
        return self.post(
            interaction.bot_id,
            place,
            answer.get("body") or "",
            thread_id=asked.get("thread_id"),
            components=answer.get("components") or [],
            embeds=answer.get("embeds") or [],
            ephemeral_for=asked["user_id"] if answer.get("ephemeral") else None,
        )

    def message(self, msg_id: int) -> FakeMessage:
        """A message by its id.

        Raises:
            UsageError: there is none.
        """
        found = self.messages.get(msg_id)
        if found is None:
            raise UsageError(f"there is no message {msg_id}", code="fake_message_unknown")
        return found
