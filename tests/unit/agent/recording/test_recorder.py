"""What a recorder hands to its writer, and what it costs a call when the disk is slow or broken."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.clock import FakeClock
from vox.agent.recording.recorder import FLUSH_S, MOST_OUTSTANDING, Recorder
from vox.media.recording.call_file import Batch
from vox.protocols.media_stream import Encoding


@dataclass
class Writer:
    batches: list[Batch] = field(default_factory=list[Batch])
    finished: list[Batch | None] = field(default_factory=list["Batch | None"])
    missing_s: float = 0.0
    outstanding: int = 0
    is_broken: bool = False

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    def finish(self, batch: Batch | None) -> None:
        self.finished.append(batch)

    def leave(self, batch: Batch | None, on_left: Callable[[], None]) -> None:
        self.finished.append(batch)
        on_left()

    def left_out(self, seconds: float) -> None:
        self.missing_s += seconds


class Call:
    def __init__(self, encoding: Encoding = "mulaw") -> None:
        self.clock, self.writer, self.closed = FakeClock(), Writer(), list[Recorder]()
        self.recorder = Recorder(self.writer, self.clock, encoding, self.closed.append)
        self.recorder.listen(16_000)

    def talk(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.clock.advance(0.02)
            self.recorder.heard(b"\x01\x02" * 320)
            self.recorder.sent(b"\x20" * 160)


def test_a_second_at_a_time_with_the_time_of_each_frame():
    call = Call()
    call.talk(10)
    assert 9 <= len(call.writer.batches) <= 10
    frames = [len(batch.caller) for batch in call.writer.batches[1:]]
    assert all(abs(count - FLUSH_S / 0.02) <= 2 for count in frames)
    batch = call.writer.batches[3]
    assert batch.caller_rate == 16_000
    assert batch.caller_at[0] == call.writer.batches[2].until
    assert batch.caller_at[-1] < batch.until
    call.recorder.close()
    (rest,) = call.writer.finished
    assert rest is not None
    assert sum(frames) + len(call.writer.batches[0].caller) + len(rest.caller) == 500
    assert rest.until == call.clock.now()


def test_what_comes_after_a_long_silence_is_in_a_batch_behind_it():
    """So the file has written the silence before it is to place what came after it."""
    call = Call()
    call.talk(0.2)
    call.clock.advance(3600)
    call.recorder.heard(b"\x01\x02" * 320)
    call.recorder.close()
    before, (after,) = call.writer.batches[-1], call.writer.finished
    assert before.until == call.clock.now()
    assert before.caller_at[-1] < 1.0 + call.clock.now() - 3600
    assert after is not None
    assert after.caller_at == [call.clock.now()]


def test_calls_that_begin_together_are_not_written_together():
    clock = FakeClock()
    writers = [Writer() for _ in range(10)]
    recorders = [Recorder(writer, clock, "mulaw", lambda _: None) for writer in writers]
    first = dict[int, float]()
    for _ in range(100):
        clock.advance(0.02)
        for number, recorder in enumerate(recorders):
            recorder.heard(b"")
            if writers[number].batches:
                first.setdefault(number, clock.now())
    assert len(set(first.values())) >= 8


def test_while_paused_silence_of_the_same_length_is_handed_over_in_the_encoding_of_the_wire():
    for encoding, silence in (("mulaw", b"\xff" * 160), ("alaw", b"\xd5" * 160), ("s16le", bytes(160))):
        call = Call(encoding)  # type: ignore[arg-type]
        call.recorder.pause()
        call.talk(0.02)
        call.recorder.resume()
        call.talk(0.02)
        call.recorder.close()
        batch = call.writer.finished[0]
        assert batch is not None
        assert list(batch.caller) == [bytes(640), b"\x01\x02" * 320]
        assert list(batch.agent) == [silence, b"\x20" * 160]


def test_what_is_taken_back_is_counted_in_samples():
    for encoding, samples in (("mulaw", 320), ("s16le", 160)):
        call = Call(encoding)  # type: ignore[arg-type]
        call.recorder.cleared(320)
        call.recorder.close()
        batch = call.writer.finished[0]
        assert batch is not None
        assert list(batch.agent) == [samples]


def test_a_disk_that_does_not_keep_up_costs_audio_and_no_memory():
    call = Call()
    call.writer.outstanding = MOST_OUTSTANDING
    call.talk(5)
    assert call.writer.batches == []
    assert 3.5 <= call.writer.missing_s <= 5
    assert len(call.recorder._caller) <= 2 * FLUSH_S / 0.02


def test_a_broken_recording_keeps_nothing_and_says_so():
    call = Call()
    assert call.recorder.is_recording
    call.writer.is_broken = True
    call.talk(5)
    assert not call.recorder.is_recording
    assert len(call.recorder._caller) <= 2 * FLUSH_S / 0.02
    call.recorder.close()
    assert call.writer.finished == [None]


def test_it_is_closed_once():
    call = Call()
    call.recorder.close()
    call.recorder.close()
    assert len(call.writer.finished) == 1
    assert call.closed == [call.recorder]
    assert not call.recorder.is_recording


def test_a_recording_that_is_left_is_closed_once_and_says_when_another_process_may_go_on():
    call = Call()
    call.talk(0.3)
    left: list[str] = []
    call.recorder.leave(lambda: left.append("first"))
    call.recorder.leave(lambda: left.append("again"))
    call.recorder.close()
    assert left == ["first", "again"]
    assert len(call.writer.finished) == len(call.closed) == 1
