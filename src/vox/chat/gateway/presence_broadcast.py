"""Decides which sessions receive whose presence, so that N people who come online never cost N² frames.

Few online: everybody is told of everyone, one by one, as the original does. Many: changes gather, and clients that understand
presence_batch get them in one frame; single frames go only to people who share a DM or a friendship. A gathering is told when it
holds half as many changes as there are clients to tell, so its frames stay below twice the changes; or when its time is up.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from vox.chat.community.presence import PresenceRegistry
from vox.chat.events.ids import UserId
from vox.chat.gateway.limits import GatewayLimits
from vox.chat.gateway.session import Session
from vox.runtime.clock import Clock

ONLINE_PER_WINDOW_SECOND: Final = 100
"""A window lasts a second for every so many people online, within the bounds."""

Tell = Callable[[str, dict[str, Any], Iterable[Session]], None]


class PresenceNews:
    """Decides on presence frames.

    Args:
        board: who is present.
        bounds: individual_presence_max and the windows.
        clock: for the windows.
        tell: sends one event to sessions.
        everyone: the connected sessions.
        of_user: a user's connected sessions.
        related: the users who share a DM or a friendship with one.
    """

    def __init__(
        self,
        board: PresenceRegistry,
        bounds: GatewayLimits,
        clock: Clock,
        *,
        tell: Tell,
        everyone: Callable[[], Iterable[Session]],
        of_user: Callable[[UserId], Iterable[Session]],
        related: Callable[[UserId], Iterable[UserId]],
    ) -> None:
        self._board = board
        self._bounds = bounds
        self._clock = clock
        self._tell = tell
        self._everyone = everyone
        self._of_user = of_user
        self._related = related
        self._gathered: dict[UserId, None] = {}
        self._gathering_since = 0.0
        self._snapshot: bytes | None = None
        self.on_changed: Callable[[UserId, dict[str, Any]], None] | None = None
        """Told of every change, where others than the sessions want to know."""

    @property
    def is_waiting(self) -> bool:
        """Whether gathered changes wait to be sent."""
        return bool(self._gathered)

    @property
    def _is_small(self) -> bool:
        return len(self._board.shown) <= self._bounds.individual_presence_max

    def changed(self, user_id: UserId) -> None:
        """Others see a user differently."""
        if self.on_changed is not None:
            self.on_changed(user_id, self._board.public(user_id))
        if self._is_small:
            self._snapshot = None
            others = [session for session in self._everyone() if session.user_id != user_id]
            if others:
                self._tell("presence_update", self._board.public(user_id), others)
            return
        if not self._gathered:
            self._gathering_since = self._clock.now()
        self._gathered[user_id] = None
        close = [session for other in self._related(user_id) for session in self._of_user(other)]
        if close:
            self._tell("presence_update", self._board.public(user_id), close)

    def sweep(self) -> None:
        """Tells what has gathered, when it is time."""
        if not self._gathered:
            return
        age_s = self._clock.now() - self._gathering_since
        if age_s < self._bounds.presence_window_s:
            return
        receivers = [session for session in self._everyone() if session.wants_batches]
        window_s = min(len(self._board.shown) / ONLINE_PER_WINDOW_SECOND, self._bounds.presence_window_max_s)
        if len(self._gathered) * 2 < len(receivers) and age_s < window_s:
            return
        gathered, self._gathered = self._gathered, {}
        self._snapshot = None
        if receivers:
            self._tell(
                "presence_batch", {"presences": [self._board.public(user_id) for user_id in gathered]}, receivers
            )

    def snapshot(self, session: Session) -> bytes:
        """The `presences` of a ready frame: JSON, encoded once for all where everybody gets the same.

        With many online it shows them as they were at the last presence_batch, so that the next one fits to it.
        """
        if self._is_small or session.wants_batches:
            if session.wants_string_ids:
                return _encode([_with_text_id(one) for one in self._board.everybody()])
            if self._snapshot is None:
                self._snapshot = _encode(list(self._board.everybody()))
            return self._snapshot
        close = [self._board.public(other) for other in self._related(session.user_id) if other in self._board.shown]
        return _encode([_with_text_id(one) for one in close] if session.wants_string_ids else close)

    def welcome(self, session: Session) -> None:
        """Tells a new session of those who are there, one by one, as the original does: few online, and no batches."""
        if not self._is_small or session.wants_batches:
            return
        for user_id in tuple(self._board.shown):
            if user_id != session.user_id:
                self._tell("presence_update", self._board.public(user_id), (session,))

    def catch_up(self, session: Session, since: float) -> None:
        """Tells a resumed session of what has changed while it was away."""
        changed = [user_id for user_id in self._board.changed_since(since) if user_id != session.user_id]
        if not self._is_small and not session.wants_batches:
            related = set(self._related(session.user_id))
            changed = [user_id for user_id in changed if user_id in related]
        if not changed:
            return
        if session.wants_batches:
            presences = [self._board.public(user_id) for user_id in changed]
            self._tell("presence_batch", {"presences": presences}, (session,))
            return
        for user_id in changed:
            self._tell("presence_update", self._board.public(user_id), (session,))


_encode = msgspec.json.Encoder().encode


def _with_text_id(presence: dict[str, Any]) -> dict[str, Any]:
    return {**presence, "user_id": str(presence["user_id"])}
