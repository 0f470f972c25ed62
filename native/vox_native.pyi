"""The media engine of the relay: WebRTC peers, rooms and voices, written in Rust.

Handles (rooms, peers, tracks, taps) are integers that the caller chooses, unique in the engine. Nothing per packet
crosses this border. Bad input and unknown handles raise `ValueError`, sockets raise `OSError`. Calls return at once:
they are commands to the room's media thread; those that answer wait at most 2 s with the GIL released.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from typing_extensions import Buffer

Kind = Literal["audio", "video"]
Role = Literal["publisher", "subscriber", "both"]

class Answer(TypedDict):
    sdp: str
    # Section -> the track of the subscription placed there.
    mids: dict[str, int]
    # Subscriptions to audio and to video that found no `recvonly` section of their kind.
    missing: tuple[int, int]

class ThreadStats(TypedDict):
    cpu_ns: int
    load: float
    rooms: int
    peers: int

class Stats(TypedDict):
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int
    lost_events: int
    threads: list[ThreadStats]
    peers: int

def local_addresses() -> list[str]:
    """The addresses that candidates name where an engine is given none."""

class Engine:
    """The sockets and media threads of one relay.

    Thread i listens at `udp_port` + i (0: any port). `tcp_port` None: no ICE-TCP, 0: any port. `threads` 0: cores - 1,
    at least 1. `public_addresses` are the IPs of the host candidates; empty: every address of the machine that is not
    loopback, or loopback where it is the only one.
    """

    def __init__(
        self,
        *,
        host: str = "0.0.0.0",
        udp_port: int = 0,
        tcp_port: int | None = None,
        threads: int = 0,
        public_addresses: Sequence[str] = (),
    ) -> None: ...
    def udp_ports(self) -> list[int]: ...
    def tcp_ports(self) -> list[int]: ...
    def fileno(self) -> int:
        """An eventfd that is readable while events wait."""

    def events(self) -> list[tuple[Any, ...]]:
        """Drain at most 4,096 events; the first item of each is its kind.

        `("connected", peer)`, `("disconnected", peer)` (ICE lost, may come back), `("closed", peer, reason)` (DTLS
        closed, or ICE gone for 30 s), `("flowing", track)` first packet, again after silence, `("silent", track)`
        nothing for 2 s, `("speakers", room, [(track, level 0..1, active)])` at most each 500 ms and only on changes,
        `("data", peer, label, payload, binary)`, `("channel", peer, label)` opened, `("quality", peer, lost 0..1,
        rtt_ms, jitter_ms)` each 5 s, `("keyframe_wanted", track)`, `("taps", [tap, ...])` each tick in which a tap has
        new audio, `("layers", track, [bitrates])` layers that arrive, `("stream_state", peer, track, "active" |
        "paused")` the choice of layers paused a video, `("voice_idle", track)` a voice's queue ran empty.
        """

    def close(self) -> None: ...
    def stats(self) -> Stats: ...
    def open_room(self, room: int, *, top_speakers: int = 0) -> None:
        """Open a room; `top_speakers` 0 forwards all audio, n only the n loudest and those who just spoke."""

    def close_room(self, room: int) -> None: ...
    def open_peer(self, room: int, peer: int, role: Role) -> None: ...
    def accept_offer(self, peer: int, sdp: str) -> Answer: ...
    def make_offer(self, peer: int, *, ice_restart: bool = False) -> str | None:
        """Offer what changed. None: nothing to say, or an offer still waits for its answer."""

    def accept_answer(self, peer: int, sdp: str) -> None: ...
    def add_candidate(self, peer: int, candidate: str) -> None:
        """Take a trickled candidate; "" ends them."""

    def close_peer(self, peer: int) -> None:
        """Close a peer connection; what waits on its data channels may still arrive for a second."""

    def peer_stats(self, peer: int) -> tuple[int, int]:
        """The bytes of media, without headers, that came from a peer and went to it."""

    def permit_data(self, peer: int, allowed: bool) -> None:
        """Whether data from this peer is passed on (the default) or dropped as it comes in."""

    def publish(self, peer: int, mid: str, track: int, kind: Kind) -> None:
        """Make a section of a peer a source; before or after the offer with that section."""

    def unpublish(self, track: int) -> None:
        """End a track of a peer, or a voice."""

    def mute(self, track: int, muted: bool) -> None:
        """Drop a track as it comes in: nothing is forwarded, tapped or counted as speech."""

    def subscribe(self, peer: int, track: int, stream_id: str, track_id: str) -> None:
        """Send a track to a peer, from its next offer or answer on; the ids are the section's msid."""

    def unsubscribe(self, peer: int, track: int) -> None: ...
    def pause(self, peer: int, track: int, paused: bool) -> None:
        """Stop or go on sending a track to this listener alone."""

    def set_layer(self, peer: int, track: int, quality: int, fps: int = 0) -> None:
        """Bound what is sent of a video: 0 low, 1 medium, 2 high; `fps` 0 is no bound."""

    def request_keyframe(self, track: int) -> None: ...
    def open_channel(self, peer: int, label: str, *, ordered: bool = True, retransmits: int | None = None) -> None: ...
    def send_data(self, peers: Sequence[int], label: str, payload: bytes, binary: bool = True) -> list[int]:
        """Send to each peer; returns those whose channel is not open, or is full."""

    def open_voice(self, room: int, track: int, *, bitrate: int = 32_000) -> None:
        """Open a source of our own, encoded once as Opus at `bitrate` bit/s, at most 128,000. `unpublish` closes it."""

    def voice_write(self, track: int, pcm: Buffer, rate: int) -> int:
        """Queue s16le mono at 8, 16, 24 or 48 kHz; returns the ms now queued. Beyond 30 s raises `BufferError`."""

    def voice_write_g711(self, track: int, data: Buffer, law: Literal["ulaw", "alaw"]) -> int: ...
    def voice_write_opus(self, track: int, packet: Buffer) -> int:
        """Queue one packet of 20 ms."""

    def voice_flush(self, track: int) -> int:
        """Drop what is queued; returns the ms dropped."""

    def voice_queued(self, track: int) -> int:
        """The ms that are queued."""

    def open_tap(self, tap: int, track: int, *, rate: int = 16_000) -> None:
        """Listen to one track: PCM at 8, 16, 24 or 48 kHz behind a jitter buffer."""

    def open_mix(self, tap: int, room: int, *, rate: int = 8_000, without: Sequence[int] = ()) -> None:
        """Listen to the sum of all audio tracks of a room but those."""

    def exclude(self, tap: int, track: int) -> None:
        """Leave one more track out of a mix."""

    def tap_read(self, tap: int) -> bytes:
        """s16le of the whole 20 ms frames since the last read; holds 2 s, the oldest are dropped."""

    def close_tap(self, tap: int) -> None: ...
