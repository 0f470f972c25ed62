"""The ids of the community's things, each a type of its own.

An id is a plain number at run time and on the wire, that of a file a random text; to the type checker a user's id is no feed's, so
that two arguments in the wrong order are an error before the program runs. A value becomes an id where it enters: from a path, a
row or a message.
"""

from typing import NewType

UserId = NewType("UserId", int)
FeedId = NewType("FeedId", int)
RoomId = NewType("RoomId", int)
CategoryId = NewType("CategoryId", int)
ThreadId = NewType("ThreadId", int)
MessageId = NewType("MessageId", int)
FileId = NewType("FileId", str)
DmId = NewType("DmId", int)
RoleId = NewType("RoleId", int)
LoginId = NewType("LoginId", int)
"""A row of `sessions`: one login of one user."""

TargetId = RoleId | UserId
"""A role or a user that an override is for, where the kind stands beside it."""
SpaceId = FeedId | RoomId
"""A feed or a room, where the kind stands beside it."""
