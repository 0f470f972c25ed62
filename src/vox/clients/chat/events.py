"""What happens on the server, as types: one class for each `type` of docs/protocols/chat-events.md, and four of the client's own.

The class of `message_create` is `MessageCreate`, and so on; fields have the wire's names. A type that this client does not know
comes as `UnknownEvent`, so that a newer server breaks nothing.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from vox.clients.chat.bound import Bound, bind
from vox.clients.chat.interactions import Interaction
from vox.clients.chat.messages import Channel, Message
from vox.clients.chat.rest import Rest, without_nulls


class Event(Bound, kw_only=True):
    """Something that happened. `is_recovered` says that the client was away then and read it afterwards."""

    is_recovered: bool = False


class _OfMessages(Event, kw_only=True):
    feed_id: int | None = None
    thread_id: int | None = None
    dm_id: int | None = None

    @property
    def channel(self) -> Channel:
        """Where it happened; the thread is known of new messages only."""
        return Channel(self.rest, feed_id=self.feed_id, thread_id=self.thread_id, dm_id=self.dm_id)


class MessageCreate(Event, kw_only=True):
    """A message was sent, also by the account itself."""

    message: Message


class MessageUpdate(_OfMessages, kw_only=True):
    """A message was edited; `body` is the new text. `edit_timestamp` is Unix milliseconds."""

    msg_id: int
    body: str = ""
    edit_timestamp: int = 0


class MessageDelete(_OfMessages, kw_only=True):
    """A message was deleted."""

    msg_id: int


class MessageBulkDelete(_OfMessages, kw_only=True):
    """Several messages were deleted."""

    msg_ids: list[int] = msgspec.field(default_factory=list[int])


class MessageReactionAdd(_OfMessages, kw_only=True):
    """A reaction was added."""

    msg_id: int
    user_id: int
    emoji: str = ""


class MessageReactionRemove(_OfMessages, kw_only=True):
    """A reaction was taken away."""

    msg_id: int
    user_id: int
    emoji: str = ""


class MessagePinUpdate(_OfMessages, kw_only=True):
    """A message was pinned, or is no longer."""

    msg_id: int
    pinned: bool = False


class TypingStart(_OfMessages, kw_only=True):
    """A person writes; the account itself, too."""

    user_id: int


class NotificationCreate(Event, kw_only=True):
    """The account is notified: of a mention, a reply, a reaction or a message."""

    type: str = ""
    feed_id: int | None = None
    thread_id: int | None = None
    msg_id: int | None = None
    actor_id: int | None = None
    body_preview: str = ""


class DmCreate(Event, kw_only=True):
    """A conversation with the account was opened."""

    dm_id: int
    participant_ids: list[int] = msgspec.field(default_factory=list[int])
    is_group: bool = False
    name: str = ""


class DmUpdate(Event, kw_only=True):
    """A conversation changed."""

    dm_id: int
    name: str | None = None
    icon: str | None = None
    is_group: bool | None = None


class DmRecipientAdd(Event, kw_only=True):
    """A person was added to a conversation."""

    dm_id: int
    user_id: int


class DmRecipientRemove(Event, kw_only=True):
    """A person left a conversation, or was removed."""

    dm_id: int
    user_id: int


class DmReadNotify(Event, kw_only=True):
    """A person read a conversation up to this message."""

    dm_id: int
    user_id: int
    up_to_msg_id: int = 0


class MemberJoin(Event, kw_only=True):
    """A person joined the community."""

    user_id: int
    username: str = ""
    display_name: str = ""


class _OfUser(Event, kw_only=True):
    user_id: int


class MemberLeave(_OfUser, kw_only=True):
    """A person left, or was kicked."""


class MemberBan(_OfUser, kw_only=True):
    """A person was banned."""


class MemberUnban(_OfUser, kw_only=True):
    """A ban was lifted."""


class MemberUpdate(_OfUser, kw_only=True):
    """A nickname changed."""

    nickname: str = ""


class UserUpdate(_OfUser, kw_only=True):
    """A profile changed; what is None did not."""

    display_name: str | None = None
    avatar: str | None = None
    bio: str | None = None


class PresenceUpdate(_OfUser, kw_only=True):
    """A person's status changed."""

    status: str = "offline"
    custom_status: Any = None
    activity: dict[str, Any] | None = None


class RoleCreate(Event, kw_only=True):
    """A role was made."""

    role_id: int
    name: str = ""
    color: int | None = None
    permissions: int = 0
    position: int = 0


class RoleUpdate(Event, kw_only=True):
    """A role changed; what is None did not."""

    role_id: int
    name: str | None = None
    color: int | None = None
    permissions: int | None = None
    position: int | None = None


class RoleDelete(Event, kw_only=True):
    """A role was deleted."""

    role_id: int


class RoleAssign(Event, kw_only=True):
    """A role was given."""

    role_id: int
    user_id: int


class RoleRevoke(Event, kw_only=True):
    """A role was taken away."""

    role_id: int
    user_id: int


class _OfFriends(Event, kw_only=True):
    user_id: int
    target_id: int


class FriendRequest(_OfFriends, kw_only=True):
    """`user_id` asks `target_id` to be friends."""


class FriendAdd(_OfFriends, kw_only=True):
    """Two people are friends."""


class FriendReject(_OfFriends, kw_only=True):
    """A request was rejected."""


class FriendRemove(_OfFriends, kw_only=True):
    """Two people are no longer friends."""


class BlockAdd(_OfFriends, kw_only=True):
    """`user_id` blocks `target_id`."""


class BlockRemove(_OfFriends, kw_only=True):
    """A block was lifted."""


class ServerUpdate(Event, kw_only=True):
    """The community's name, icon or description changed; what is None did not."""

    name: str | None = None
    icon: str | None = None
    description: str | None = None


class InviteCreate(Event, kw_only=True):
    """An invite was made."""

    code: str
    creator_id: int | None = None
    feed_id: int | None = None


class InviteDelete(Event, kw_only=True):
    """An invite was deleted."""

    code: str


class _OfEmoji(Event, kw_only=True):
    emoji_id: int
    name: str = ""


class EmojiCreate(_OfEmoji, kw_only=True):
    """An emoji was added."""

    creator_id: int | None = None
    image: str = ""


class EmojiUpdate(_OfEmoji, kw_only=True):
    """An emoji was renamed."""


class EmojiDelete(_OfEmoji, kw_only=True):
    """An emoji was deleted."""


class _OfSticker(Event, kw_only=True):
    sticker_id: int
    name: str = ""


class StickerCreate(_OfSticker, kw_only=True):
    """A sticker was added."""

    creator_id: int | None = None
    image: str = ""


class StickerUpdate(_OfSticker, kw_only=True):
    """A sticker was renamed."""


class StickerDelete(_OfSticker, kw_only=True):
    """A sticker was deleted."""


class _OfSpace(Event, kw_only=True):
    name: str | None = None
    type: str | None = None
    topic: str | None = None
    category_id: int | None = None
    position: int | None = None


class CategoryCreate(_OfSpace, kw_only=True):
    """A category was made."""


class CategoryUpdate(_OfSpace, kw_only=True):
    """A category changed; what is None did not."""


class CategoryDelete(_OfSpace, kw_only=True):
    """A category was deleted."""


class _OfFeed(_OfSpace, kw_only=True):
    feed_id: int

    @property
    def channel(self) -> Channel:
        """The feed's messages."""
        return Channel(self.rest, feed_id=self.feed_id)


class FeedCreate(_OfFeed, kw_only=True):
    """A feed was made, or became visible to the account."""


class FeedUpdate(_OfFeed, kw_only=True):
    """A feed changed; what is None did not."""


class FeedDelete(_OfFeed, kw_only=True):
    """A feed was deleted, or is no longer visible to the account."""


class _OfRoom(_OfSpace, kw_only=True):
    room_id: int


class RoomCreate(_OfRoom, kw_only=True):
    """A room was made, or became visible to the account."""


class RoomUpdate(_OfRoom, kw_only=True):
    """A room changed; what is None did not."""


class RoomDelete(_OfRoom, kw_only=True):
    """A room was deleted, or is no longer visible to the account."""


class ThreadCreate(Event, kw_only=True):
    """A thread was started."""

    thread_id: int
    parent_feed_id: int | None = None
    parent_msg_id: int | None = None
    name: str = ""

    @property
    def channel(self) -> Channel:
        """The thread's messages."""
        return Channel(self.rest, feed_id=self.parent_feed_id, thread_id=self.thread_id)


class ThreadUpdate(Event, kw_only=True):
    """A thread changed; what is None did not."""

    thread_id: int
    name: str | None = None
    archived: bool | None = None
    locked: bool | None = None


class ThreadDelete(Event, kw_only=True):
    """A thread was deleted."""

    thread_id: int


class _OfFollowers(Event, kw_only=True):
    user_id: int
    feed_id: int | None = None
    thread_id: int | None = None


class ThreadSubscribe(_OfFollowers, kw_only=True):
    """A person follows a thread."""


class ThreadUnsubscribe(_OfFollowers, kw_only=True):
    """A person no longer follows a thread."""


class FeedSubscribe(_OfFollowers, kw_only=True):
    """A person follows a feed."""


class FeedUnsubscribe(_OfFollowers, kw_only=True):
    """A person no longer follows a feed."""


class PermissionOverrideUpdate(Event, kw_only=True):
    """A role or user may do otherwise in a space."""

    space_type: str = ""
    space_id: int = 0
    target_type: str = ""
    target_id: int = 0
    allow: int = 0
    deny: int = 0


class PermissionOverrideDelete(Event, kw_only=True):
    """An override was taken away."""

    space_type: str = ""
    space_id: int = 0
    target_type: str = ""
    target_id: int = 0


class InteractionCreate(Event, kw_only=True):
    """A member asks something of this bot."""

    interaction: Interaction


class InteractionModal(Event, kw_only=True):
    """A bot asks the account, which is a person's, to fill in a form."""

    modal_id: str
    bot_id: int = 0
    custom_id: str = ""
    title: str = ""
    fields: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    feed_id: int | None = None
    dm_id: int | None = None
    expires_at: int = 0


class BotCommandsUpdate(Event, kw_only=True):
    """A bot's commands changed."""

    bot_id: int
    commands: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])


class BotCommandsDelete(Event, kw_only=True):
    """Commands of a bot are gone."""

    bot_id: int
    command_names: list[str] = msgspec.field(default_factory=list[str])


class _OfWebhook(Event, kw_only=True):
    webhook_id: int
    feed_id: int | None = None
    name: str | None = None
    avatar: str | None = None


class WebhookCreate(_OfWebhook, kw_only=True):
    """A webhook was made."""


class WebhookUpdate(_OfWebhook, kw_only=True):
    """A webhook changed; what is None did not."""


class WebhookDelete(_OfWebhook, kw_only=True):
    """A webhook was deleted."""


class DeliveryStatus(Event, kw_only=True):
    """Whether the server knows that it misses events of its other processes."""

    interrupted: bool = False


class UnknownEvent(Event, kw_only=True):
    """An event of a type that this client does not know."""

    type: str
    data: dict[str, Any]


class Ready(Event, kw_only=True):
    """A session began. `is_first` is false after an interruption in which the session was lost; what was missed comes afterwards."""

    user_id: int = 0
    display_name: str = ""
    server_name: str = ""
    session_id: str = ""
    capabilities: list[str] = msgspec.field(default_factory=list[str])
    server_time: int = 0
    is_first: bool = True


class Resumed(Event, kw_only=True):
    """The session goes on after an interruption, and what was missed has come."""


class CaughtUp(Event, kw_only=True):
    """What was missed while the session was lost has come; `messages` is how many of it were messages."""

    messages: int = 0


class Disconnected(Event, kw_only=True):
    """The connection was lost; the client comes back by itself. `close_code` is 1006 where there was none."""

    close_code: int
    reason: str = ""


_OWN: Final = {UnknownEvent, Ready, Resumed, CaughtUp, Disconnected}
_NESTED: Final = {"message_create": "message", "interaction_create": "interaction"}
BY_TYPE: Final[Mapping[str, type[Event]]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Event) and not name.startswith("_") and kind is not Event
    if kind not in _OWN
}
"""The class of each type on the wire."""


def decoded(kind: str, content: Mapping[str, Any], rest: Rest, *, is_recovered: bool = False) -> Event:
    """The event in a frame. What cannot be read as its type says is an `UnknownEvent`, too."""
    fields: dict[str, Any] = without_nulls(dict(content))
    try:
        nested = {_NESTED[kind]: fields} if kind in _NESTED else fields
        event = msgspec.convert(nested, BY_TYPE[kind], strict=False)
    except (KeyError, msgspec.ValidationError):
        event = UnknownEvent(type=kind, data=fields)
    event.is_recovered = is_recovered
    return bind(event, rest)
