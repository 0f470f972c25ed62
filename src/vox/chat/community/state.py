"""What a process remembers of the community, as plain data, and what a change of it means to those who look on."""

from dataclasses import dataclass, field
from typing import Final, Literal

from vox.chat.events.ids import CategoryId, DmId, FeedId, MessageId, RoleId, RoomId, ThreadId, UserId
from vox.chat.events.permissions import EVERYONE, AllowDeny

Space = tuple[Literal["feed"], FeedId] | tuple[Literal["room"], RoomId]
SpaceRef = Space | tuple[Literal["dm"], DmId]
Target = tuple[Literal["role"], RoleId] | tuple[Literal["user"], UserId]


@dataclass(frozen=True, slots=True)
class Person:
    """A user; inactive ones were kicked or banned, or left, and see nothing.

    A contact is a user of another server who has not joined and gets messages of members: in no list, and without a login.
    """

    id: UserId
    username: str
    display_name: str
    nickname: str | None = None
    avatar: str | None = None
    is_active: bool = True
    role_ids: frozenset[RoleId] = frozenset()
    is_federated: bool = False
    is_contact: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A named mask; a lower position is a higher rank."""

    id: RoleId
    name: str
    color: int | None
    position: int
    permissions: int


@dataclass(frozen=True, slots=True)
class Category:
    """A heading over feeds and rooms; it carries no overrides."""

    id: CategoryId
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Feed:
    """A channel of text."""

    id: FeedId
    name: str
    type: str = "text"
    topic: str | None = None
    category_id: CategoryId | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """A channel of voice."""

    id: RoomId
    name: str
    type: str = "voice"
    category_id: CategoryId | None = None
    position: int = 0
    max_members: int | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A side conversation; what its feed allows holds in it."""

    id: ThreadId
    name: str
    feed_id: FeedId
    parent_msg_id: MessageId | None = None
    archived: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Raid:
    """Raid mode, and what it does while it lasts.

    Args:
        until: when it ends by itself, Unix seconds.
        joins_paused: whether new members are refused.
        new_account_wait_s: how old an account must be to write in feeds.
        slow_mode_s: the least time between two messages of an author in every feed.
    """

    until: int
    joins_paused: bool = True
    new_account_wait_s: int = 0
    slow_mode_s: int = 0


@dataclass(slots=True)
class State:
    """Everything, keyed by id; `overrides` holds only spaces that exist and have some, in order of their rows.

    `rules` has the definitions of the rules of auto-moderation that are enabled, as JSON, and another dictionary takes its place
    with every change; `timeouts` has Unix seconds, and those that are over stay in it until they are swept.
    """

    version: int = 0
    users: dict[UserId, Person] = field(default_factory=dict[UserId, Person])
    roles: dict[RoleId, Role] = field(default_factory=dict[RoleId, Role])
    categories: dict[CategoryId, Category] = field(default_factory=dict[CategoryId, Category])
    feeds: dict[FeedId, Feed] = field(default_factory=dict[FeedId, Feed])
    rooms: dict[RoomId, Room] = field(default_factory=dict[RoomId, Room])
    threads: dict[ThreadId, Thread] = field(default_factory=dict[ThreadId, Thread])
    dms: dict[DmId, frozenset[UserId]] = field(default_factory=dict[DmId, frozenset[UserId]])
    overrides: dict[Space, dict[Target, AllowDeny]] = field(default_factory=dict[Space, dict[Target, AllowDeny]])
    timeouts: dict[UserId, int] = field(default_factory=dict[UserId, int])
    slow_modes: dict[FeedId, int] = field(default_factory=dict[FeedId, int])
    rules: dict[int, str] = field(default_factory=dict[int, str])
    raid: Raid | None = None

    def everyone_role(self) -> Role | None:
        """The role everybody has: the oldest at position 0 with the name @everyone."""
        found = [role for role in tuple(self.roles.values()) if role.position == 0 and role.name == EVERYONE]
        return min(found, key=lambda role: role.id, default=None)


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Whose view may have changed.

    Args:
        users: these, anywhere.
        spaces: these feeds, rooms and DMs, for anybody.
        everything: all users and all spaces.
        must_reload: an event is missing; the community must be read from the database again.
    """

    users: frozenset[UserId] = frozenset()
    spaces: frozenset[SpaceRef] = frozenset()
    everything: bool = False
    must_reload: bool = False


EVERYTHING: Final = AccessChange(everything=True)
MISSED: Final = AccessChange(everything=True, must_reload=True)
