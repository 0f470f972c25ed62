"""What a process remembers of the community, as plain data, and what a change of it means to those who look on."""

from dataclasses import dataclass, field
from typing import Final, Literal

from vox.chat.events.audience import SpaceKind, TargetKind
from vox.chat.events.permissions import EVERYONE, Mask

PlaceKind = Literal["feed", "room", "dm"]
SpaceRef = tuple[PlaceKind, int]
Space = tuple[SpaceKind, int]
Target = tuple[TargetKind, int]


@dataclass(frozen=True, slots=True)
class Person:
    """A user; inactive ones were kicked or banned, or left, and see nothing."""

    id: int
    username: str
    display_name: str
    nickname: str | None = None
    avatar: str | None = None
    is_active: bool = True
    role_ids: frozenset[int] = frozenset()
    is_federated: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A named mask; a lower position is a higher rank."""

    id: int
    name: str
    color: int | None
    position: int
    permissions: int


@dataclass(frozen=True, slots=True)
class Category:
    """A heading over feeds and rooms; it carries no overrides."""

    id: int
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Feed:
    """A channel of text."""

    id: int
    name: str
    type: str = "text"
    topic: str | None = None
    category_id: int | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """A channel of voice."""

    id: int
    name: str
    type: str = "voice"
    category_id: int | None = None
    position: int = 0
    max_members: int | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A side conversation; what its feed allows holds in it."""

    id: int
    name: str
    feed_id: int
    parent_msg_id: int | None = None
    archived: bool = False
    locked: bool = False


@dataclass(slots=True)
class State:
    """Everything, keyed by id; `overrides` holds only spaces that exist and have some, in order of their rows."""

    version: int = 0
    users: dict[int, Person] = field(default_factory=dict[int, Person])
    roles: dict[int, Role] = field(default_factory=dict[int, Role])
    categories: dict[int, Category] = field(default_factory=dict[int, Category])
    feeds: dict[int, Feed] = field(default_factory=dict[int, Feed])
    rooms: dict[int, Room] = field(default_factory=dict[int, Room])
    threads: dict[int, Thread] = field(default_factory=dict[int, Thread])
    dms: dict[int, frozenset[int]] = field(default_factory=dict[int, frozenset[int]])
    overrides: dict[Space, dict[Target, Mask]] = field(default_factory=dict[Space, dict[Target, Mask]])

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

    users: frozenset[int] = frozenset()
    spaces: frozenset[SpaceRef] = frozenset()
    everything: bool = False
    must_reload: bool = False


EVERYTHING: Final = AccessChange(everything=True)
MISSED: Final = AccessChange(everything=True, must_reload=True)
