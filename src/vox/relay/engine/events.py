"""Brings the engine's events onto the event loop, in batches, as its descriptor becomes readable."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from vox.relay.engine.contract import Event, MediaEngine
from vox.runtime.logging import get_logger

BATCHES_AT_ONCE: Final = 4
"""Of 4,096 events; then everything else on the loop has its turn."""

_log = get_logger(__name__)


@contextmanager
def events_taken(engine: MediaEngine, take: Callable[[Event], None]) -> Generator[None]:
    """Hands every event of the engine to `take`, in order, while the block runs.

    An event that cannot be processed is logged, and the next ones are taken all the same.
    """
    loop = asyncio.get_running_loop()
    descriptor = engine.fileno()

    def read() -> None:
        for _ in range(BATCHES_AT_ONCE):
            events = engine.events()
            for event in events:
                try:
                    take(event)
                except Exception:  # noqa: BLE001  the top of the loop's callback: one bad event must not stop the next
                    _log.exception("an event of the media engine was not processed", kind=str(event[0]))
            if not events:
                return

    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
