"""What the relay asks of the media engine, whose real form is the native module `vox_native`.

All handles are integers that the relay chooses. Nothing per packet comes through here. Calls return at once, or after the short
answer of the room's media thread; they raise ValueError for bad input or an unknown handle, OSError where the machine is at fault.
"""

from collections.abc import Sequence
from typing import Any, Protocol

Event = tuple[Any, ...]
"""The first item is the kind: connected, disconnected, closed, flowing, silent, speakers, data, channel, quality, keyframe_wanted,
taps, layers, stream_state, voice_idle."""


class MediaEngine(Protocol):
    """Peers, tracks, voices and taps of the rooms of this process."""

    def udp_ports(self) -> list[int]:
        """The UDP ports that media arrives at."""
        ...

    def tcp_ports(self) -> list[int]:
        """The TCP ports for clients whose UDP is blocked; empty where that is off."""
        ...

    def fileno(self) -> int:
        """Readable while events wait."""
        ...

    def events(self) -> list[Event]:
        """Takes at most 4,096 of the events that wait."""
        ...

    def close(self) -> None:
        """Ends every peer and thread."""
        ...

    def stats(self) -> dict[str, Any]:
        """Counters and the load of each media thread."""
        ...

    def open_room(self, room: int, *, top_speakers: int = 0) -> None:
        """Opens a room; with `top_speakers` only that many loudest audio tracks are forwarded, 0 for all."""
        ...

    def close_room(self, room: int) -> None:
        """Closes a room with everything in it."""
        ...

    def open_peer(self, room: int, peer: int, role: str) -> None:
        """Opens a peer connection: "publisher", "subscriber", or "both"."""
        ...

    def accept_offer(self, peer: int, sdp: str) -> dict[str, Any]:
        """Answers an offer: "sdp", "mids" (mid to the track of a subscription) and "missing" (audio, video sections)."""
        ...

    def make_offer(self, peer: int, *, ice_restart: bool = False) -> str | None:
        """An offer of ours; None where there is nothing to say or an offer still waits for its answer."""
        ...

    def accept_answer(self, peer: int, sdp: str) -> None:
        """Takes the answer to our offer."""
        ...

    def add_candidate(self, peer: int, candidate: str) -> None:
        """Takes a trickled candidate; an empty text is the end of them."""
        ...

    def close_peer(self, peer: int) -> None:
        """Closes a peer connection with its tracks and subscriptions."""
        ...

    def permit_data(self, peer: int, allowed: bool) -> None:
        """Whether data packets of this peer are taken; they are by default."""
        ...

    def publish(self, peer: int, mid: str, track: int, kind: str) -> None:
        """Makes a section of a peer a source of "audio" or "video"."""
        ...

    def unpublish(self, track: int) -> None:
        """Ends a track, or a voice."""
        ...

    def mute(self, track: int, muted: bool) -> None:
        """Drops a track's media where it arrives."""
        ...

    def subscribe(self, peer: int, track: int, stream_id: str, track_id: str) -> None:
        """Sends a track to a peer from its next offer and answer on."""
        ...

    def unsubscribe(self, peer: int, track: int) -> None:
        """Ends a subscription."""
        ...

    def pause(self, peer: int, track: int, paused: bool) -> None:
        """Holds a track back from one peer."""
        ...

    def set_layer(self, peer: int, track: int, quality: int, fps: int = 0) -> None:
        """The most of a video that a peer is sent: 0 low, 1 medium, 2 high."""
        ...

    def request_keyframe(self, track: int) -> None:
        """Asks a video's sender for a key frame."""
        ...

    def open_channel(self, peer: int, label: str, *, ordered: bool = True, retransmits: int | None = None) -> None:
        """Opens a data channel towards a peer."""
        ...

    def send_data(self, peers: Sequence[int], label: str, payload: bytes, binary: bool = True) -> list[int]:
        """Sends to the channel of that label; returns the peers whose channel is not open or full."""
        ...

    def open_voice(self, room: int, track: int, *, bitrate: int = 32_000) -> None:
        """A track without a peer, fed with audio of ours."""
        ...

    def voice_write(self, track: int, pcm: bytes, rate: int) -> int:
        """Queues s16le mono audio; returns milliseconds now queued. Raises BufferError beyond 30 s."""
        ...

    def voice_write_g711(self, track: int, data: bytes, law: str) -> int:
        """Queues G.711, "ulaw" or "alaw"; returns milliseconds now queued."""
        ...

    def voice_write_opus(self, track: int, packet: bytes) -> int:
        """Queues one Opus packet of 20 ms; returns milliseconds now queued."""
        ...

    def voice_flush(self, track: int) -> int:
        """Drops what is queued; returns milliseconds dropped."""
        ...

    def voice_queued(self, track: int) -> int:
        """Milliseconds queued."""
        ...

    def open_tap(self, tap: int, track: int, *, rate: int = 16_000) -> None:
        """Decodes one track for us."""
        ...

    def open_mix(self, tap: int, room: int, *, rate: int = 8_000, without: Sequence[int] = ()) -> None:
        """Decodes the sum of a room's audio tracks but those."""
        ...

    def exclude(self, tap: int, track: int) -> None:
        """Takes a track out of a mix."""
        ...

    def tap_read(self, tap: int) -> bytes:
        """The s16le audio since the last read, in whole 20 ms frames; at most 2 s, the oldest is dropped."""
        ...

    def close_tap(self, tap: int) -> None:
        """Ends a tap or a mix."""
        ...
