"""What the rows of a community say about who sees and may do what: the reference for its memory, with no code of the product."""

from typing import Any

from sqlalchemy import Connection, text

from vox.chat.events.audience import (
    Audience,
    Everyone,
    FormerViewers,
    InviteViewers,
    Participants,
    PermissionHolders,
    Readers,
    Users,
    Viewers,
)
from vox.chat.events.permissions import ALL

_VIEW, _READ, _ADMIN = 1, 32, 1 << 62
_MANAGES_SERVER = 1 << 28
_LOOKING = _VIEW | _READ | 1 << 34 | 1 << 36


class Rows:
    """What the rows say, asked one by one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def sees(self, user_id: int, audience: Audience) -> bool:
        if not self._is_active(user_id):
            return False
        match audience:
            case Everyone():
                return True
            case Viewers():
                return self.mask_in(user_id, audience.kind, audience.id) & _VIEW != 0
            case Readers():
                mask = self.mask_in(user_id, "feed", audience.feed_id)
                return mask & _VIEW != 0 and mask & _READ != 0
            case Participants():
                query = "SELECT 1 FROM dm_participants WHERE dm_id = :dm AND user_id = :user"
                return bool(self._all(query, dm=audience.dm_id, user=user_id)) or user_id in audience.besides
            case Users():
                return user_id in audience.ids
            case PermissionHolders():
                return self.mask(user_id) & audience.permission == audience.permission
            case InviteViewers():
                is_manager = self.mask(user_id) & _MANAGES_SERVER != 0
                sees_feed = audience.feed_id is None or self.mask_in(user_id, "feed", audience.feed_id) & _VIEW != 0
                return user_id == audience.creator_id or (is_manager and sees_feed)
            case FormerViewers():
                raise AssertionError("asked where the space goes")

    def mask(self, user_id: int) -> int:
        if not self._is_active(user_id):
            return 0
        mask = 0
        for (permissions,) in self._all(
            "SELECT permissions FROM roles WHERE position = 0 AND name = '@everyone' ORDER BY id LIMIT 1"
        ):
            mask = permissions
        for (permissions,) in self._all(
            "SELECT permissions FROM roles JOIN role_members ON role_id = id WHERE user_id = :user AND position <> 0",
            user=user_id,
        ):
            mask |= permissions
        return ALL if mask & _ADMIN else mask

    def left(self, user_id: int, mask: int) -> int:
        """What somebody may do of what they hold: a time-out leaves looking."""
        is_limited = self._all("SELECT 1 FROM timeouts WHERE user_id = :user", user=user_id) and not mask & _ADMIN
        return mask & _LOOKING if is_limited else mask

    def mask_in(self, user_id: int, kind: str, space_id: int) -> int:
        mask = self.mask(user_id)
        if not self._is_active(user_id) or not self._all(f"SELECT 1 FROM {kind}s WHERE id = :id", id=space_id):  # noqa: S608  one of two words
            return 0
        if mask & _ADMIN:
            return ALL
        where = "space_type = :kind AND space_id = :space AND target_type = :type AND target_id IN ({ids})"
        everyone = "SELECT id FROM roles WHERE position = 0 AND name = '@everyone' ORDER BY id LIMIT 1"
        assigned = "SELECT id FROM roles JOIN role_members ON role_id = id WHERE user_id = :user AND position <> 0"
        for type_, ids in (("role", everyone), ("role", assigned), ("user", ":user")):
            query = f"SELECT allow, deny FROM permission_overrides WHERE {where.format(ids=ids)}"  # noqa: S608  constants
            given = {"user": user_id} if ":user" in ids else {}
            rows = self._all(query, kind=kind, space=space_id, type=type_, **given)
            for _allow, deny in rows:
                mask &= ~deny
            for allow, _deny in rows:
                mask |= allow
        if mask & _ADMIN:
            return ALL
        return mask if mask & _VIEW else 0

    def _is_active(self, user_id: int) -> bool:
        return bool(self._all("SELECT 1 FROM users WHERE id = :id AND active", id=user_id))

    def _all(self, query: str, **values: Any) -> list[Any]:
        return list(self._connection.execute(text(query), values))
