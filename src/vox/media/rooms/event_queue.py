"""The events of one room's member on their way to the one reader: bounded, in order, the end always last."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from vox.media.rooms.contract import MAX_EVENTS
from vox.protocols.relay_voices import Heard, Removed, RoomEvent


class EventQueue:
    """Holds events until they are read. All methods belong to the event loop's thread.

    Args:
        max_events: beyond it the oldest audio goes; without any audio among them the reader is too slow, and is removed.
    """

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._events: deque[RoomEvent] = deque()
        self._max = max_events
        self._has_more = asyncio.Event()
        self._audio = 0
        self.is_over = False
        self.dropped = 0

    def put(self, event: RoomEvent) -> bool:
        """Adds an event; False where the queue is over, also by this one, because the reader does not keep up."""
        if self.is_over:
            return False
        self._has_more.set()
        if isinstance(event, Removed):
            self.is_over = True
            self._events.append(event)
            return True
        if len(self._events) >= self._max and not self._drop_audio():
            self._events.clear()
            self._events.append(Removed("too_slow"))
            self.is_over = True
            return False
        self._audio += isinstance(event, Heard)
        self._events.append(event)
        return True

    async def events(self) -> AsyncIterator[RoomEvent]:
        """All of them for one reader, to `Removed`."""
        while True:
            while self._events:
                event = self._events.popleft()
                self._audio -= isinstance(event, Heard)
                yield event
                if isinstance(event, Removed):
                    return
            self._has_more.clear()
            await self._has_more.wait()

    def _drop_audio(self) -> bool:
        if not self._audio:
            return False
        oldest = next(index for index, event in enumerate(self._events) if isinstance(event, Heard))
        del self._events[oldest]
        self._audio -= 1
        self.dropped += 1
        return True
