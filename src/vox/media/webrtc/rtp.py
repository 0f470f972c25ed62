"""RTP of one Opus stream in each direction: packets, timestamps, order and statistics (RFC 3550, RFC 7587); pure.

The clock of Opus always runs at 48 kHz, whatever rate is encoded. Received audio is not delayed: a packet in order passes at
once, and only behind a gap do later ones wait, because a recogniser needs order and no steady pace.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vox.errors import PeerError

CLOCK_RATE: Final = 48_000
SAMPLES_PER_FRAME: Final = 960
"""Ticks of the RTP clock in 20 ms."""
REORDER_WINDOW: Final = 5
"""Packets that wait for a missing one before it counts as lost: 100 ms."""
MAX_REORDER: Final = 100
"""A packet that is so far behind belongs to a stream that was begun anew."""
MAX_GAP_S: Final = 1.0
"""The longest silence that is put in place of what is missing: enough for a voice detector to notice the end of speech."""
TALKSPURT_GAP: Final = 4 * SAMPLES_PER_FRAME
"""Ticks behind real time from which a frame begins a new talkspurt instead of following the one before."""

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """What matters of a packet that was received."""

    payload_type: int
    number: int
    timestamp: int
    ssrc: int
    payload: bytes


def read_packet(data: bytes) -> RtpPacket:
    """Reads a packet without its header extension and padding.

    Raises:
        PeerError: `rtp_malformed`.
    """
    if len(data) < _HEADER.size:
        raise _malformed()
    flags, marked_type, number, timestamp, ssrc = _HEADER.unpack_from(data)
    begin, end = _HEADER.size + 4 * (flags & 0x0F), len(data)
    if flags & 0x10:
        if end < begin + 4:
            raise _malformed()
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4])
    if flags & 0x20:
        end -= data[-1]
    if flags >> 6 != _VERSION or end < begin:
        raise _malformed()
    return RtpPacket(marked_type & 0x7F, number, timestamp, ssrc, data[begin:end])


def write_packet(payload_type: int, number: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool) -> bytes:
    """A packet without extensions; number and timestamp are taken modulo their widths."""
    marked = payload_type | (0x80 if marker else 0)
    return _HEADER.pack(0x80, marked, number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


class SendClock:
    """Gives each frame that is sent its timestamp: frames of one talkspurt follow each other, and in silence time goes on.

    Args:
        origin: timestamp at time 0 of the clock, which is random (RFC 3550 section 5.1).
    """

    def __init__(self, origin: int) -> None:
        self._origin = origin
        self._next: int | None = None

    def at(self, now: float) -> int:
        """The timestamp of a moment, for sender reports; not reduced to 32 bits."""
        return self._origin + int(now * CLOCK_RATE)

    def frame(self, now: float) -> tuple[int, bool]:
        """The timestamp of a frame that is sent now, and whether it begins a talkspurt."""
        present = self.at(now)
        begins = self._next is None or present - self._next > TALKSPURT_GAP
        timestamp = present if self._next is None or begins else self._next
        self._next = timestamp + SAMPLES_PER_FRAME
        return timestamp, begins


@dataclass(frozen=True, slots=True)
class Received:
    """A packet whose turn it is.

    Attributes:
        payload: one Opus packet.
        missing_s: seconds of audio that are missing before it, as far as they are to be filled.
    """

    payload: bytes
    missing_s: float = 0.0


class ReceiveBuffer:
    """Puts the packets of one stream in order and says how much is missing; a new SSRC begins anew."""

    def __init__(self) -> None:
        self.packets = 0
        """Packets received, also late and repeated ones."""
        self.late = 0
        """Packets thrown away, because what follows them had been passed on."""
        self.ssrc = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._begin(0)

    def put(self, packet: RtpPacket, now: float) -> Iterator[Received]:
        """Takes a packet and yields those whose turn it is."""
        if not self.packets or packet.ssrc != self.ssrc:
            self.ssrc = packet.ssrc
            self.packets = 0
            self._begin(packet.number)
        self.packets += 1
        self._measure(packet.timestamp, now)
        number = self._next + _signed(packet.number - self._next, 16)
        if number < self._next - MAX_REORDER or number > self._next + (1 << 14):
            self._begin(packet.number)
            number = packet.number
        self._highest = max(self._highest, number)
        if number < self._next:
            self.late += 1
            return
        self._waiting[number] = packet
        while self._waiting and (self._next in self._waiting or len(self._waiting) > REORDER_WINDOW):
            self._next = min(self._waiting)
            due = self._waiting.pop(self._next)
            self._next += 1
            yield Received(due.payload, self._missing_s(due.timestamp, now))

    def decoded(self, samples: int) -> None:
        """The packet that was yielded last holds so many ticks of audio."""
        self._end += samples

    def report(self) -> tuple[int, int, int, int]:
        """Fraction lost (of 256) since the last report, packets lost, highest number, jitter: RFC 3550 section 6.4.1."""
        expected = self._highest - self._first + 1
        lost = expected - self.packets
        expected_now, lost_now = expected - self._expected_before, lost - self._lost_before
        self._expected_before, self._lost_before = expected, lost
        fraction = 0 if expected_now <= 0 or lost_now <= 0 else min(255, (lost_now << 8) // expected_now)
        return fraction, max(-(1 << 23), min(lost, (1 << 23) - 1)), self._highest & 0xFFFFFFFF, int(self._jitter)

    def _begin(self, number: int) -> None:
        self._next = self._first = self._highest = number
        self._waiting: dict[int, RtpPacket] = {}
        self._end = 0
        self._passed_at: float | None = None
        self._expected_before = self._lost_before = 0
        self.packets = min(self.packets, 1)

    def _missing_s(self, timestamp: int, now: float) -> float:
        """Never more than time has passed: timestamps are the client's to choose."""
        passed_at, self._passed_at = self._passed_at, now
        if passed_at is None:
            self._end = timestamp
            return 0.0
        gap = _signed(timestamp - self._end, 32) / CLOCK_RATE
        self._end = timestamp
        if gap <= 0:
            return 0.0
        return min(gap, MAX_GAP_S, now - passed_at)

    def _measure(self, timestamp: int, now: float) -> None:
        transit = now * CLOCK_RATE - timestamp
        if self._transit is not None:
            difference = abs(_signed(int(transit - self._transit), 32))
            self._jitter += (difference - self._jitter) / 16
        self._transit = transit


def _signed(value: int, bits: int) -> int:
    """A difference modulo 2^bits as the nearer of its two readings."""
    half = 1 << (bits - 1)
    return ((value + half) & ((1 << bits) - 1)) - half


def _malformed() -> PeerError:
    return PeerError("not an RTP packet", code="rtp_malformed")
