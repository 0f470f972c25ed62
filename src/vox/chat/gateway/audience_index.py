"""The sessions of one process by audience, so that delivering an event is a look-up and not a question per session.

Spaces and permissions are indexed when they are first asked for and then kept up to date: adding a session costs one question
per indexed space. Before changing: the community must have taken an event before `shift` hears of it, and only one thread at a
time may use an index; the lists it gives out are never changed afterwards, but replaced.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from vox.chat.community import AccessChange
from vox.chat.events.audience import (
    Audience,
    Everyone,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    SpaceKind,
    Users,
    Viewers,
)
from vox.chat.events.ids import DmId, FeedId, SpaceId, UserId


class Sees(Protocol):
    """What the index asks: the part of `Community` that knows audiences."""

    @property
    def dms(self) -> dict[DmId, frozenset[UserId]]:
        """Participants by DM."""
        ...

    def sees(self, user_id: UserId, audience: Audience) -> bool:
        """Whether a user belongs to an audience now."""
        ...


class Session(Hashable, Protocol):
    """Anything that belongs to a user and is compared by identity."""

    @property
    def user_id(self) -> UserId:
        """Whose session it is."""
        ...


S = TypeVar("S", bound=Session)


class AudienceIndex(Generic[S]):
    """Finds the sessions an event goes to.

    Args:
        community: decides who sees what.
    """

    def __init__(self, community: Sees) -> None:
        self._community = community
        self._of_user: dict[UserId, dict[S, None]] = {}
        self._built: dict[Audience, _Group[S]] = {}

    def __len__(self) -> int:
        """How many sessions there are."""
        return sum(map(len, self._of_user.values()))

    def add(self, session: S) -> None:
        """Takes a session in; a second time does nothing."""
        self._of_user.setdefault(session.user_id, {})[session] = None
        for audience, group in self._built.items():
            if self._community.sees(session.user_id, audience):
                group.add(session)

    def remove(self, session: S) -> None:
        """Lets a session go; an unknown one does nothing."""
        own = self._of_user.get(session.user_id)
        if own is None or session not in own:
            return
        del own[session]
        if not own:
            del self._of_user[session.user_id]
        for group in self._built.values():
            group.discard(session)

    def shift(self, shift: AccessChange | None) -> None:
        """Follows a change of the community: what it names is asked anew."""
        if shift is None:
            return
        if shift.everything:
            self._built.clear()
            return
        if shift.spaces:
            self._built = {
                audience: group for audience, group in self._built.items() if _place(audience) not in shift.spaces
            }
        for user_id in shift.users:
            own = self._of_user.get(user_id)
            if own:
                self._reconsider(user_id, own)

    def sessions(self, audience: Audience) -> Sequence[S]:
        """The sessions an event with this audience goes to, in no order."""
        match audience:
            case Everyone() | Viewers() | Readers() | PermissionHolders():
                group = self._built.get(audience)
                if group is None:
                    group = self._built[audience] = _Group(self._asking(self._of_user, audience))
                return group.members()
            case Participants():
                users = self._community.dms.get(audience.dm_id, frozenset()).union(audience.besides)
                return self._asking(users, audience)
            case Users():
                return self._asking(frozenset(audience.ids), audience)
            case InviteViewers() | FormerViewers():
                return self._asking(self._of_user, audience)

    def everyone(self) -> Sequence[S]:
        """The sessions of all active members."""
        return self.sessions(Everyone())

    def viewers(self, kind: SpaceKind, space_id: SpaceId) -> Sequence[S]:
        """The sessions that may view a feed or room."""
        return self.sessions(Viewers(kind, space_id))

    def readers(self, feed_id: FeedId) -> Sequence[S]:
        """The sessions that may read a feed's messages."""
        return self.sessions(Readers(feed_id))

    def participants(self, dm_id: DmId) -> Sequence[S]:
        """The sessions of a DM's participants."""
        return self.sessions(Participants(dm_id))

    def users(self, ids: Iterable[UserId]) -> Sequence[S]:
        """The sessions of these users, as far as they are active."""
        return self.sessions(Users(tuple(ids)))

    def holders(self, permission: int) -> Sequence[S]:
        """The sessions of all who hold a permission in the community."""
        return self.sessions(PermissionHolders(int(permission)))

    def of_user(self, user_id: UserId) -> Sequence[S]:
        """A user's sessions, also of one who is active no longer: who closes them needs them."""
        return tuple(self._of_user.get(user_id, ()))

    def _asking(self, users: Iterable[UserId], audience: Audience) -> list[S]:
        sees, of_user = self._community.sees, self._of_user
        return [
            session
            for user_id in users
            if user_id in of_user and sees(user_id, audience)
            for session in of_user[user_id]
        ]

    def _reconsider(self, user_id: UserId, own: Iterable[S]) -> None:
        for audience, group in self._built.items():
            change: Callable[[S], None] = group.add if self._community.sees(user_id, audience) else group.discard
            for session in own:
                change(session)


class _Group(Generic[S]):
    """A set of sessions that gives out the same list until it changes."""

    __slots__ = ("_list", "_set")

    def __init__(self, sessions: Iterable[S]) -> None:
        self._set = dict.fromkeys(sessions)
        self._list: list[S] | None = None

    def add(self, session: S) -> None:
        if session not in self._set:
            self._set[session] = None
            self._list = None

    def discard(self, session: S) -> None:
        if session in self._set:
            del self._set[session]
            self._list = None

    def members(self) -> list[S]:
        if self._list is None:
            self._list = list(self._set)
        return self._list


def _place(audience: Audience) -> tuple[str, int] | None:
    match audience:
        case Viewers():
            return audience.kind, audience.id
        case Readers():
            return "feed", audience.feed_id
        case _:
            return None
