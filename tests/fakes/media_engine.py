"""A media engine that moves nothing: it keeps what it was asked for, answers offers by their sections, and tells what a test says."""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from vox.relay.rooms.sdp_sections import media_sections


@dataclass
class Peer:
    room: int
    role: str
    can_send_data: bool = True
    offers: list[str] = field(default_factory=list[str])
    answers: list[str] = field(default_factory=list[str])
    candidates: list[str] = field(default_factory=list[str])
    subscriptions: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    offered: dict[int, str] = field(default_factory=dict[int, str])
    is_offering: bool = False
    has_channel_news: bool = False
    restarts: int = 0
    paused: set[int] = field(default_factory=set[int])
    layers: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    is_full: bool = False
    received: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])


class PlayedEngine:
    """Implements `vox.relay.engine.contract.MediaEngine`."""

    def __init__(self) -> None:
        self.rooms: dict[int, int] = {}
        self.peers: dict[int, Peer] = {}
        self.tracks: dict[int, tuple[int, str, str]] = {}
        self.voices: dict[int, int] = {}
        self.muted: dict[int, bool] = {}
        self.spoken: dict[int, bytearray] = {}
        self.taps: dict[int, tuple[str, int, int]] = {}
        self.heard: dict[int, deque[bytes]] = {}
        self.excluded: list[tuple[int, int]] = []
        self.waiting: list[tuple[Any, ...]] = []
        self.refuses_sdp = False
        self.is_closed = False
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK)

    def happens(self, *event: Any) -> None:
        """Puts an event where the relay finds it."""
        self.waiting.append(event)
        os.eventfd_write(self._descriptor, 1)

    def udp_ports(self) -> list[int]:
        return [7882]

    def tcp_ports(self) -> list[int]:
        return []

    def fileno(self) -> int:
        return self._descriptor

    def events(self) -> list[tuple[Any, ...]]:
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)
        events, self.waiting = self.waiting, []
        return events

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._descriptor)

    def stats(self) -> dict[str, Any]:
        return {"packets_in": 0, "packets_out": 0, "bytes_in": 0, "bytes_out": 0, "lost_events": 0,
                "threads": [{"cpu_ns": 0, "load": 0.0, "rooms": len(self.rooms), "peers": len(self.peers)}],
                "peers": len(self.peers)}  # fmt: skip

    def open_room(self, room: int, *, top_speakers: int = 0) -> None:
        self.rooms[room] = top_speakers

    def close_room(self, room: int) -> None:
        del self.rooms[_known(room, self.rooms)]

    def open_peer(self, room: int, peer: int, role: str) -> None:
        self.peers[peer] = Peer(_known(room, self.rooms), role)

    def accept_offer(self, peer: int, sdp: str) -> dict[str, Any]:
        found = self.peers[_known(peer, self.peers)]
        if self.refuses_sdp or "m=" not in sdp:
            raise ValueError("no session description")
        found.offers.append(sdp)
        free: dict[str, list[str]] = {"audio": [], "video": []}
        for section in media_sections(sdp):
            if section.receives and not section.sends:
                free[section.kind].append(section.mid)
        mids: dict[str, int] = {}
        missing = {"audio": 0, "video": 0}
        for track in found.subscriptions:
            kind = self.tracks[track][2] if track in self.tracks else "audio"
            if free[kind]:
                mids[free[kind].pop(0)] = track
            else:
                missing[kind] += 1
        answer = (
            sdp.replace("a=sendonly", "a=turned").replace("a=recvonly", "a=sendonly").replace("a=turned", "a=recvonly")
        )
        return {"sdp": answer, "mids": mids, "missing": (missing["audio"], missing["video"])}

    def make_offer(self, peer: int, *, ice_restart: bool = False) -> str | None:
        found = self.peers[_known(peer, self.peers)]
        wanted = dict(found.subscriptions)
        is_new = set(wanted) != set(found.offered) or found.has_channel_news or ice_restart
        if (found.is_offering and not ice_restart) or not is_new:
            return None
        found.restarts += ice_restart
        found.has_channel_news = False
        found.is_offering = True
        for track in wanted:
            found.offered.setdefault(track, str(len(found.offered)))
        found.offered = {track: mid for track, mid in found.offered.items() if track in wanted}
        lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
        for track, mid in found.offered.items():
            kind = self.tracks[track][2] if track in self.tracks else "audio"
            stream, name = found.subscriptions[track]
            lines += [f"m={kind} 9 UDP/TLS/RTP/SAVPF 111", f"a=mid:{mid}", "a=sendonly", f"a=msid:{stream} {name}"]
        return "\r\n".join([*lines, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:data", ""])

    def accept_answer(self, peer: int, sdp: str) -> None:
        found = self.peers[_known(peer, self.peers)]
        if self.refuses_sdp:
            raise ValueError("no session description")
        found.is_offering = False
        found.answers.append(sdp)

    def add_candidate(self, peer: int, candidate: str) -> None:
        self.peers[_known(peer, self.peers)].candidates.append(candidate)

    def close_peer(self, peer: int) -> None:
        del self.peers[_known(peer, self.peers)]

    def permit_data(self, peer: int, allowed: bool) -> None:
        self.peers[_known(peer, self.peers)].can_send_data = allowed

    def publish(self, peer: int, mid: str, track: int, kind: str) -> None:
        self.tracks[track] = (_known(peer, self.peers), mid, kind)

    def unpublish(self, track: int) -> None:
        if track in self.voices:
            del self.voices[track]
        else:
            del self.tracks[_known(track, self.tracks)]

    def mute(self, track: int, muted: bool) -> None:
        self.muted[track] = muted

    def subscribe(self, peer: int, track: int, stream_id: str, track_id: str) -> None:
        self.peers[_known(peer, self.peers)].subscriptions[track] = (stream_id, track_id)

    def unsubscribe(self, peer: int, track: int) -> None:
        self.peers[_known(peer, self.peers)].subscriptions.pop(track, None)

    def pause(self, peer: int, track: int, paused: bool) -> None:
        found = self.peers[_known(peer, self.peers)]
        (found.paused.add if paused else found.paused.discard)(track)

    def set_layer(self, peer: int, track: int, quality: int, fps: int = 0) -> None:
        self.peers[_known(peer, self.peers)].layers[track] = (quality, fps)

    def request_keyframe(self, track: int) -> None:
        _known(track, self.tracks)

    def open_channel(self, peer: int, label: str, *, ordered: bool = True, retransmits: int | None = None) -> None:
        self.peers[_known(peer, self.peers)].has_channel_news = True

    def send_data(self, peers: Sequence[int], label: str, payload: bytes, binary: bool = True) -> list[int]:
        failed: list[int] = []
        for peer in peers:
            found = self.peers.get(peer)
            if found is None or found.is_full:
                failed.append(peer)
            else:
                found.received.append((label, payload))
        return failed

    def open_voice(self, room: int, track: int, *, bitrate: int = 32_000) -> None:
        self.voices[track] = _known(room, self.rooms)
        self.spoken[track] = bytearray()

    def voice_write(self, track: int, pcm: bytes, rate: int) -> int:
        written = self.spoken[_known(track, self.voices)]
        if (len(written) + len(pcm)) * 1000 // (2 * rate) > 30_000:
            raise BufferError("more than 30 s")
        written += pcm
        return len(written) * 1000 // (2 * rate)

    def voice_write_g711(self, track: int, data: bytes, law: str) -> int:
        self.spoken[_known(track, self.voices)] += data
        return len(data) // 8

    def voice_write_opus(self, track: int, packet: bytes) -> int:
        self.spoken[_known(track, self.voices)] += packet
        return 20

    def voice_flush(self, track: int) -> int:
        written = self.spoken[_known(track, self.voices)]
        ms = len(written) // 32
        written.clear()
        return ms

    def voice_queued(self, track: int) -> int:
        return len(self.spoken[_known(track, self.voices)]) // 32

    def open_tap(self, tap: int, track: int, *, rate: int = 16_000) -> None:
        self.taps[tap] = ("track", track, rate)
        self.heard[tap] = deque()

    def open_mix(self, tap: int, room: int, *, rate: int = 8_000, without: Sequence[int] = ()) -> None:
        self.taps[tap] = ("mix", _known(room, self.rooms), rate)
        self.heard[tap] = deque()
        self.excluded += [(tap, track) for track in without]

    def exclude(self, tap: int, track: int) -> None:
        self.excluded.append((_known(tap, self.taps), track))

    def tap_read(self, tap: int) -> bytes:
        heard = self.heard[_known(tap, self.taps)]
        data = b"".join(heard)
        heard.clear()
        return data

    def close_tap(self, tap: int) -> None:
        del self.taps[_known(tap, self.taps)]


def _known(handle: int, handles: dict[int, Any]) -> int:
    if handle not in handles:
        raise ValueError(f"{handle} is not known")
    return handle
