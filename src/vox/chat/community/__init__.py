"""The community in memory: its members, what they may see and do, and how events change it."""

from vox.chat.community.community import Community
from vox.chat.community.loading import administrators_in, read_partial_state, read_state
from vox.chat.community.state import AccessChange, Category, Feed, Person, Role, Room, SpaceRef, State, Thread

__all__ = [
    "AccessChange",
    "Category",
    "Community",
    "Feed",
    "Person",
    "Role",
    "Room",
    "SpaceRef",
    "State",
    "Thread",
    "administrators_in",
    "read_partial_state",
    "read_state",
]
