"""One simulated phone call without a socket: `tick` every 20 ms, `receive` what comes, send what either returns.

The caller's and the agent's track share one sample clock, that of the ticks; what the agent sends is heard when a
carrier would have played it, so a barge-in is judged by the ear. Response latency alone goes by arrival time, because
that is what a server can answer for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vox.clients.carrier_lines import clear_echoes, heard_rate
from vox.clients.line_echo import LineEcho
from vox.clients.playout import PlayoutQueue
from vox.clients.script import HangUp, Press, Say, Step, Wait, WaitForAgent
from vox.media import g711
from vox.media.levels import rms
from vox.media.resample import Resampler
from vox.protocols.media_stream import (
    AudioCleared,
    CarrierCodec,
    DigitPressed,
    MarkReached,
    StreamAudio,
    StreamStarted,
    StreamStopped,
    WireMessage,
)

TICK_S = 0.020
SILENT_RMS = 0.01  # -40 dBFS: above line noise, below any speech
_DIGIT_TICKS = 10
_SPEECH_GAP_TICKS = 25  # a pause this long ends what the agent is saying
_NEW_REPLY_GAP_S = 0.1  # agent audio that follows sooner still belongs to what it was saying before


class TurnKind(StrEnum):
    """What began a turn."""

    GREETING = "greeting"
    SPEECH = "speech"
    BARGE_IN = "barge-in"
    DIGITS = "digits"


@dataclass(slots=True)
class Turn:
    """One thing the caller did and what came of it; times are seconds since the call began.

    `response_s` runs from the caller's last sound (or the last key, or the call's begin) to the first audible audio that
    arrived for it; `silenced_s`, for a barge-in, from the caller's first sound to the last of the agent that was heard.
    """

    kind: TurnKind
    began_s: float
    ended_s: float = 0.0
    response_s: float | None = None
    silenced_s: float | None = None


@dataclass(slots=True)
class CallReport:
    """What happened in a call, and both tracks as they were heard (s16le at `sample_rate`)."""

    line: str
    sample_rate: int
    turns: list[Turn] = field(default_factory=list[Turn])
    clears: list[float] = field(default_factory=list[float])
    marks: list[str] = field(default_factory=list[str])
    digits: str = ""
    dropped_audio_s: float = 0.0
    stopped_by_agent: bool = False
    caller_track: bytes = b""
    agent_track: bytes = b""
    duration_s: float = 0.0

    @property
    def has_answered(self) -> bool:
        """Whether the agent was heard at all."""
        return any(turn.response_s is not None for turn in self.turns)


class SimulatedCall:
    """A caller who follows a script. Everything is bounded by `max_call_s`, after which the caller hangs up.

    Both tracks keep their first `max_track_s` seconds, which is the whole call where it is None.
    """

    def __init__(
        self,
        line: CarrierCodec,
        script: Iterable[Step],
        *,
        call_id: str,
        stream_id: str,
        caller: str = "+15550100",
        callee: str = "+15550199",
        parameters: dict[str, str] | None = None,
        max_call_s: float = 600.0,
        echo: LineEcho | None = None,
        max_track_s: float | None = None,
    ) -> None:
        self.is_over = False
        self._line = line
        self._echo_of = echo
        self._identity = (call_id, stream_id, caller, callee, parameters or {})
        self._rate = line.sample_rate
        self._frame_bytes = int(self._rate * TICK_S) * 2
        self._max_track_bytes = int((max_call_s if max_track_s is None else max_track_s) * self._rate) * 2
        self._silence = bytes(self._frame_bytes)
        self._report = CallReport(line.carrier, self._rate)
        self._playout = PlayoutQueue(self._rate)
        self._resampler: Resampler | None = None
        self._resampled_from = 0
        self._caller_track = bytearray()
        self._agent_track = bytearray()
        self._steps = self._follow(script)
        self._outbox = list[WireMessage]()
        self._began = 0.0
        self._ticks = 0
        self._max_ticks = int(max_call_s / TICK_S)
        self._arrived_at = 0.0  # when agent audio arrived last
        self._is_answering = False  # what arrives now began after the caller had finished
        self._awaits_response = True
        self._heard_tick: int | None = None  # last tick at which the agent was audible
        self._agent_began_tick: int | None = None  # since when it has been speaking

    @property
    def elapsed_s(self) -> float:
        """How long the call has lasted, on the clock of its tracks."""
        return self._ticks * TICK_S

    def agent_audio_since(self, seconds: float) -> bytes:
        """What was heard of the agent since that time of the call (s16le at the line's rate)."""
        return bytes(self._agent_track[round(seconds / TICK_S) * self._frame_bytes :])

    def open(self, now: float) -> list[WireMessage]:
        """What the carrier says when the socket is open; the clock of the call begins."""
        call_id, stream_id, caller, callee, parameters = self._identity
        self._began = now
        self._report.turns.append(Turn(TurnKind.GREETING, 0.0))
        return self._line.open(
            call_id=call_id, stream_id=stream_id, caller=caller, callee=callee, parameters=parameters
        )

    def forget_tracks(self) -> None:
        """Lets go of what was heard, once it is not needed any more."""
        self._caller_track.clear()
        self._agent_track.clear()

    def reconnect(
        self, line: CarrierCodec, *, stream_id: str, parameters: Mapping[str, str], keeps_queue: bool = False
    ) -> list[WireMessage]:
        """Continues the call on another stream, which `line` speaks; returns what opens that stream.

        The script and both tracks go on where they are, so a gap between two streams is silence of that length.

        Args:
            line: a fresh codec of the same sample rate.
            stream_id: of the new stream.
            parameters: of the new stream.
            keeps_queue: whether the agent's audio that was not played yet is still played.
        """
        call_id, _, caller, callee, _ = self._identity
        self._line = line
        self._outbox.clear()
        self._arrived_at = 0.0
        if not keeps_queue:
            self._playout.clear()
        return line.open(
            call_id=call_id, stream_id=stream_id, caller=caller, callee=callee, parameters=dict(parameters)
        )

    @property
    def heard_at_s(self) -> float | None:
        """When the agent was last audible, in seconds since the call began; None before it ever was."""
        return None if self._heard_tick is None else (self._heard_tick + 1) * TICK_S

    @property
    def queued_s(self) -> float:
        """Seconds of the agent's audio that wait to be played."""
        return self._playout.queued_bytes / 2 / self._rate

    def farewell(self, reason: str) -> list[WireMessage]:
        """What the carrier says when it ends the stream and not the call."""
        message = self._line.close(reason)
        return [] if message is None else [message]

    def tick(self, now: float) -> list[WireMessage]:
        """The next 20 ms: plays what is due of the agent, and returns the caller's frame and any echoes."""
        if self.is_over:
            return []
        heard, reached = self._playout.play(self._frame_bytes)
        if len(self._agent_track) < self._max_track_bytes:
            self._agent_track += heard
        for name in reached:
            self._echo(name)
        self._listen(heard)
        spoken = next(self._steps, None) if self._ticks < self._max_ticks else None
        if spoken is None:
            self._hang_up()
        else:
            if len(self._caller_track) < self._max_track_bytes:
                self._caller_track += spoken
            sent = spoken if self._echo_of is None else self._echo_of.mixed(spoken, heard)
            payload = g711.encode(sent, self._line.encoding)
            self._outbox.append(self._line.audio(payload, timestamp_ms=self._ticks * 20))
        self._ticks += 1
        return self._take_outbox()

    def receive(self, message: WireMessage, now: float) -> list[WireMessage]:
        """What the server sent; returns what the carrier answers at once."""
        for event in self._line.receive(message):
            match event:
                case StreamAudio(payload):
                    self._arrive(g711.decode(payload, self._line.encoding), now)
                case MarkReached(name):
                    if self._playout.queued_bytes:
                        self._playout.mark(name)
                    else:
                        self._echo(name)
                case AudioCleared():
                    self._report.clears.append(self._elapsed(now))
                    self._arrived_at = 0.0
                    self._outbox += clear_echoes(self._line, self._playout.clear())
                case DigitPressed(digit):
                    self._report.digits += digit
                case StreamStopped():
                    self._report.stopped_by_agent = True
                    self.is_over = True
                case StreamStarted():
                    pass
        return self._take_outbox()

    def report(self) -> CallReport:
        """What has happened so far."""
        report = self._report
        report.caller_track, report.agent_track = bytes(self._caller_track), bytes(self._agent_track)
        report.duration_s = self._ticks * TICK_S
        report.dropped_audio_s = self._playout.dropped_bytes / 2 / self._rate
        return report

    def _follow(self, script: Iterable[Step]) -> Iterator[bytes]:
        """Yields the caller's next 20 ms, step after step."""
        for step in script:
            match step:
                case Say():
                    yield from self._say(step)
                case WaitForAgent():
                    yield from self._wait_for_agent(step)
                case Wait(seconds):
                    yield from self._silent(round(seconds / TICK_S))
                case Press(digits):
                    yield from self._press(digits)
                case HangUp():
                    return

    def _say(self, step: Say) -> Iterator[bytes]:
        kind = TurnKind.SPEECH
        if step.into_agent_s is not None:
            into_ticks = step.into_agent_s / TICK_S
            for _ in range(round(step.timeout_s / TICK_S)):
                if self._agent_began_tick is not None and self._ticks - self._agent_began_tick >= into_ticks:
                    kind = TurnKind.BARGE_IN
                    break
                yield self._silence
        pcm = step.speech.at(self._rate).pcm
        size = self._frame_bytes
        frames = [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]
        loud = [index for index, frame in enumerate(frames) if rms(frame) > SILENT_RMS] or [0]
        turn = Turn(kind, self._ticks * TICK_S, silenced_s=0.0 if kind is TurnKind.BARGE_IN else None)
        for index, frame in enumerate(frames):
            if index == loud[0]:
                turn.began_s = self._ticks * TICK_S
                self._begin(turn)
            if index == loud[-1]:
                self._end(turn)
            yield frame

    def _wait_for_agent(self, step: WaitForAgent) -> Iterator[bytes]:
        """What was heard before the caller's last turn ended does not count as an answer to it."""
        began = self._ticks
        turn = self._report.turns[-1]
        while self._ticks - began < step.timeout_s / TICK_S:
            if turn.response_s is None:
                if self._ticks - began > step.begin_timeout_s / TICK_S:
                    return
            elif self._is_quiet_since(turn, step.silence_s):
                return
            yield self._silence

    def _press(self, digits: str) -> Iterator[bytes]:
        turn = Turn(TurnKind.DIGITS, self._ticks * TICK_S)
        self._begin(turn)
        for digit in digits:
            self._outbox.append(self._line.digit(digit))
            self._end(turn)
            yield from self._silent(_DIGIT_TICKS)

    def _silent(self, ticks: int) -> Iterator[bytes]:
        for _ in range(ticks):
            yield self._silence

    def _begin(self, turn: Turn) -> None:
        self._report.turns.append(turn)
        self._awaits_response = False

    def _end(self, turn: Turn) -> None:
        """The caller's last sound of this turn goes out in this tick."""
        turn.ended_s = self._ticks * TICK_S
        self._awaits_response = True
        self._is_answering = False

    def _is_quiet_since(self, turn: Turn, silence_s: float) -> bool:
        """Whether the agent was heard after the turn ended, and then fell silent."""
        last = self._heard_tick
        return (
            last is not None
            and last * TICK_S >= turn.ended_s
            and (self._ticks - last) * TICK_S > silence_s
            and not self._playout.queued_bytes
        )

    def _arrive(self, pcm: bytes, now: float) -> None:
        turn = self._report.turns[-1]
        if self._awaits_response and now - self._arrived_at > _NEW_REPLY_GAP_S:
            self._is_answering = True
        self._arrived_at = now
        if self._awaits_response and self._is_answering and rms(pcm) > SILENT_RMS:
            turn.response_s = max(0.0, self._elapsed(now) - turn.ended_s)
            self._awaits_response = False
        self._playout.push(self._resample(pcm))

    def _resample(self, pcm: bytes) -> bytes:
        arriving = heard_rate(self._line)
        if arriving == self._rate:
            return pcm
        if self._resampler is None or self._resampled_from != arriving:
            self._resampler, self._resampled_from = Resampler(arriving, self._rate), arriving
        return self._resampler.process(pcm)

    def _listen(self, heard: bytes) -> None:
        """Notes whether the agent can be heard in this tick."""
        if rms(heard) > SILENT_RMS:
            turn = self._report.turns[-1]
            if turn.kind is TurnKind.BARGE_IN and turn.response_s is None:
                turn.silenced_s = (self._ticks + 1) * TICK_S - turn.began_s
            if self._agent_began_tick is None:
                self._agent_began_tick = self._ticks
            self._heard_tick = self._ticks
        elif self._heard_tick is not None and self._ticks - self._heard_tick > _SPEECH_GAP_TICKS:
            self._agent_began_tick = None

    def _echo(self, name: str) -> None:
        self._report.marks.append(name)
        if (echo := self._line.mark_reached(name)) is not None:
            self._outbox.append(echo)

    def _hang_up(self) -> None:
        self.is_over = True
        if (farewell := self._line.close("caller hung up")) is not None:
            self._outbox.append(farewell)

    def _elapsed(self, now: float) -> float:
        return now - self._began

    def _take_outbox(self) -> list[WireMessage]:
        messages, self._outbox = self._outbox, []
        return messages
