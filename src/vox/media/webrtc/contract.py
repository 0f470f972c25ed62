"""What a call needs of a WebRTC connection, whatever library carries it.

A `Peer` answers offers, carries 20 ms of audio at a time in both directions and one data channel of text. It knows nothing
of calls: what arrives goes to its `PeerListener`. `driver()` loads an implementation by its name, so that nothing else imports it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Literal, Protocol, cast

from vox.errors import UsageError
from vox.runtime.clock import Clock

INPUT_RATE: Final = 16_000
"""Sample rate of the audio that a peer hands over, in Hz: what the voice detector and most recognisers take."""
OUTPUT_RATE: Final = 24_000
"""Sample rate of the audio that a peer takes, in Hz: what most synthesisers produce, and a rate that Opus encodes."""

PeerState = Literal["connecting", "connected", "lost", "left"]
"""`lost`: the network is gone, and a client may come back; `left`: the other side closed the connection."""

DriverName = Literal["auto", "native", "aiortc"]
"""Which implementation takes the calls; `auto` chooses for each of them."""

_NATIVE: Final = ("vox.media.webrtc.native_peer", "NativePeer", "vox_native")
_AIORTC: Final = ("vox.media.webrtc.aiortc_peer", "AiortcPeer", "aiortc")
"""Module, class, and the package below it."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, with the credentials for it."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """How a peer reaches the network.

    Attributes:
        ice_servers: asked for further addresses of this machine, and for relays.
        addresses: local addresses to listen on; empty for those of all interfaces.
        ports: UDP ports to listen on; None for any.
        public_address: the address under which a NAT passes the same ports on to this machine; empty for none.
        is_loopback: whether 127.0.0.1 is offered too, because clients on this machine are expected.
        is_relay_only: whether nothing but a TURN server's relay is offered.
    """

    ice_servers: tuple[IceServer, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: range | None = None
    public_address: str = ""
    is_loopback: bool = False
    is_relay_only: bool = False


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """An address of the other side, told after its offer; an empty `candidate` says that there are no more."""

    candidate: str
    mid: str | None = None
    index: int | None = None


class PeerListener(Protocol):
    """What a peer tells; all calls come on the event loop."""

    def audio(self, pcm: bytes) -> None:
        """The caller's audio: s16le mono at `INPUT_RATE`, in the order in which it was spoken."""
        ...

    def text(self, message: str) -> None:
        """One message on the data channel."""
        ...

    def channel_opened(self) -> None:
        """The data channel takes messages from now on."""
        ...

    def state_changed(self, state: PeerState) -> None:
        """The connection changed; after `left` nothing follows."""
        ...


class Peer(Protocol):
    """One WebRTC connection.

    Attributes:
        has_channel: whether the offer has a data channel.
        last_packet_at: when the caller's last audio arrived, on the clock; 0.0 before the first.
    """

    has_channel: bool
    last_packet_at: float

    @property
    def bytes_sent(self) -> int:
        """Opus payload sent so far."""
        ...

    @property
    def bytes_received(self) -> int:
        """Opus payload received so far."""
        ...

    async def accept(self, offer: str) -> str:
        """Answers an offer: the first one, or a later one that changes the connection.

        Args:
            offer: SDP of at most `vox.media.webrtc.sdp.MAX_BYTES`.

        Raises:
            PeerError: `offer_invalid`, and nothing has changed.
            DependencyError: `media_unavailable`, where this machine has no port left.
        """
        ...

    async def add_candidates(self, candidates: Sequence[RemoteCandidate]) -> None:
        """Adds the other side's addresses; those that are of no use, and those beyond a bound, are left out."""
        ...

    def send_audio(self, pcm: bytes) -> None:
        """Sends 20 ms of s16le mono at `OUTPUT_RATE`; nothing is sent while this is not called, or before `connected`."""
        ...

    def clear_audio(self) -> None:
        """Drops what was given to `send_audio` and has not left yet."""
        ...

    def send_text(self, text: str) -> bool:
        """Sends a message on the data channel; False where there is none, or the other side does not read it."""
        ...

    async def close(self) -> None:
        """Sends what is still waiting on the data channel, within a deadline, and ends the connection; idempotent."""
        ...


class MakePeer(Protocol):
    """Makes a peer; it opens no socket before its first offer."""

    def __call__(self, options: PeerOptions, listener: PeerListener, clock: Clock) -> Peer:
        """A peer that tells `listener`."""
        ...


def is_installed() -> bool:
    """Whether there is an implementation."""
    try:
        driver()
    except UsageError:
        return False
    return True


def driver(name: DriverName = "auto") -> MakePeer:
    """The implementation of that name; `auto`: the native one where it is built and clients can reach this machine, else aiortc.

    The native driver asks no STUN or TURN server. A server behind a NAT that is to find its way out by them needs aiortc.

    Raises:
        UsageError: `webrtc_not_installed`.
    """
    if name != "auto":
        return _load(_NATIVE if name == "native" else _AIORTC)
    try:
        native = _load(_NATIVE)
    except UsageError:
        return _load(_AIORTC)
    try:
        other = _load(_AIORTC)
    except UsageError:
        return native

    native_serves = import_module("vox.media.webrtc.addresses").is_reachable

    def choose(options: PeerOptions, listener: PeerListener, clock: Clock) -> Peer:
        make = native if native_serves(options) else other
        return make(options, listener, clock)

    return choose


def _load(implementation: tuple[str, str, str]) -> MakePeer:
    module_name, class_name, package = implementation
    try:
        import_module(package)
        module = import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"WebRTC needs packages that are not installed: {error.name or error}",
            code="webrtc_not_installed",
            hint="run `make setup`, or `pip install '.[webrtc]'` in a checkout of Vox; or set transport to websocket",
        ) from error
    return cast("MakePeer", getattr(module, class_name))
