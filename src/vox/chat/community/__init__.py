"""The community in memory: who is here, what they may see and do, and how events change it."""

from vox.chat.community.administrators import administrators_in
from vox.chat.community.community import Community
from vox.chat.community.loading import read_few, read_state
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
    "read_few",
    "read_state",
]
