"""The media engine that all native peers of this process share, and the way of its events to them.

The engine is the Rust extension `vox_native`: its threads hold the sockets, and one UDP port each carries all calls. An
engine is opened for the first peer of a way to the network and lives as long as the process.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, Protocol, cast

from vox.errors import DependencyError
from vox.media.webrtc.addresses import reachable_at
from vox.media.webrtc.contract import PeerOptions

MAX_THREADS: Final = 4
"""A thread carries hundreds of calls, and each takes a port."""

_OF_PEERS: Final = frozenset({"connected", "disconnected", "closed", "channel", "data"})

Event = tuple[Any, ...]


class MediaEngine(Protocol):
    """What a call needs of `vox_native.Engine`; its stub says what each method does."""

    def udp_ports(self) -> list[int]:
        """The port of each thread."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable while events wait."""
        ...

    def events(self) -> list[Event]:
        """The events that wait; the first item of each is its kind."""
        ...

    def open_room(self, room: int) -> None:
        """Opens a room for one call."""
        ...

    def close_room(self, room: int) -> None:
        """Closes a room with all that is in it."""
        ...

    def open_peer(self, room: int, peer: int, role: str) -> None:
        """Opens a connection."""
        ...

    def close_peer(self, peer: int) -> None:
        """Ends a connection."""
        ...

    def accept_offer(self, peer: int, sdp: str) -> dict[str, Any]:
        """The answer, as `sdp`; waits for the media thread."""
        ...

    def peer_stats(self, peer: int) -> tuple[int, int]:
        """RTP payload received and sent, in bytes."""
        ...

    def add_candidate(self, peer: int, candidate: str) -> None:
        """Takes an address of the other side."""
        ...

    def publish(self, peer: int, mid: str, track: int, kind: str) -> None:
        """Makes a section of a connection a source."""
        ...

    def subscribe(self, peer: int, track: int, stream_id: str, track_id: str) -> None:
        """Sends a track to a connection, from its next answer on."""
        ...

    def send_data(self, peers: Sequence[int], label: str, payload: bytes, binary: bool = True) -> list[int]:
        """Sends a message; the connections that did not take it."""
        ...

    def open_voice(self, room: int, track: int) -> None:
        """Opens a source of our own."""
        ...

    def voice_write(self, track: int, pcm: bytes, rate: int) -> int:
        """Queues s16le mono; the milliseconds that now wait."""
        ...

    def voice_flush(self, track: int) -> int:
        """Drops what waits; its milliseconds."""
        ...

    def open_tap(self, tap: int, track: int, *, rate: int) -> None:
        """Listens to a track."""
        ...

    def tap_read(self, tap: int) -> bytes:
        """s16le of the frames since the last call."""
        ...


class EventFeed:
    """One engine, and who is told what happens in it.

    Args:
        engine: whose events.
    """

    def __init__(self, engine: MediaEngine) -> None:
        self.engine = engine
        self._handles = itertools.count(1)
        self._peers: dict[int, Callable[[Event], None]] = {}
        self._taps: dict[int, Callable[[], None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle(self) -> int:
        """A number that nothing else in this engine has."""
        return next(self._handles)

    def follow(self, peer: int, tap: int, *, on_event: Callable[[Event], None], on_audio: Callable[[], None]) -> None:
        """Tells the events of a peer, and that its tap has audio, on the running event loop until `forget`."""
        self._peers[peer] = on_event
        self._taps[tap] = on_audio
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._stop_reading()
            loop.add_reader(self.engine.fileno(), self._drain)
            self._loop = loop

    def forget(self, peer: int, tap: int) -> None:
        """Tells nothing more of them."""
        self._peers.pop(peer, None)
        self._taps.pop(tap, None)
        if not self._peers:
            self._stop_reading()

    def _stop_reading(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self.engine.fileno())
        self._loop = None

    def _drain(self) -> None:
        for event in self.engine.events():
            if event[0] == "taps":
                for tap in event[1]:
                    if (on_audio := self._taps.get(tap)) is not None:
                        on_audio()
            elif (on_event := self._peers.get(event[1])) is not None and event[0] in _OF_PEERS:
                on_event(event)


_feeds: dict[tuple[tuple[str, ...], range | None, str, bool], EventFeed] = {}


def feed_of(options: PeerOptions) -> EventFeed:
    """The engine for this way to the network, opened at the first call.

    Raises:
        DependencyError: `media_unavailable`, where no port is free.
    """
    key = (options.addresses, options.ports, options.public_address, options.is_loopback)
    if key not in _feeds:
        _feeds[key] = EventFeed(_open(options))
    return _feeds[key]


def _open(options: PeerOptions) -> MediaEngine:
    host, addresses = reachable_at(options)
    threads = max(1, min((os.cpu_count() or 1) - 1, MAX_THREADS))
    make = cast("Callable[..., MediaEngine]", import_module("vox_native").Engine)
    for port in options.ports or (0,):
        if options.ports is not None and port + threads - 1 not in options.ports:
            break
        with suppress(OSError):
            return make(host=host, udp_port=port, threads=threads, public_addresses=addresses)
    raise DependencyError(
        "no UDP port is free for WebRTC connections",
        code="media_unavailable",
        hint="widen webrtc_udp_ports",
        retryable=True,
    )
