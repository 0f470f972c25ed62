import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.media.webrtc.rtp import (
    CLOCK_RATE,
    MAX_GAP_S,
    REORDER_WINDOW,
    SAMPLES_PER_FRAME,
    ReceiveBuffer,
    RtpPacket,
    SendClock,
    read_packet,
    write_packet,
)


def packet(number: int, timestamp: int | None = None, ssrc: int = 7) -> RtpPacket:
    at = number * SAMPLES_PER_FRAME if timestamp is None else timestamp
    return RtpPacket(111, number & 0xFFFF, at & 0xFFFFFFFF, ssrc, str(number).encode())


def receive(buffer: ReceiveBuffer, packets: list[RtpPacket], *, every_s: float = 0.02) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for at, one in enumerate(packets):
        for received in buffer.put(one, at * every_s):
            buffer.decoded(SAMPLES_PER_FRAME)
            found.append((received.payload.decode(), round(received.missing_s, 3)))
    return found


class TestPackets:
    @given(
        st.integers(0, 127), st.integers(0, 1 << 20), st.integers(0, 1 << 40), st.integers(0, 2**32 - 1), st.binary()
    )
    def test_what_is_written_can_be_read(self, kind: int, number: int, timestamp: int, ssrc: int, payload: bytes):
        read = read_packet(write_packet(kind, number, timestamp, ssrc, payload, marker=True))
        assert read == RtpPacket(kind, number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload)

    def test_the_marker_is_the_first_bit_of_the_second_byte(self):
        assert write_packet(111, 0, 0, 0, b"", marker=True)[1] == 111 | 0x80
        assert write_packet(111, 0, 0, 0, b"", marker=False)[1] == 111

    def test_extension_contributors_and_padding_are_no_payload(self):
        data = bytearray(write_packet(111, 1, 2, 3, b"", marker=False))
        data[0] |= 0x20 | 0x10 | 2  # padding, extension, two contributors
        data += bytes(8) + b"\xbe\xde\x00\x01" + bytes(4) + b"voice" + bytes([0, 0, 3])
        assert read_packet(bytes(data)).payload == b"voice"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x80" * 11,
            b"\x40" + bytes(11),  # version 1
            b"\x81" + bytes(11),  # a contributor is missing
            b"\x90" + bytes(13),  # half an extension's head
            b"\x90" + bytes(11) + b"\xbe\xde\xff\xff",  # an extension longer than the packet
            b"\xa0" + bytes(11) + b"\x09",  # more padding than packet
        ],
    )
    def test_what_is_no_packet_is_refused(self, data: bytes):
        with pytest.raises(PeerError) as refused:
            read_packet(data)
        assert refused.value.code == "rtp_malformed"

    @given(st.binary(max_size=64))
    def test_garbage_is_read_or_refused(self, data: bytes):
        with contextlib.suppress(PeerError):
            assert len(read_packet(data).payload) <= len(data)


class TestSendClock:
    def test_frames_of_a_talkspurt_follow_each_other_whenever_they_leave(self):
        clock = SendClock(1000)
        times = [5.0, 5.0, 5.0, 5.021, 5.039, 5.1]
        frames = [clock.frame(now) for now in times]
        assert [begins for _, begins in frames] == [True, *[False] * 5]
        assert [timestamp - frames[0][0] for timestamp, _ in frames] == [at * SAMPLES_PER_FRAME for at in range(6)]

    def test_time_goes_on_in_silence(self):
        clock = SendClock(0)
        first, _ = clock.frame(1.0)
        later, begins = clock.frame(4.0)
        assert begins
        assert later - first == 3 * CLOCK_RATE

    def test_a_frame_that_is_a_little_late_begins_nothing(self):
        clock = SendClock(0)
        first, _ = clock.frame(1.0)
        assert clock.frame(1.09) == (first + SAMPLES_PER_FRAME, False)

    @given(st.lists(st.floats(0, 3), min_size=1, max_size=30))
    def test_timestamps_never_go_back(self, pauses: list[float]):
        clock, now, timestamps = SendClock(77), 0.0, list[int]()
        for pause in pauses:
            now += pause
            timestamps.append(clock.frame(now)[0])
        assert all(later - earlier >= SAMPLES_PER_FRAME for earlier, later in itertools.pairwise(timestamps))


class TestReceiveBuffer:
    def test_what_comes_in_order_passes_at_once(self):
        assert receive(ReceiveBuffer(), [packet(at) for at in range(3)]) == [("0", 0), ("1", 0), ("2", 0)]

    def test_what_comes_early_waits_for_what_is_missing(self):
        order = [0, 2, 1, 3]
        assert [text for text, _ in receive(ReceiveBuffer(), [packet(at) for at in order])] == ["0", "1", "2", "3"]

    def test_what_is_lost_is_waited_for_and_then_counted_as_missing(self):
        numbers = [0, *range(2, 3 + REORDER_WINDOW)]
        found = receive(ReceiveBuffer(), [packet(at) for at in numbers])
        assert found[:3] == [("0", 0), ("2", 0.02), ("3", 0)]
        assert len(found) == len(numbers)

    def test_late_and_repeated_packets_are_thrown_away(self):
        buffer = ReceiveBuffer()
        assert len(receive(buffer, [packet(at) for at in (0, 1, 1, 0, 2)])) == 3
        assert buffer.late == 2

    def test_numbers_wrap_around(self):
        found = receive(ReceiveBuffer(), [packet(at) for at in (65_534, 65_535, 65_536, 65_537)])
        assert [text for text, _ in found] == ["65534", "65535", "65536", "65537"]

    def test_a_pause_is_filled_up_to_a_second(self):
        buffer = ReceiveBuffer()
        pause = [packet(0), packet(1, 10 * CLOCK_RATE)]
        assert receive(buffer, pause, every_s=10)[1] == ("1", MAX_GAP_S)

    def test_timestamps_cannot_make_more_silence_than_time_has_passed(self):
        jumps = [packet(at, at * CLOCK_RATE) for at in range(20)]
        assert sum(missing for _, missing in receive(ReceiveBuffer(), jumps)) <= 20 * 0.02 + 0.001

    def test_timestamps_that_go_back_make_none(self):
        jumps = [packet(0, 96_000), packet(1, 0)]
        assert receive(ReceiveBuffer(), jumps) == [("0", 0), ("1", 0)]

    def test_another_stream_begins_anew(self):
        buffer = ReceiveBuffer()
        found = receive(buffer, [packet(100), packet(5, ssrc=8), packet(6, ssrc=8)])
        assert [text for text, _ in found] == ["100", "5", "6"]
        assert (buffer.ssrc, buffer.packets) == (8, 2)

    @pytest.mark.parametrize("jump", [-200, 20_000])
    def test_a_count_that_jumps_begins_anew(self, jump: int):
        found = receive(ReceiveBuffer(), [packet(1000), packet(1000 + jump), packet(1001 + jump)])
        assert len(found) == 3

    def test_a_report_says_what_was_lost_since_the_last_one(self):
        buffer = ReceiveBuffer()
        receive(buffer, [packet(at) for at in range(10) if at not in {3, 4}])
        fraction, lost, highest, _ = buffer.report()
        assert (fraction, lost, highest) == (2 * 256 // 10, 2, 9)
        assert buffer.report()[:2] == (0, 2)

    def test_a_steady_stream_has_no_jitter(self):
        steady, uneven = ReceiveBuffer(), ReceiveBuffer()
        receive(steady, [packet(at) for at in range(100)])
        for at in range(100):
            list(uneven.put(packet(at), at * 0.02 + (0.01 if at % 2 else 0)))
        assert steady.report()[3] <= 1
        assert uneven.report()[3] > 300

    @given(st.lists(st.integers(0, 200), max_size=80))
    def test_no_packet_is_passed_on_twice_or_out_of_order(self, numbers: list[int]):
        found = [int(text) for text, _ in receive(ReceiveBuffer(), [packet(at) for at in numbers])]
        assert found == sorted(found) or max(numbers) - min(numbers) > 100
        assert len(set(found)) == len(found) or max(numbers) - min(numbers) > 100

    @given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1)), max_size=60))
    def test_anything_is_bounded(self, made: list[tuple[int, int]]):
        buffer = ReceiveBuffer()
        found = receive(buffer, [RtpPacket(111, number, timestamp, 7, b"0") for number, timestamp in made])
        assert len(made) - len(found) - buffer.late <= REORDER_WINDOW + len(made)
        assert sum(missing for _, missing in found) <= len(made) * 0.02 + 0.001
