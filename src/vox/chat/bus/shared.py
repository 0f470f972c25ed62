"""What a bus between processes can do beyond `Bus`: be held up, say that something was lost, and hand sessions over.

A process whose memory of the community has a gap must deliver nothing until the gap is closed, and a process that missed
entries must not pretend that it did not.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from vox.chat.bus.contract import Bus, Entry

Lost = Callable[[], None]
"""Entries are lost: what this process knows may be old, and its sessions must begin anew."""
Moved = Callable[[str], tuple[bytes, float] | None]
"""Another process takes a session: this one lets go of it, and gives what it knew (with its seconds to live), if it served it."""


@runtime_checkable
class SharedBus(Bus, Protocol):
    """A bus that several processes share."""

    @property
    def is_interrupted(self) -> bool:
        """Whether events of other processes have been missing for longer than a moment."""
        ...

    def on_lost(self, lost: Lost) -> None:
        """Names who is told when entries were lost; also once at the start, after the bus has begun to listen."""
        ...

    def on_moved(self, moved: Moved) -> None:
        """Names who lets go of sessions that other processes take."""
        ...

    def hold(self, entries: Sequence[Entry]) -> None:
        """Gives no more entries to the subscriber, who gives back those that it has not taken; position goes back with them."""
        ...

    def go_on(self) -> None:
        """Ends `hold`: everything held is given to the subscriber, before this returns, unless it holds again."""
        ...

    async def checkpoint_session(self, session_id: str, blob: bytes, ttl_s: float) -> bool:
        """Keeps a connected session, in case this process dies; False when another process has taken it."""
        ...
