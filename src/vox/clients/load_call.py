"""One call of a load run: raw bytes out on a schedule that the caller keeps, arrival times and energy in.

This runs 66 times a second per call and has to stay under 0.2 % of a core, so audio is encoded, framed and masked
before the call begins, and what comes back is decoded only while the answer to a question is awaited.
"""

import asyncio
import random
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from vox.clients import raw_websocket as wire
from vox.clients.carrier_lines import clear_echoes, heard_rate
from vox.clients.playout import PlayoutDeadline
from vox.errors import VoxError
from vox.media import g711
from vox.media.levels import rms
from vox.protocols.carriers.json_stream import JsonCarrier
from vox.protocols.media_stream import AudioCleared, CarrierCodec, MarkReached, StreamAudio, StreamStopped
from vox.runtime.clock import Clock

FRAME_S = 0.020
_SILENT_RMS = 0.01
_NOISE_PEAK = 57  # of 32767: evenly spread it is -60 dBFS
_NOISE_FRAMES = 8
_NEW_REPLY_GAP_S = 0.1  # audio that follows sooner still belongs to the reply before the question
_BETWEEN_REPLIES_S = 1.0  # silence behind which audio during the question is a reply of its own, not one that stalled
_SWITCHING_PROTOCOLS = 101
_UNAVAILABLE = 503


class CallState(StrEnum):
    """Where a simulated call is in its life."""

    DIALLING = "dialling"
    OPEN = "open"
    REFUSED = "refused"
    BROKEN = "broken"
    ENDED = "ended"


def _doubles() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Tally:
    """What all calls of a run count together, while `is_counting`."""

    is_counting: bool = False
    frames: int = 0
    late_frames: int = 0
    turns: int = 0
    unanswered: int = 0
    refused: int = 0
    refused_without_retry_after: int = 0
    lateness_s: "array[float]" = field(default_factory=_doubles)
    response_s: "array[float]" = field(default_factory=_doubles)
    send_lag_s: "array[float]" = field(default_factory=_doubles)
    problems: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class CallAudio:
    """One call's messages, framed and masked: what opens it, the sentence, a line's noise, what ends it.

    `last_loud` is the frame of the sentence after which an answer is awaited.
    """

    opening: bytes
    speech: Sequence[bytes]
    last_loud: int
    noise: Sequence[bytes]
    farewell: bytes


class LoadCall(asyncio.Protocol):
    """One simulated caller: a protocol to connect with; `send_next` is due every 20 ms once it is open.

    `answered` is done when the upgrade was answered either way, `closed` when the connection is gone.
    """

    def __init__(
        self,
        line: CarrierCodec,
        audio: CallAudio,
        *,
        request: bytes,
        mask: bytes,
        cycle_frames: int,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self.state = CallState.DIALLING
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.retry_after_s = 0.0
        self._line = line
        self._audio = audio
        self._request = request
        self._mask = mask
        self._cycle_frames = cycle_frames
        self._clock = clock
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._reader = wire.FrameReader()
        self._position = 0
        self._asked_at = 0.0  # when the question awaiting its answer ended; 0 while none is awaited
        self._is_answering = False  # audio that began after the question is coming in
        self._is_counted_turn = False
        self._heard_at = 0.0
        self._deadline = PlayoutDeadline()
        self._marks = list[tuple[str, asyncio.TimerHandle]]()
        self._sample_bytes = g711.sample_bytes(self._line.encoding)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection whose end can be awaited."""
        return self._transport is not None and not self.closed.done()

    def again(self) -> "LoadCall":
        """The same call, to be dialled anew after a refusal: nothing of it has been used."""
        return LoadCall(
            self._line,
            self._audio,
            request=self._request,
            mask=self._mask,
            cycle_frames=self._cycle_frames,
            clock=self._clock,
            tally=self._tally,
        )

    def send_next(self, due: float) -> None:
        """Sends the frame that was due at `due`: the sentence, then a line's noise until the cycle is over, and again."""
        transport = self._transport
        if transport is None or self.state is not CallState.OPEN:
            return
        position = self._position
        speech = self._audio.speech
        noise = self._audio.noise
        transport.write(speech[position] if position < len(speech) else noise[position % len(noise)])
        now = self._clock.now()
        if self._tally.is_counting:
            self._tally.send_lag_s.append(now - due)
        if position == self._audio.last_loud:
            self._ask(now)
        self._position = (position + 1) % self._cycle_frames

    def hang_up(self) -> None:
        """Sends the carrier's stop message and closes; `closed` is done when the server has followed."""
        if self._transport is None or self.state is not CallState.OPEN:
            self.abort()
            return
        self.state = CallState.ENDED
        self._forget_marks()
        self._transport.write(self._audio.farewell + wire.close_frame(1000, self._mask))

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def finish_turn(self, now: float, patience_s: float) -> None:
        """At the end of a run: a question older than `patience_s` without an answer counts as unanswered."""
        if self._asked_at and self._is_counted_turn:
            if now - self._asked_at > patience_s:
                self._tally.unanswered += 1
            else:
                self._tally.turns -= 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Reads the answer to the upgrade, then frames."""
        try:
            if self.state is CallState.DIALLING:
                data = self._read_head(data)
                if self.state is not CallState.DIALLING:
                    _finish(self.answered)
            if data and self.state is CallState.OPEN:
                self._read_frames(data)
        except VoxError as error:
            self._break(error.code)

    def connection_lost(self, exc: Exception | None) -> None:
        """Notes an end that this side did not ask for."""
        self._forget_marks()
        if self.state in {CallState.DIALLING, CallState.OPEN}:
            self._break("connection lost" if self.state is CallState.OPEN else "no answer to the upgrade")
        _finish(self.answered)
        _finish(self.closed)

    def fail(self, reason: str) -> None:
        """The connection could not be made."""
        self._break(reason)
        _finish(self.answered)
        _finish(self.closed)

    def _read_head(self, data: bytes) -> bytes:
        self._head += data
        answer = wire.parse_answer(self._head)
        if answer is None:
            return b""
        if answer.status == _SWITCHING_PROTOCOLS:
            self.state = CallState.OPEN
            if self._transport is not None:
                self._transport.write(self._audio.opening)
            return answer.rest
        if answer.status == _UNAVAILABLE:
            self.state = CallState.REFUSED
            self._tally.refused += 1
            retry_after = answer.headers.get("retry-after", "")
            self.retry_after_s = float(retry_after) if retry_after.isdigit() else 0.0
            self._tally.refused_without_retry_after += not retry_after
            self.abort()
        else:
            self._break(f"HTTP {answer.status}")
        return b""

    def _read_frames(self, data: bytes) -> None:
        now = self._clock.now()
        for opcode, payload in self._reader.feed(data):
            if opcode == wire.TEXT:
                self._receive(payload.decode(), now)
            elif opcode == wire.BINARY:
                self._receive(payload, now)
            elif opcode == wire.PING and self._transport is not None:
                self._transport.write(wire.pong_frame(payload, self._mask))
            elif opcode == wire.CLOSE:
                self._break(f"closed by the server with {int.from_bytes(payload[:2], 'big')}")

    def _receive(self, message: str | bytes, now: float) -> None:
        for event in self._line.receive(message):
            match event:
                case StreamAudio(payload):
                    self._hear(payload, now)
                case MarkReached(name):
                    self._keep_mark(name, now)
                case AudioCleared():
                    self._deadline.restart()
                    self._answer_clear()
                case StreamStopped():
                    self._break("the agent hung up")
                case _:
                    pass

    def _hear(self, payload: bytes, now: float) -> None:
        if self._asked_at and not self._is_answering and now - self._heard_at > _NEW_REPLY_GAP_S:
            self._is_answering = True
            self._deadline.restart()
        elif self._position <= self._audio.last_loud and now - self._heard_at > _BETWEEN_REPLIES_S:
            self._deadline.restart()  # it took a breath in the question for its end: a reply, if an early one
        self._heard_at = now
        lateness_s = self._deadline.arrived(now, len(payload) / self._sample_bytes / heard_rate(self._line))
        tally = self._tally
        if tally.is_counting:
            tally.frames += 1
            if lateness_s > 0:
                tally.late_frames += 1
                tally.lateness_s.append(lateness_s)
        if self._asked_at and self._is_answering and rms(g711.decode(payload, self._line.encoding)) > _SILENT_RMS:
            if self._is_counted_turn:
                tally.response_s.append(now - self._asked_at)
            self._asked_at = 0.0

    def _ask(self, now: float) -> None:
        """The last frame of the sentence has gone out."""
        if self._asked_at and self._is_counted_turn:
            self._tally.unanswered += 1
        self._asked_at = now
        self._is_answering = False
        self._is_counted_turn = self._tally.is_counting
        self._tally.turns += self._is_counted_turn

    def _keep_mark(self, name: str, now: float) -> None:
        """Echoes a mark when the audio before it will have been played."""
        at = max(now, self._deadline.ends_at)
        timer = asyncio.get_running_loop().call_at(at, self._echo_next_mark)
        self._marks.append((name, timer))

    def _echo_next_mark(self) -> None:
        name, _ = self._marks.pop(0)
        echo = self._line.mark_reached(name)
        if echo is not None and self._transport is not None and self.state is CallState.OPEN:
            self._transport.write(wire.client_frame(echo, self._mask))

    def _answer_clear(self) -> None:
        names = [name for name, _ in self._marks]
        self._forget_marks()
        if self._transport is not None:
            for echo in clear_echoes(self._line, names):
                self._transport.write(wire.client_frame(echo, self._mask))

    def _forget_marks(self) -> None:
        for _, timer in self._marks:
            timer.cancel()
        self._marks.clear()

    def _break(self, reason: str) -> None:
        if self.state not in {CallState.ENDED, CallState.REFUSED, CallState.BROKEN}:
            self.state = CallState.BROKEN
            self._tally.problems[reason] += 1
        self.abort()


def encode_call(line: CarrierCodec, name: str, pcm: bytes, mask: bytes) -> CallAudio:
    """Everything a call will send, ready to be written; `pcm` is the sentence at the line's rate."""
    if isinstance(line, JsonCarrier):
        line.is_numbered = False  # the sentence is sent again and again, and a number twice would be late
    opening = line.open(call_id=name, stream_id=f"stream-{name}", caller="+15550100", callee="+15550199", parameters={})
    size = int(line.sample_rate * FRAME_S) * 2
    frames = [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]

    def framed(frame: bytes, index: int) -> bytes:
        payload = g711.encode(frame, line.encoding)
        return wire.client_frame(line.audio(payload, timestamp_ms=index * 20), mask)

    return CallAudio(
        b"".join(wire.client_frame(message, mask) for message in opening),
        [framed(frame, index) for index, frame in enumerate(frames)],
        max((index for index, frame in enumerate(frames) if rms(frame) > _SILENT_RMS), default=0),
        [framed(frame, len(frames)) for frame in _noise(size)],
        wire.client_frame(farewell, mask) if (farewell := line.close()) is not None else b"",
    )


def _noise(size: int) -> list[bytes]:
    """A quiet line, -60 dBFS: real ones are never digital silence, which a server may well recognise and skip."""
    source = random.Random(20)  # noqa: S311  noise, not a secret
    return [
        array("h", [source.randint(-_NOISE_PEAK, _NOISE_PEAK) for _ in range(size // 2)]).tobytes()
        for _ in range(_NOISE_FRAMES)
    ]


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
