"""The ids of the community's things, each a type of its own.

An id is a plain number at run time and on the wire; to the type checker a user's id is no feed's, so that two arguments in the
wrong order are an error before the program runs. A number becomes an id where it enters: from a path, a row or a message.
"""

from typing import NewType

UserId = NewType("UserId", int)
FeedId = NewType("FeedId", int)
RoomId = NewType("RoomId", int)
CategoryId = NewType("CategoryId", int)
ThreadId = NewType("ThreadId", int)
DmId = NewType("DmId", int)
RoleId = NewType("RoleId", int)
LoginId = NewType("LoginId", int)
"""A row of `sessions`: one login of one user."""

SpaceId = FeedId | RoomId
"""A feed or a room, where the kind stands beside it."""
