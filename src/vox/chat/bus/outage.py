"""What a process does with its own events while Redis is away: after a moment they go to its own sessions at once.

Other processes hear of them when Redis is back, and only then have they a place in the log. A session that was given an event
before that cannot be placed in the log, so it begins anew when the outage is over (`ended` says so).
"""

import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from vox.chat.events import Event
from vox.runtime.clock import Clock

EARLY_AFTER_S: Final = 2.0
"""A shorter interruption only delays events: no session has to begin anew for it."""


class Outage:
    """Whether Redis is away, since when, and which own events were not given to anyone yet.

    Args:
        clock: monotonic time.
        most: events that are kept; beyond it the oldest are dropped, and reach clients when they begin anew.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: deque[Event] = deque(maxlen=most)
        self._since: float | None = None
        self._has_given = False

    @property
    def is_long(self) -> bool:
        """Whether it has lasted long enough that clients are told, and own events are given early."""
        since = self._since
        return since is not None and self._clock.now() - since >= EARLY_AFTER_S

    def begin(self, unsent: Iterable[Event]) -> None:
        """Redis is away; does nothing while it is known to be.

        Args:
            unsent: what waited already, oldest first.
        """
        with self._lock:
            if self._since is None:
                self._since = self._clock.now()
                self._pending.extend(unsent)

    def add(self, events: Iterable[Event]) -> None:
        """More own events, not yet given to any session; while Redis is there none are kept."""
        with self._lock:
            if self._since is not None:
                self._pending.extend(events)

    def take(self) -> list[Event]:
        """The events to give now, in order; empty until the outage is long."""
        if not self.is_long:
            return []
        with self._lock:
            events = list(self._pending)
            self._pending.clear()
            self._has_given = self._has_given or bool(events)
        return events

    def ended(self) -> bool:
        """Redis is back. Whether sessions were given what has no place in the log."""
        with self._lock:
            has_given, self._has_given = self._has_given, False
            self._since = None
            self._pending.clear()
        return has_given
