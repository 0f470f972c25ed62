"""The one place that answers who may see or do what, from memory, alike for REST and gateway.

Before changing: the state changes by events only, in the order of their versions, and only on the event loop that absorbs them;
questions may come from any thread.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal, cast, overload

from vox.chat.community.apply_events import apply_to
from vox.chat.community.loading import read_state
from vox.chat.community.permission_cache import PermissionCache, never
from vox.chat.community.state import (
    EVERYTHING,
    MISSED,
    AccessChange,
    Category,
    Feed,
    Person,
    Raid,
    Role,
    Room,
    Space,
    State,
    Thread,
)
from vox.chat.events import Event
from vox.chat.events.audience import (
    Audience,
    Everyone,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    SpaceKind,
    SpaceOverride,
    Viewers,
)
from vox.chat.events.audience import Users as TheseUsers
from vox.chat.events.ids import CategoryId, DmId, FeedId, RoleId, RoomId, SpaceId, ThreadId, UserId
from vox.chat.events.permissions import P
from vox.stores.sql import Connection

_VIEW = P.VIEW_SPACE.value
_READ = P.VIEW_SPACE.value | P.READ_HISTORY.value
_ADMINISTRATOR = P.ADMINISTRATOR.value
_REDEFINES_ROLES = frozenset({"role_create", "role_update", "role_delete"})
_STRUCTURE = frozenset({
    "role_create", "role_update", "role_delete", "category_create", "category_update", "category_delete",
    "feed_create", "feed_update", "feed_delete", "room_create", "room_update", "room_delete",
    "permission_override_update", "permission_override_delete",
    "emoji_create", "emoji_update", "emoji_delete", "sticker_create", "sticker_update", "sticker_delete",
})  # fmt: skip
_BRINGS_OR_TAKES = frozenset({"member_join", "member_leave", "member_ban", "member_unban"})


class Community:
    """The members, roles, spaces and conversations of this server, and what follows from them.

    Args:
        state: what is known at the beginning; nothing, until `load` or `replace`.
        now_s: the present time in Unix seconds; without it every time-out lasts.
    """

    def __init__(self, state: State | None = None, now_s: Callable[[], int] = never) -> None:
        self._state = state or State()
        self._now_s = now_s
        self._masks = PermissionCache(self._state, now_s)
        self._comings = 0
        self._structure = 0

    @property
    def state(self) -> State:
        """Everything; not to be changed by who looks."""
        return self._state

    @property
    def version(self) -> int:
        """The last change that is part of this memory."""
        return self._state.version

    @property
    def membership_version(self) -> int:
        """Goes up whenever a member joins or leaves: for caches that are built from the members."""
        return self._comings

    @property
    def structure_version(self) -> int:
        """Goes up whenever roles, spaces, their overrides, emoji or stickers change: for what is the same for users of the same roles."""
        return self._structure

    @property
    def users(self) -> dict[UserId, Person]:
        """Users by id, the inactive too."""
        return self._state.users

    @property
    def roles(self) -> dict[RoleId, Role]:
        """Roles by id, @everyone too."""
        return self._state.roles

    @property
    def categories(self) -> dict[CategoryId, Category]:
        """Categories by id."""
        return self._state.categories

    @property
    def feeds(self) -> dict[FeedId, Feed]:
        """Feeds by id."""
        return self._state.feeds

    @property
    def rooms(self) -> dict[RoomId, Room]:
        """Rooms by id."""
        return self._state.rooms

    @property
    def threads(self) -> dict[ThreadId, Thread]:
        """Threads by id."""
        return self._state.threads

    @property
    def dms(self) -> dict[DmId, frozenset[UserId]]:
        """Participants by DM."""
        return self._state.dms

    @property
    def everyone_role_id(self) -> RoleId | None:
        """The role everybody has; None in an empty database."""
        return self._masks.everyone_id

    @overload
    def overrides_of(self, kind: Literal["feed"], space_id: FeedId) -> list[SpaceOverride]: ...
    @overload
    def overrides_of(self, kind: Literal["room"], space_id: RoomId) -> list[SpaceOverride]: ...
    def overrides_of(self, kind: SpaceKind, space_id: SpaceId) -> list[SpaceOverride]:
        """The overrides of a space in the order of their rows."""
        masks = self._state.overrides.get(cast("Space", (kind, space_id)), {})
        return [SpaceOverride(target[0], target[1], mask.allow, mask.deny) for target, mask in masks.items()]

    def permissions(self, user_id: UserId) -> int:
        """The mask of a user outside of any space; 0 for strangers and the inactive."""
        return self._masks.of(user_id)

    @overload
    def permissions_in(self, user_id: UserId, kind: Literal["feed"], space_id: FeedId) -> int: ...
    @overload
    def permissions_in(self, user_id: UserId, kind: Literal["room"], space_id: RoomId) -> int: ...
    def permissions_in(self, user_id: UserId, kind: SpaceKind, space_id: SpaceId) -> int:
        """The mask of a user in a space; 0 without VIEW_SPACE, for strangers, the inactive and unknown spaces."""
        return self._masks.of_in(user_id, kind, space_id)

    def may(self, user_id: UserId, permission: int) -> bool:
        """Whether a user holds a permission in the community."""
        required = int(permission)
        return self._masks.of(user_id) & required == required

    @overload
    def may_in(self, user_id: UserId, kind: Literal["feed"], space_id: FeedId, permission: int) -> bool: ...
    @overload
    def may_in(self, user_id: UserId, kind: Literal["room"], space_id: RoomId, permission: int) -> bool: ...
    def may_in(self, user_id: UserId, kind: SpaceKind, space_id: SpaceId, permission: int) -> bool:
        """Whether a user holds a permission in a space, which includes that the space is visible."""
        required = int(permission) | _VIEW
        return self._masks.of_in(user_id, kind, space_id) & required == required

    def is_administrator(self, user_id: UserId) -> bool:
        """Whether a user is active and holds ADMINISTRATOR."""
        return self._masks.of(user_id) & _ADMINISTRATOR != 0

    def visible_feeds(self, user_id: UserId) -> frozenset[FeedId]:
        """The feeds a user may view."""
        of_in = self._masks.of_in
        return frozenset(feed_id for feed_id in tuple(self._state.feeds) if of_in(user_id, "feed", feed_id))

    def readable_feeds(self, user_id: UserId) -> frozenset[FeedId]:
        """The feeds whose messages a user may read."""
        of_in = self._masks.of_in
        return frozenset(
            feed_id for feed_id in tuple(self._state.feeds) if of_in(user_id, "feed", feed_id) & _READ == _READ
        )

    def visible_rooms(self, user_id: UserId) -> frozenset[RoomId]:
        """The rooms a user may view."""
        of_in = self._masks.of_in
        return frozenset(room_id for room_id in tuple(self._state.rooms) if of_in(user_id, "room", room_id))

    @property
    def rules(self) -> Mapping[int, str]:
        """The rules of auto-moderation that are enabled, as JSON by id; another mapping after every change."""
        return self._state.rules

    @property
    def raid(self) -> Raid | None:
        """Raid mode; None where it is off or over."""
        raid = self._state.raid
        return raid if raid is not None and raid.until > self._now_s() else None

    def slow_mode_s(self, feed_id: FeedId) -> int:
        """Seconds that an author waits between two messages of a feed; 0 for not at all."""
        state = self._state
        if state.raid is None:
            return state.slow_modes.get(feed_id, 0) if state.slow_modes else 0
        raid = self.raid
        return max(state.slow_modes.get(feed_id, 0), raid.slow_mode_s if raid is not None else 0)

    def timeout_left_s(self, user_id: UserId) -> int:
        """For how many more seconds a member is timed out; 0 for not at all. Administrators may do everything nevertheless."""
        return self._masks.timeout_left_s(user_id)

    def timeout_of(self, user_id: UserId) -> int:
        """Until when a member is timed out, in Unix seconds; 0 for not at all."""
        return self._state.timeouts.get(user_id, 0) if self.timeout_left_s(user_id) else 0

    def rank(self, user_id: UserId) -> float:
        """The best position among a user's assigned roles, where lower is higher; infinity without any."""
        person = self._state.users.get(user_id)
        if person is None:
            return math.inf
        roles, everyone_id = self._state.roles, self._masks.everyone_id
        positions = [
            roles[role_id].position for role_id in person.role_ids if role_id in roles and role_id != everyone_id
        ]
        return min(positions, default=math.inf)

    def may_act_on(self, actor_id: UserId, target_id: UserId) -> bool:
        """Whether the actor's rank allows to kick, ban or rename the target: a strictly better one, or ADMINISTRATOR."""
        return self.is_administrator(actor_id) or self.rank(actor_id) < self.rank(target_id)

    def may_manage_role(self, actor_id: UserId, position: int) -> bool:
        """Whether rank allows to make, edit, assign or revoke a role at a position: strictly below one's own rank."""
        return self.is_administrator(actor_id) or self.rank(actor_id) < position

    def in_dm(self, user_id: UserId, dm_id: DmId) -> bool:
        """Whether an active user takes part in a DM."""
        person = self._state.users.get(user_id)
        return person is not None and person.is_active and user_id in self._state.dms.get(dm_id, ())

    def sees(self, user_id: UserId, audience: Audience) -> bool:
        """Whether a user belongs to an audience now; the inactive belong to none."""
        person = self._state.users.get(user_id)
        if person is None or not person.is_active:
            return False
        match audience:
            case Everyone():
                return True
            case Readers():
                return self._masks.of_in(user_id, "feed", audience.feed_id) & _READ == _READ
            case Viewers():
                return self._masks.of_in(user_id, audience.kind, audience.id) != 0
            case Participants():
                return user_id in self._state.dms.get(audience.dm_id, ()) or user_id in audience.besides
            case TheseUsers():
                return user_id in audience.ids
            case PermissionHolders():
                return self._masks.held_by(user_id) & audience.permission == audience.permission
            case InviteViewers():
                if user_id == audience.creator_id:
                    return True
                feed_id = audience.feed_id
                return self._masks.held_by(user_id) & P.MANAGE_SERVER.value != 0 and (
                    feed_id is None or self._masks.of_in(user_id, "feed", feed_id) != 0
                )
            case FormerViewers():
                return self._masks.of_among(user_id, audience.overrides) != 0

    def members_seeing(self, audience: Audience) -> list[UserId]:
        """The ids of all users that belong to an audience."""
        return [user_id for user_id in tuple(self._state.users) if self.sees(user_id, audience)]

    def load(self, connection: Connection) -> None:
        """Reads everything from the database in place of what is known; for the start, before anybody asks."""
        self.replace(read_state(connection))

    def replace(self, state: State) -> AccessChange | None:
        """Takes a fresh `read_state`; one that is older than what is known is left aside, and gives None."""
        if state.version < self._state.version:
            return None
        self._state = state
        self._masks = PermissionCache(state, self._now_s)
        self._comings += 1
        self._structure += 1
        return EVERYTHING

    def apply(self, event: Event) -> AccessChange | None:
        """Takes an event of the log.

        Returns:
            Whose view may have changed, None when no view changed. A shift with `must_reload` when an event before this one is missing:
            this one is not taken then, and `replace` must get a fresh `read_state`.
        """
        state = self._state
        if event.version:
            if event.version <= state.version:
                return None
            if event.version > state.version + 1:
                return MISSED
        shift = apply_to(state, event)
        if event.type in _BRINGS_OR_TAKES:
            self._comings += 1
        elif event.type in _STRUCTURE:
            self._structure += 1
        if event.type in _REDEFINES_ROLES:
            self._masks = PermissionCache(state, self._now_s)
        elif shift is not None:
            self._drop(shift)
        if event.version:
            state.version = event.version
        return shift

    def _drop(self, shift: AccessChange) -> None:
        if shift.users:
            self._masks.drop_people()
        for place in shift.spaces:
            if place[0] != "dm":
                self._masks.drop_space(*place)
