"""The agent's voice in one call: sentences go in, paced wire audio comes out, and what was heard is known at any time.

An answer is begun, spoken sentence by sentence and ended; it may be held (silent, but not forgotten), released, or cut.
A speaking task names its answer by the number that `begin` gave: what was made for an answer that is cut meanwhile is
thrown away, because the task that makes it may need a while to notice.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial

from vox.agent.call.open_sentence import OpenSentence
from vox.agent.call.playout_ledger import Heard, PlayoutLedger
from vox.agent.call.speakable import Speakable
from vox.agent.call.transport import CallTransport
from vox.agent.recording.recorder import Recorder
from vox.media import g711
from vox.media.pacer import Pacer
from vox.media.resample import Resampler
from vox.protocols.media_stream import Encoding
from vox.providers.tts.contract import SpeechChunk, SpokenWord, TakesWords, TextToSpeech
from vox.runtime.clock import Clock

FRAME_S = 0.02
MARK_EVERY_S = 1.0
"""Marks inside a long sentence keep the estimate of the carrier's playout within a second of the truth."""
LAST_MARK_TIMEOUT_S = 2.0
"""A carrier that does not echo the last mark within this time is taken to have played everything."""
MAX_POSITION_DIGITS = 15
ECHO_S = 1.0
"""So long after the agent's last sound an echo of it may come."""


@dataclass(slots=True)
class _Anchor:
    """At `at` (seconds), `position` bytes had been heard and playing went on."""

    position: int
    at: float


class SpeechOutput:
    """One call's outgoing audio. All methods run on the event loop; `speak` alone waits, for room in the queue.

    Args:
        transport: where the frames go.
        pacer: the clockwork of all calls.
        clock: the loop's time.
        on_audible: called when the first frame of an answer goes out.
        on_played: called when an answer was played to its end; never after `cut`.
        on_progress: called as sentences begin and end and, where the transport shows it, at each word.
        on_broken: called when the transport takes no more audio.
        lead_s: how far the pacer runs ahead of real time.
        recorder: is told what is sent and taken back; None records nothing.
    """

    def __init__(
        self,
        transport: CallTransport,
        pacer: Pacer,
        clock: Clock,
        *,
        on_audible: Callable[[], None],
        on_played: Callable[[], None],
        on_progress: Callable[[int], None],
        on_broken: Callable[[], None],
        lead_s: float = 0.0,
        recorder: Recorder | None = None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._on_audible = on_audible
        self._on_played = on_played
        self._on_progress = on_progress
        self._on_broken = on_broken
        self._lead_s = lead_s
        self._recorder = recorder
        self._sample_bytes = 2 if transport.encoding == "s16le" else 1
        self._rate = transport.sample_rate * self._sample_bytes
        frame_bytes = int(transport.sample_rate * FRAME_S) * self._sample_bytes
        self._track = pacer.open_track(
            frame_bytes=frame_bytes,
            silence=_silence(transport.encoding, frame_bytes),
            send=transport.send_audio if recorder is None else _recorded(transport.send_audio, recorder),
            on_drained=self._drained,
        )
        self._ledger = PlayoutLedger(self._rate)
        self._answer = 0
        self._part_resampler: Resampler | None = None
        self._anchor: _Anchor | None = None
        self._held_at: int | None = None
        self._next_mark = self._last_marked = self._last_reached = 0
        self._is_ended = False
        self._is_played = True
        self._played_at = float("-inf")
        self._last_mark: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is no answer under way."""
        return self._is_played

    def is_busy(self) -> bool:
        """Whether there is one."""
        return not self._is_played

    @property
    def queued_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._track.queued_bytes / self._rate

    @property
    def sample_rate(self) -> int:
        """Of the wire audio, in Hz."""
        return self._transport.sample_rate

    def was_heard_within(self, seconds: float) -> bool:
        """Whether the agent speaks, or spoke so shortly ago."""
        return not self._is_played or self._clock.now() - self._played_at <= seconds

    def sent_lately(self) -> bytes:
        """What was sent last, s16le mono; empty where the agent has been silent for `ECHO_S`."""
        if self._is_played and self._clock.now() - self._played_at > ECHO_S:
            return b""
        wire, encoding = self._track.recent(), self._transport.encoding
        return wire if encoding == "s16le" else g711.decode(wire, encoding)

    def begin(self) -> int:
        """A new answer, by its number; whatever was left of the one before is gone."""
        self._forget_last_mark()
        self._track.reset()
        self._ledger = PlayoutLedger(self._rate)
        self._answer += 1
        self._anchor = None
        self._held_at = None
        self._next_mark, self._last_marked, self._last_reached = int(MARK_EVERY_S * self._rate), 0, 0
        self._is_ended = self._is_played = False
        self._track.at(1, self._audible)
        return self._answer

    async def speak(
        self, answer: int, tts: TextToSpeech, text: Speakable, *, voice: str | None, language: str | None
    ) -> bool:
        """Synthesises one sentence into the queue; False where the answer was cut. Raises what the driver raises.

        What has nothing to be spoken takes its place among the sentences without audio.
        """
        if answer != self._answer:
            return False
        segment = self._ledger.begin(text)
        if not text.spoken:
            self._ledger.complete()
            return True
        speech = tts.synthesize(text.spoken, voice=voice, language=language)
        return await self._play(answer, segment, tts.sample_rate, speech)

    async def speak_open(
        self, answer: int, tts: TakesWords, sentence: OpenSentence, *, voice: str | None, language: str | None
    ) -> bool:
        """As `speak`, for a sentence that is still being written."""
        if answer != self._answer:
            return False
        segment = self._ledger.begin(sentence.text)
        speech = tts.synthesize_stream(sentence, voice=voice, language=language)
        return await self._play(answer, segment, tts.sample_rate, speech, sentence)

    async def _play(
        self,
        answer: int,
        segment: int,
        sample_rate: int,
        speech: AsyncGenerator[SpeechChunk, None],
        sentence: OpenSentence | None = None,
    ) -> bool:
        first = self._ledger.written
        self._track.at(first + 1, lambda: self._on_progress(segment))
        resampler = Resampler(sample_rate, self._transport.sample_rate)
        try:
            async for chunk in speech:
                if answer != self._answer:
                    return False
                if sentence is not None:
                    self._ledger.reword(segment, sentence.text)
                self._enqueue(first, resampler.process(chunk.pcm), chunk.words, segment)
                if not await self._has_room(answer):
                    return False
        finally:
            await speech.aclose()
        if answer != self._answer:
            return False
        if sentence is not None:
            self._ledger.reword(segment, sentence.text)
        self._enqueue(first, resampler.process(b"", last=True), (), segment)
        self._ledger.complete()
        self._track.at(max(first + 1, self._ledger.written), lambda: self._on_progress(segment))
        self._mark(self._ledger.written)
        return True

    def begin_part(self, answer: int, text: Speakable, sample_rate: int) -> int | None:
        """Begins a part of an answer that was not synthesised here; its number, None where the answer was cut.

        Its text may be there before its audio or behind it, see `reword`.
        """
        if answer != self._answer:
            return None
        self._part_resampler = Resampler(sample_rate, self._transport.sample_rate)
        segment = self._ledger.begin(text)
        self._track.at(self._ledger.written + 1, lambda: self._on_progress(segment))
        return segment

    async def add_to_part(self, answer: int, pcm: bytes) -> bool:
        """Queues audio of the part, s16le mono, and waits for room; False where the answer was cut."""
        if answer != self._answer or self._part_resampler is None:
            return False
        self._enqueue(self._ledger.written, self._part_resampler.process(pcm), (), 0)
        return await self._has_room(answer)

    def end_part(self, answer: int, segment: int) -> None:
        """The part has all its audio."""
        if answer == self._answer and self._part_resampler is not None:
            self._enqueue(self._ledger.written, self._part_resampler.process(b"", last=True), (), segment)
            self._ledger.complete()
            self._track.at(max(1, self._ledger.written), lambda: self._on_progress(segment))
            self._mark(self._ledger.written)

    def reword(self, answer: int, segment: int, text: Speakable) -> None:
        """The part's text becomes known, or longer."""
        if answer == self._answer:
            self._ledger.reword(segment, text)

    def played_s(self, position: int) -> list[float]:
        """Seconds of each part of the answer that lie before a position."""
        return self._ledger.played_s(position)

    async def play(self, answer: int, pcm: bytes, sample_rate: int) -> bool:
        """Queues audio that has no text (tones), s16le mono; False where the answer was cut."""
        if answer != self._answer:
            return False
        segment = self._ledger.begin(Speakable.plain(""))
        wire = Resampler(sample_rate, self._transport.sample_rate).process(pcm, last=True)
        self._enqueue(self._ledger.written, wire, (), segment)
        self._ledger.complete()
        self._mark(self._ledger.written)
        return await self._has_room(answer)

    def end(self, answer: int) -> None:
        """No more sentences in this answer; nothing happens where it was cut."""
        if answer == self._answer and not self._is_played:
            self._is_ended = True
            self._track.end()

    def hold(self) -> None:
        """Falls silent at once; what was not heard stays queued, also what the other side had not played yet."""
        if self._held_at is None:
            self._held_at = self.position()
            self._track.pause()
            taken_back = self._replay(self._held_at) if self._last_mark is None else 0
            self._clear_audio(taken_back)

    def release(self) -> None:
        """Goes on where `hold` stopped."""
        if self._held_at is not None:
            self._anchor = _Anchor(self._held_at, self._clock.now()) if self._anchor else None
            self._held_at = None
            self._track.resume()

    def cut(self) -> int:
        """Throws the answer away from what was heard on; returns that position for `parts`."""
        position = self.position()
        if self._held_at is None and not self._is_played:
            self._clear_audio()
        self._forget_last_mark()
        self._answer += 1
        self._held_at = None
        self._is_played = True
        self._track.clear()
        return position

    def parts(self, position: int | None = None) -> list[Heard]:
        """The answer's sentences with what was heard of each, now or at a position that `cut` returned."""
        return self._ledger.at(self.position() if position is None else position)

    def all_parts(self) -> list[Heard]:
        """The answer's sentences as if each had been heard to its end."""
        return self._ledger.at(self._ledger.written + 1)

    def position(self) -> int:
        """Bytes of the answer that the caller has heard: what the marks say, carried on in real time."""
        if self._held_at is not None:
            return self._held_at
        if self._anchor is None:
            return 0
        elapsed = max(0.0, self._clock.now() - self._anchor.at)
        return min(self._track.sent_bytes, self._anchor.position + int(elapsed * self._rate))

    def mark_reached(self, name: str) -> None:
        """The carrier has played up to one of our marks; one of an answer that was cut, or told again, is ignored."""
        answer, _, position = name.partition(":")
        if answer != str(self._answer) or not _is_number(position) or self._held_at is not None:
            return
        if not self._last_reached < int(position) <= self._track.sent_bytes:
            return
        self._last_reached = int(position)
        self._anchor = _Anchor(self._last_reached, self._clock.now())
        if self._is_ended and self._last_reached >= self._ledger.written:
            self._played()

    def close(self) -> None:
        """Ends the track; idempotent."""
        self._forget_last_mark()
        self._track.close()

    def _replay(self, heard: int) -> int:
        """Has what was sent and not heard sent again, with a mark where the last one was thrown away; returns its bytes."""
        sent = self._track.sent_bytes
        taken_back = sent - self._track.rewind(heard)
        if taken_back and self._transport.has_marks and self._last_marked:
            self._track.at(sent, partial(self._send_mark, sent))
        return taken_back

    def _clear_audio(self, taken_back: int = 0) -> None:
        """Has the other side throw away what it has not played; so many bytes of that will be sent again."""
        self._transport.clear_audio()
        if self._recorder is not None:
            self._recorder.cleared(taken_back)

    def _send_mark(self, position: int) -> None:
        self._transport.send_mark(f"{self._answer}:{position}")

    async def _has_room(self, answer: int) -> bool:
        if not await self._track.room() and answer == self._answer:
            self._on_broken()
            return False
        return answer == self._answer

    def _enqueue(self, first: int, pcm: bytes, words: tuple[SpokenWord, ...], segment: int) -> None:
        wire = pcm if self._transport.encoding == "s16le" else g711.encode(pcm, self._transport.encoding)
        if not wire and not words:
            return
        self._ledger.audio(len(wire), words)
        self._track.write(wire)
        if self._transport.shows_progress:
            for word in words:
                position = max(first + 1, first + int(word.at_s * self._rate))
                self._track.at(position, lambda: self._on_progress(segment))
        while self._ledger.written >= self._next_mark:
            self._mark(self._next_mark)

    def _mark(self, position: int) -> None:
        self._next_mark = position + int(MARK_EVERY_S * self._rate)
        if self._transport.has_marks and position > self._last_marked:
            self._last_marked = position
            self._track.at(position, partial(self._send_mark, position))

    def _audible(self) -> None:
        self._anchor = _Anchor(0, self._clock.now())
        self._on_audible()

    def _drained(self) -> None:
        if not self._is_ended or self._is_played:
            return
        awaits_mark = self._transport.has_marks and self._last_reached < self._ledger.written
        wait_s = LAST_MARK_TIMEOUT_S if awaits_mark else self._lead_s
        self._last_mark = asyncio.get_running_loop().call_later(wait_s, self._played)

    def _played(self) -> None:
        self._forget_last_mark()
        if not self._is_played:
            self._is_played, self._played_at = True, self._clock.now()
            self._on_played()

    def _forget_last_mark(self) -> None:
        if self._last_mark is not None:
            self._last_mark.cancel()
            self._last_mark = None


def _recorded(send: Callable[[bytes], None], recorder: Recorder) -> Callable[[bytes], None]:
    def send_and_record(frame: bytes) -> None:
        send(frame)
        recorder.sent(frame)

    return send_and_record


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_POSITION_DIGITS


def _silence(encoding: Encoding, size: int) -> bytes:
    return {"mulaw": b"\xff", "alaw": b"\xd5", "s16le": b"\x00"}[encoding] * size
