"""Bounds what a client's data channel may make this process keep and do.

aiortc takes fragments of messages whose end never comes, and packets behind one that never comes, without a limit, and searches all
of them at each further packet. So a connected client could take the memory, or the event loop of all calls.
"""

from collections.abc import Callable
from typing import Any, Final

MAX_CHUNKS: Final = 1024
"""Fragments that wait for others, and packets that wait for one before them: a message of 64 kB has 55."""
MAX_STREAMS: Final = 64


class ChannelBound:
    """Stands before an SCTP association and drops it once it exceeds a bound.

    Args:
        sctp: aiortc's association, which has not begun.
        on_exceeded: called once.
    """

    def __init__(self, sctp: Any, on_exceeded: Callable[[], None]) -> None:
        self._sctp = sctp
        self._on_exceeded = on_exceeded
        self._is_dropped = False
        self._handle = sctp._handle_data  # noqa: SLF001  what DTLS hands packets to; aiortc has no way to change it
        sctp._handle_data = self._take  # noqa: SLF001

    async def _take(self, data: bytes) -> None:
        if self._is_dropped:
            return
        try:
            await self._handle(data)
            is_in_bounds = self._is_in_bounds()
        except AssertionError:  # aiortc's answer to chunks that must not come together
            is_in_bounds = False
        if not is_in_bounds:
            self._is_dropped = True
            self._on_exceeded()

    def _is_in_bounds(self) -> bool:
        sctp = self._sctp
        streams: dict[int, Any] = sctp._inbound_streams  # noqa: SLF001
        if len(streams) > MAX_STREAMS or len(sctp._sack_misordered) > MAX_CHUNKS:  # noqa: SLF001
            return False
        is_window_kept = sctp._advertised_rwnd >= 0  # noqa: SLF001
        return is_window_kept and sum(len(stream.reassembly) for stream in streams.values()) <= MAX_CHUNKS
