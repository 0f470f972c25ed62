"""Who is present, and how others see it: records of this process and of the others, and until when a user whose last connection ended is still shown.

Pure: times come in. The one thing to know: `shown` holds only what others may see; an invisible user is not in it, so that no
snapshot, frame or count can tell them from a user who is offline.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from vox.chat.events.ids import UserId

OFFLINE = "offline"
OFFLINE_AFTER_S: Final = 5.0
"""How long a user whose last connection ended is still shown as before."""


class PresenceRecord(msgspec.Struct, frozen=True):
    """How a user is present; the latest of all processes counts.

    Args:
        status: online, idle, dnd or invisible.
        custom_status: what the user says about themselves.
        activity: what the user does.
        at_ms: when the user said so, Unix milliseconds.
    """

    status: str
    custom_status: Any = None
    activity: dict[str, Any] | None = None
    at_ms: int = 0


class PresenceRegistry:
    """The presence of all users.

    Args:
        offline_after_s: see OFFLINE_AFTER_S.
        forgotten_after_s: how long it is remembered that a user went offline.
    """

    def __init__(self, *, offline_after_s: float = OFFLINE_AFTER_S, forgotten_after_s: float = 600.0) -> None:
        self.shown: dict[UserId, PresenceRecord] = {}
        self._offline_after_s = offline_after_s
        self._forgotten_after_s = forgotten_after_s
        self._own: dict[UserId, PresenceRecord] = {}
        self._sessions: dict[UserId, int] = {}
        self._leaving: dict[UserId, float] = {}
        self._others: dict[UserId, dict[str, PresenceRecord]] = {}
        self._changed_at: dict[UserId, float] = {}

    @property
    def has_deadlines(self) -> bool:
        """Whether a user is about to go offline."""
        return bool(self._leaving)

    def own(self, user_id: UserId) -> PresenceRecord | None:
        """The record of this process; None for who is not connected here."""
        return self._own.get(user_id)

    def arrive(self, user_id: UserId, now: float, at_ms: int) -> bool:
        """A session is connected; whether others see a difference."""
        self._sessions[user_id] = self._sessions.get(user_id, 0) + 1
        self._leaving.pop(user_id, None)
        if user_id not in self._own:
            self._own[user_id] = self._best(user_id) or PresenceRecord("online", at_ms=at_ms)
        return self._refresh(user_id, now)

    def leave(self, user_id: UserId, now: float, *, is_final: bool = False) -> bool:
        """A session has lost its connection; whether others see a difference at once.

        Args:
            user_id: whose.
            now: monotonic seconds.
            is_final: whether the client closed it, so that nothing is waited for.
        """
        left = self._sessions.get(user_id, 0) - 1
        if left > 0:
            self._sessions[user_id] = left
            return False
        self._sessions.pop(user_id, None)
        if self._offline_after_s > 0 and not is_final:
            self._leaving[user_id] = now + self._offline_after_s
            return False
        self._leaving.pop(user_id, None)
        self._own.pop(user_id, None)
        return self._refresh(user_id, now)

    def say(self, user_id: UserId, record: PresenceRecord, now: float) -> bool:
        """Sets a user's own record; whether others see a difference."""
        self._own[user_id] = record
        return self._refresh(user_id, now)

    def heard(self, user_id: UserId, process: str, record: PresenceRecord | None, now: float) -> bool:
        """Another process says how a user is present there; None: not any more."""
        others = self._others.setdefault(user_id, {})
        if record is None:
            others.pop(process, None)
        else:
            others[process] = record
        if not others:
            del self._others[user_id]
        return self._refresh(user_id, now)

    def due(self, now: float) -> list[UserId]:
        """Users whose last connection here ended long enough ago; those others now see differently come out of `gone`."""
        over = [user_id for user_id, until in self._leaving.items() if until <= now]
        for user_id in over:
            del self._leaving[user_id]
            self._own.pop(user_id, None)
        if self._changed_at and len(self._changed_at) > 2 * len(self.shown):
            oldest = now - self._forgotten_after_s
            self._changed_at = {
                user_id: at for user_id, at in self._changed_at.items() if at >= oldest or user_id in self.shown
            }
        return over

    def gone(self, user_id: UserId, now: float) -> bool:
        """Whether others see a difference after `due` has named a user."""
        return self._refresh(user_id, now)

    def public(self, user_id: UserId) -> dict[str, Any]:
        """The `d` of a presence_update for others."""
        record = self.shown.get(user_id)
        return {"user_id": user_id, "status": OFFLINE} if record is None else described(user_id, record)

    def everybody(self) -> Iterator[dict[str, Any]]:
        """All who are shown."""
        return (described(user_id, record) for user_id, record in self.shown.items())

    def changed_since(self, then: float) -> list[UserId]:
        """The users that others see differently since then."""
        return [user_id for user_id, at in self._changed_at.items() if at >= then]

    def _refresh(self, user_id: UserId, now: float) -> bool:
        before = self.shown.get(user_id)
        record = self._best(user_id)
        if record is None or record.status == "invisible":
            self.shown.pop(user_id, None)
            if before is None:
                return False
        else:
            self.shown[user_id] = record
            if before is not None and _look(before) == _look(record):
                return False
        self._changed_at[user_id] = now
        return True

    def _best(self, user_id: UserId) -> PresenceRecord | None:
        own = self._own.get(user_id)
        records = [*self._others.get(user_id, _NO_RECORDS).values(), *([own] if own is not None else ())]
        return max(records, key=lambda record: record.at_ms, default=None)


def described(user_id: UserId, record: PresenceRecord) -> dict[str, Any]:
    """A record as the `d` of a presence_update."""
    said: dict[str, Any] = {"user_id": user_id, "status": record.status}
    if record.custom_status is not None:
        said["custom_status"] = record.custom_status
    if record.activity is not None:
        said["activity"] = record.activity
    return said


def encode_record(record: PresenceRecord) -> bytes:
    """The form for the bus."""
    return msgspec.msgpack.encode(record)


def decode_record(data: bytes) -> PresenceRecord:
    """The inverse of `encode_record`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.msgpack.decode(data, type=PresenceRecord)


_NO_RECORDS: Mapping[str, PresenceRecord] = {}


def _look(record: PresenceRecord) -> tuple[object, ...]:
    return record.status, record.custom_status, record.activity
