"""Permission masks of everybody everywhere, worked out once and remembered.

Most people share their roles with many others and have no override of their own, so a mask in a space is computed once for each
set of roles and then only looked up; one for each user would be the members times the spaces. Before changing: other threads read
while the event loop invalidates. A reader that computes a mask takes hold of the dictionary that will hold it *before* it looks at
the state; invalidating changes the state first and then puts *another* dictionary in its place. So an outdated mask can only land
in a dictionary that is not read any more.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from vox.chat.community.state import Person, Space, State, Target
from vox.chat.events.audience import SpaceKind, SpaceOverride
from vox.chat.events.ids import RoleId, SpaceId, UserId
from vox.chat.events.permissions import NO_OVERRIDE, AllowDeny, P, base, resolve

_LEFT_IN_TIMEOUT: Final = int(P.VIEW_SPACE | P.READ_HISTORY | P.VIEW_AUDIT_LOG | P.VIEW_REPORTS)
"""What a member who is timed out may still do: look."""
_ADMINISTRATOR: Final = int(P.ADMINISTRATOR)


def never() -> int:
    """The time where there is no clock: every time-out lasts."""
    return 0


class PermissionCache:
    """The masks of one generation of roles; a change of a role makes a new one.

    Args:
        state: read on every question that was not asked before.
        now_s: the present time in Unix seconds, for time-outs.
    """

    __slots__ = (
        "_bases",
        "_by_user",
        "_counting",
        "_everyone",
        "_everyone_id",
        "_feeds",
        "_now_s",
        "_rooms",
        "_state",
        "_timeouts",
    )

    def __init__(self, state: State, now_s: Callable[[], int] = never) -> None:
        everyone = state.everyone_role()
        self._state = state
        self._timeouts = state.timeouts
        self._now_s = now_s
        self._everyone_id = everyone.id if everyone is not None else None
        self._everyone = everyone.permissions if everyone is not None else 0
        self._counting = {role.id: role.permissions for role in state.roles.values() if role.position != 0}
        self._bases: dict[frozenset[RoleId], int] = {}
        self._by_user: dict[UserId, int] = {}
        self._feeds: dict[int, _Space] = {}
        self._rooms: dict[int, _Space] = {}

    @property
    def everyone_id(self) -> RoleId | None:
        """The role everybody has."""
        return self._everyone_id

    def of(self, user_id: UserId) -> int:
        """The mask of a user outside of any space; 0 for strangers and the inactive."""
        mask = self._by_user.get(user_id)
        if mask is None:
            mask = self.held_by(user_id)
        return self._limited(user_id, mask) if self._timeouts else mask

    def held_by(self, user_id: UserId) -> int:
        """The same as if the user were not timed out: what they are told of does not depend on that."""
        by_user = self._by_user
        mask = by_user.get(user_id)
        if mask is None:
            person = self._state.users.get(user_id)
            if person is None or not person.is_active:
                return 0
            mask = by_user[user_id] = self._base(person.role_ids)
        return mask

    def of_in(self, user_id: UserId, kind: SpaceKind, space_id: SpaceId) -> int:
        """The mask of a user in a space; 0 also where there is no such space."""
        spaces = self._feeds if kind == "feed" else self._rooms
        space = spaces.get(space_id)
        if space is None:
            known = self._state.feeds if kind == "feed" else self._state.rooms
            if space_id not in known:
                return 0
            space = spaces[space_id] = _Space(
                self._state.overrides.get(cast("Space", (kind, space_id)), {}), self._everyone_id
            )
        person = self._state.users.get(user_id)
        if person is None or not person.is_active:
            return 0
        mask = self._in(space, person)
        return self._limited(user_id, mask) if self._timeouts else mask

    def timeout_left_s(self, user_id: UserId) -> int:
        """For how many more seconds a user is timed out; 0 for not at all."""
        until = self._timeouts.get(user_id, 0)
        return max(0, until - self._now_s()) if until else 0

    def of_among(self, user_id: UserId, overrides: Iterable[SpaceOverride]) -> int:
        """The mask of a user in a space that had these overrides; nothing is remembered."""
        person = self._state.users.get(user_id)
        if person is None or not person.is_active:
            return 0
        masks: dict[Target, AllowDeny] = {}
        for override in overrides:
            target = cast("Target", (override.target_type, override.target_id))
            masks[target] = AllowDeny(override.allow, override.deny)
        return self._in(_Space(masks, self._everyone_id), person)

    def drop_people(self) -> None:
        """Forgets the masks of single users; call it after a user's roles or membership changed."""
        self._by_user = {}

    def drop_space(self, kind: SpaceKind, space_id: SpaceId) -> None:
        """Forgets a space; call it after its overrides changed or it came or went."""
        if kind == "feed":
            self._feeds = {key: space for key, space in tuple(self._feeds.items()) if key != space_id}
        else:
            self._rooms = {key: space for key, space in tuple(self._rooms.items()) if key != space_id}

    def _limited(self, user_id: UserId, mask: int) -> int:
        if mask & _ADMINISTRATOR or not self.timeout_left_s(user_id):
            return mask
        return mask & _LEFT_IN_TIMEOUT

    def _base(self, role_ids: frozenset[RoleId]) -> int:
        mask = self._bases.get(role_ids)
        if mask is None:
            counting = self._counting
            mask = base(self._everyone, [counting[role_id] for role_id in role_ids if role_id in counting])
            self._bases[role_ids] = mask
        return mask

    def _in(self, space: "_Space", person: Person) -> int:
        own = space.own.get(person.id)
        if own is None:
            mask = space.by_roles.get(person.role_ids)
            if mask is None:
                mask = space.by_roles[person.role_ids] = self._resolve(space, person.role_ids, NO_OVERRIDE)
            return mask
        return self._resolve(space, person.role_ids, own)

    def _resolve(self, space: "_Space", role_ids: frozenset[RoleId], own: AllowDeny) -> int:
        counting, roles = self._counting, space.roles
        applicable = [roles[role_id] for role_id in role_ids if role_id in roles and role_id in counting]
        return resolve(self._base(role_ids), space.everyone, applicable, own)


class _Space:
    """One feed's or room's overrides by target, and the masks computed from them so far."""

    __slots__ = ("by_roles", "everyone", "own", "roles")

    def __init__(self, overrides: Mapping[Target, AllowDeny], everyone_id: RoleId | None) -> None:
        self.roles = {target[1]: masks for target, masks in overrides.items() if target[0] == "role"}
        self.own = {target[1]: masks for target, masks in overrides.items() if target[0] == "user"}
        self.everyone = NO_OVERRIDE if everyone_id is None else self.roles.pop(everyone_id, NO_OVERRIDE)
        self.by_roles: dict[frozenset[RoleId], int] = {}
