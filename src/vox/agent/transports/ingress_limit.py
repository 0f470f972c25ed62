"""How much clients may send: enough for any microphone, too little to keep a server busy.

Everything that arrives costs seconds of a call: its bytes, the audio in it by how long it plays, and more for what may begin
a turn, because a model is asked and a voice made. A connection earns a second per second, so a call that sends in real
time never runs out, whatever others at its address do. Bursts come out of a reserve that all connections of one network
share: connecting again renews nothing. A connection that overdraws both is closed, because audio that comes faster than
anyone speaks is no call, and the frames of all other calls wait while it is read.
"""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from vox.runtime.clock import Clock

BYTES_PER_S: Final = 1 << 19
"""48 kHz stereo as base64 needs half of it."""
MESSAGE_BYTES: Final = 128
"""What a message costs beside its length."""
AUDIO_PER_S: Final = 4.0
"""Seconds of audio that cost one second: a client may catch up after a stall, not play a library."""
OPEN_S: Final = 0.05
"""For the beginning of a call."""
EVENT_S: Final = 0.125
"""For a text, a key, a mark: eight a second."""
BURST_S: Final = 8.0
"""What a network has in reserve, and a connection without one: 32 s of audio, or 64 texts."""
CONNECTION_S: Final = 4.0
"""What a connection saves up by itself: the audio that a network stall of 8 s held back."""
RESERVE_PER_CALL: Final = 0.25
"""Seconds that each call adds to its network's reserve: the address of a carrier brings hundreds."""
REFILL_PER_CALL: Final = 0.5
"""Seconds that each call adds to the reserve's refill, which is one a second without calls."""
MAX_IDLE_NETWORKS: Final = 10_000
"""Networks without a connection whose reserve is remembered; the one that was idle longest is forgotten first."""


class NetworkReserve:
    """What the connections of one network may overdraw together."""

    __slots__ = ("_at", "_left", "_reserves", "calls")

    def __init__(self, reserves: "NetworkReserves", now: float) -> None:
        self.calls = 0
        self._reserves = reserves
        self._left = BURST_S
        self._at = now

    def lend(self, seconds: float, now: float) -> bool:
        """Gives what is asked for, or nothing."""
        self._refill(now)
        if seconds > self._left:
            self._reserves.refusals += 1
            return False
        self._left -= seconds
        return True

    def is_full(self, now: float) -> bool:
        """Whether nothing would be lost if this reserve were forgotten."""
        self._refill(now)
        return self._left >= BURST_S

    def _refill(self, now: float) -> None:
        earned = (now - self._at) * (1 + self.calls * REFILL_PER_CALL)
        self._left = min(self._left + earned, BURST_S + self.calls * RESERVE_PER_CALL)
        self._at = now


class IngressBudget:
    """One connection's budget, refilled as time passes; `now` in seconds of any clock.

    Without a network's reserve it begins with `BURST_S`; with one it begins empty and borrows.
    """

    __slots__ = ("_at", "_byte_s", "_left", "_most", "_reserve")

    def __init__(self, now: float, reserve: NetworkReserve | None = None) -> None:
        self._reserve = reserve
        self._most = BURST_S if reserve is None else CONNECTION_S
        self._left = BURST_S if reserve is None else 0.0
        self._at = now
        self._byte_s = 1 / BYTES_PER_S

    def expect_audio(self, bytes_per_s: int) -> None:
        """From now on every message costs as if it were audio of so many bytes a second: it is paid before it is read."""
        self._byte_s = 1 / BYTES_PER_S + 1 / (bytes_per_s * AUDIO_PER_S)

    def take_message(self, size: int, now: float) -> bool:
        """Whether a message of so many bytes (or characters) is still within the budget."""
        return self.take(MESSAGE_BYTES / BYTES_PER_S + size * self._byte_s, now)

    def take(self, seconds: float, now: float) -> bool:
        """Whether so many seconds are still within the budget."""
        left = min(self._left + now - self._at, self._most) - seconds
        self._at = now
        if left < 0 and self._reserve is not None and self._reserve.lend(-left, now):
            left = 0.0
        self._left = left
        return left >= 0


class NetworkReserves:
    """The reserves of all networks that have connections, or had some lately.

    Args:
        clock: for what is earned as time passes.
        max_idle: networks without a connection that are remembered.

    Attributes:
        refusals: how often a reserve was empty.
    """

    def __init__(self, clock: Clock, max_idle: int = MAX_IDLE_NETWORKS) -> None:
        self.refusals = 0
        self._clock = clock
        self._max_idle = max_idle
        self._active: dict[str, NetworkReserve] = {}
        self._idle: OrderedDict[str, NetworkReserve] = OrderedDict()

    @contextmanager
    def connection(self, network: str) -> Generator[IngressBudget]:
        """The budget of one connection from this network, for as long as the block runs; of its own where it has no name."""
        now = self._clock.now()
        if not network:
            yield IngressBudget(now)
            return
        reserve = self._active.get(network) or self._idle.pop(network, None) or NetworkReserve(self, now)
        self._active[network] = reserve
        reserve.calls += 1
        try:
            yield IngressBudget(now, reserve)
        finally:
            reserve.calls -= 1
            if not reserve.calls:
                self._idle[network] = self._active.pop(network)
                self._forget()

    def _forget(self) -> None:
        now = self._clock.now()
        while self._idle:
            network, reserve = next(iter(self._idle.items()))
            if len(self._idle) <= self._max_idle and not reserve.is_full(now):
                return
            del self._idle[network]
