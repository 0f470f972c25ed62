"""What all rooms of a relay share: the engine, the clock, bounds, fresh handles and ids, and who listens to events."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

from vox.relay.engine.contract import MediaEngine
from vox.relay.rooms.events import RoomEvent
from vox.relay.rooms.limits import RoomLimits
from vox.runtime.clock import Clock


@dataclass(slots=True)
class RoomContext:
    """Shared by all rooms.

    Args:
        engine: moves the media.
        clock: for deadlines and records.
        limits: bounds.
        new_id: makes an id from a prefix such as `PA`.
        later: runs work after so many seconds, on the event loop.
        soon: runs work after the present message or event, on the event loop.
        refused: counts what was refused, by error code.
    """

    engine: MediaEngine
    clock: Clock
    limits: RoomLimits
    new_id: Callable[[str], str]
    soon: Callable[[Callable[[], None]], object]
    refused: Callable[[str], None]
    later: Callable[[float, Callable[[], None]], object]
    observers: list[Callable[[RoomEvent], None]] = field(default_factory=list[Callable[[RoomEvent], None]])
    handles: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def handle(self) -> int:
        """A handle that no room, peer, track or tap of this process has had."""
        return next(self.handles)

    def emit(self, event: RoomEvent) -> None:
        """Hands an event to all who observe."""
        for observer in self.observers:
            observer(event)


def if_known() -> AbstractContextManager[None]:
    """Around a call of the engine whose handle may be gone by now, which is then no error."""
    return suppress(ValueError)
