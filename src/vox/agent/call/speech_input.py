"""The caller's side of one call: the voice detector, the recogniser's ear, and the transcripts they give.

Audio goes in, events of the turn machine come out. The rate of the first audio stays the call's: a client that changes
its rate is converted, so that neither the detector's verdict nor an utterance under way is lost.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from vox.agent.call.caller_filter import Hearing
from vox.agent.call.echo_guard import EchoGuard
from vox.agent.call.input_backlog import InputBacklog
from vox.agent.call.recognition import Utterance, UtteranceRecognizer
from vox.agent.call.transport import PausesInput
from vox.agent.call.turn_judge import TurnJudge
from vox.agent.call.turn_latency import TurnLatency
from vox.agent.config.resources import Agent, Resources
from vox.agent.metrics import ECHOES, STT_ERRORS
from vox.agent.recording.recorder import Recorder
from vox.agent.turns import events
from vox.agent.turns.completeness import Expected
from vox.errors import UsageError, VoxError
from vox.media.channels import mono
from vox.media.dtmf import DtmfDetector
from vox.media.resample import Resampler
from vox.media.voice_activity import SpeechEdge, VadStream
from vox.media.voicing import is_voiced
from vox.protocols.agent_events import AgentError, AgentEvent, ClientAudio, ClientVadUpdate, UserTranscript
from vox.providers.stt.contract import SpeechHints, SttStream, Transcript
from vox.runtime.logging import get_logger
from vox.runtime.tracing import tracer

log = get_logger(__name__)
trace = tracer(__name__)

INPUT_RATES = frozenset({8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000})
"""Rates that microphones and carriers have. An odd one would need a filter of millions of coefficients."""
CLOSE_TIMEOUT_S = 3.0
CHOICE_TIMEOUT_S = 0.5
"""For the model to choose among the texts of a transcript; the likeliest is taken where it needs longer."""
RECENT_S = 0.3
"""Of the latest audio is kept."""
PITCH_S = 0.2
"""Of it is searched for a pitch where a voice begins, and every `PITCH_EVERY_S` until there is one."""
PITCH_EVERY_S = 0.06
LONGEST_COUGH_S = 0.45
"""What goes on for longer is taken for a voice, with or without a pitch."""


class SpeechInput:
    """Detects and recognises the speech of one caller.

    Args:
        agent: whose recogniser and detector settings hold.
        resources: what all calls share.
        times: is told when things happen.
        feed: takes the turn machine's events.
        tell: takes what the client should know.
        spawn: starts a coroutine as a task of the call.
        choose: picks one of the texts of a transcript that has alternatives; None takes the first.
        on_transcript: takes each final transcript, before the turn machine.
        on_heard: takes each final text, after the turn machine.
        recorder: is given all audio; None records nothing.
        transport: where the audio comes from, if it can be made to wait.
        echo: tells the agent's own voice from the caller's; None takes every voice for the caller's.
        caller_filter: changes what is heard; None hears everything as it is.
        guard: runs what a timer of this object does, so that a failure ends the call and nothing else.
    """

    def __init__(
        self,
        agent: Agent,
        resources: Resources,
        times: TurnLatency,
        *,
        feed: Callable[[events.Event], None],
        tell: Callable[[AgentEvent], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        choose: Callable[[Transcript], Awaitable[str]] | None = None,
        on_transcript: Callable[[Transcript], None] | None = None,
        on_heard: Callable[[str], None] | None = None,
        recorder: Recorder | None = None,
        transport: PausesInput | None = None,
        echo: EchoGuard | None = None,
        caller_filter: Hearing | None = None,
        guard: Callable[..., None],
    ) -> None:
        self._agent = agent
        self._resources = resources
        self._times = times
        self._feed = feed
        self._tell = tell
        self._spawn = spawn
        self._vad_params = agent.profile.vad_params()
        self._vad: VadStream | None = None
        self._listener: UtteranceRecognizer | None = None
        self._sample_rate = self._pitch_bytes = self._recent_bytes = 0
        self._converter: Resampler | None = None
        self._converter_rate = 0
        self._refused_rate = 0
        self._keys: DtmfDetector | _Tones | None = None
        self._judge: TurnJudge | None = None
        self._choose = choose
        self._on_transcript = on_transcript
        self._on_heard = on_heard
        self._recorder = recorder
        self._transport = transport
        self._echo = echo
        self._filter = caller_filter
        self._backlog = InputBacklog(
            partial(guard, self._hear),
            self._is_behind,
            self._waiting,
            max_pieces=resources.settings.pipeline_input_queue_cap,
            transport=transport,
            metrics=resources.metrics,
        )
        self._choosing = asyncio.Lock()
        self._transcribing: set[asyncio.Task[None]] = set()
        self._hints: SpeechHints | None = None
        self._interim = ""
        self._recent = bytearray()
        self._is_voice = self._has_pitch = self._is_withheld = False
        self._voice_bytes = self._next_pitch = 0

    @property
    def stop_s(self) -> float:
        """How long after the caller's last sound the detector says so, in seconds."""
        return self._vad_params.stop_s

    @property
    def sample_rate(self) -> int:
        """Of the line's audio in Hz; 0 before there is any."""
        return self._sample_rate

    def hear_tones(self, push: Callable[[bytes], bool], on_heard: Callable[[], None]) -> None:
        """Gives all further audio to a detector as well, and tells of what it hears."""
        self._keys = _Tones(self._keys, push, on_heard)

    def open(self, sample_rate: int) -> None:
        """Begins to listen at this rate; raises UsageError where it is not one of `INPUT_RATES`."""
        _check_rate(sample_rate)
        profile = self._agent.profile
        vad = self._resources.voice_activity.open(
            sample_rate=sample_rate, params=self._vad_params, on_edge=self._speech_edge, on_voice=self._voice_edge
        )
        try:
            self._listener = UtteranceRecognizer(
                self._agent.stt,
                sample_rate=sample_rate,
                pre_roll_s=profile.turn_pre_speech_ms / 1000 + profile.vad_start_secs_vad,
                language=profile.heard_language,
                retire=self._retire,
                on_partial=self._partial,
                metrics=self._resources.metrics,
                max_waiting=sys.maxsize
                if self._transport is None
                else self._resources.settings.pipeline_input_queue_cap,
                on_behind=self._backlog.fall_behind,
            )
        except BaseException:
            vad.close()
            raise
        vad.on_behind = self._backlog.fall_behind
        self._vad, self._sample_rate = vad, sample_rate
        if self._recorder is not None:
            self._recorder.listen(sample_rate)
        self._pitch_bytes = int(PITCH_S * sample_rate) * 2
        self._recent_bytes = int(RECENT_S * sample_rate) * 2
        self._keys = DtmfDetector(sample_rate) if profile.hear_keys else None
        model = self._agent.turn_end
        self._judge = TurnJudge(model, sample_rate, self._feed, self._spawn) if model is not None else None

    def push(self, pcm: bytes) -> None:
        """The caller's audio at the rate of `open`, s16le mono."""
        if self._recorder is not None and self._vad is not None:
            self._recorder.heard(pcm)
        if self._backlog.is_in_use:
            self._backlog.put(pcm)
        else:
            self._hear(pcm)

    def _hear(self, pcm: bytes) -> None:
        if self._vad is not None and self._listener is not None:
            if self._filter is not None:
                pcm = self._filter.audio(pcm)
            self._listener.push(pcm)
            self._vad.push(pcm)
            recent = self._recent
            recent += pcm
            if len(recent) > self._recent_bytes:
                del recent[: -self._recent_bytes]
            if self._is_voice and not self._has_pitch:
                self._voice_bytes += len(pcm)
                if self._voice_bytes >= self._next_pitch:
                    self._look_for_pitch()
            if self._judge is not None:
                self._judge.push(pcm)
            if self._keys is not None:
                for digit in self._keys.push(pcm):
                    self._feed(events.DigitEntered(digit))

    def push_client(self, message: ClientAudio) -> None:
        """A client's audio at any rate; the first opens the input. An unsupported rate is refused once."""
        try:
            pcm = mono(message.pcm, message.channels)
            if not self._sample_rate:
                self.open(message.sample_rate)
            elif message.sample_rate != self._sample_rate:
                pcm = self._converted(pcm, message.sample_rate)
        except UsageError as error:
            if message.sample_rate != self._refused_rate:
                self._refused_rate = message.sample_rate
                self._tell(AgentError(str(error)))
            return
        self.push(pcm)

    def update(self, message: ClientVadUpdate) -> None:
        """The client changes the detector's times."""
        start = self._vad_params.start_s if message.start_s is None else message.start_s
        stop = self._vad_params.stop_s if message.stop_s is None else message.stop_s
        self._vad_params = replace(self._vad_params, start_s=start, stop_s=stop)
        if self._vad is not None:
            self._vad.update(self._vad_params)

    def use(self, agent: Agent) -> None:
        """Listens as this agent from the next utterance on: in its language."""
        self._agent = agent
        if self._listener is not None:
            self._listener.use_language(agent.profile.heard_language)

    def start(self, hints: SpeechHints | None) -> None:
        """The caller begins an utterance."""
        self._hints, self._interim = hints, ""
        if self._echo is not None:
            self._echo.utterance_began()
        if self._judge is not None:
            self._judge.start()
        if self._listener is not None:
            try:
                self._listener.start(hints)
            except VoxError as error:
                self._report(error)

    def pause(self) -> None:
        """The caller fell silent, perhaps only for breath."""
        if self._listener is not None:
            self._listener.pause()
        if self._judge is not None:
            self._judge.paused()

    def finish(self) -> None:
        """The utterance is over; a `TextArrived` follows, empty where nothing was understood or the recogniser failed."""
        if self._listener is None:
            self._feed(events.TextArrived(""))
            return
        task = self._spawn(self._transcribe(self._listener, self._listener.finish()), "transcribe")
        self._transcribing.add(task)
        task.add_done_callback(self._transcribing.discard)

    def cancel(self) -> None:
        """Throws away what was said; no `TextArrived` follows."""
        if self._judge is not None:
            self._judge.cancel()
        for task in self._transcribing:
            task.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def release(self) -> None:
        """Hears nothing any more; idempotent."""
        self._backlog.close()
        if self._vad is not None:
            self._vad.close()

    async def aclose(self) -> None:
        """Ends the recogniser's stream, whatever it answers to that."""
        self.release()
        if self._listener is None:
            return
        await _ended(self._listener)

    def _retire(self, stream: SttStream) -> None:
        self._spawn(_ended(stream), "end of a recogniser's stream")

    def _is_behind(self) -> bool:
        vad, listener = self._vad, self._listener
        return (vad is not None and vad.is_behind) or (listener is not None and listener.is_behind)

    def _waiting(self) -> int:
        return 0 if self._listener is None else self._listener.waiting

    def _converted(self, pcm: bytes, sample_rate: int) -> bytes:
        if self._converter is None or sample_rate != self._converter_rate:
            _check_rate(sample_rate)
            self._converter, self._converter_rate = Resampler(sample_rate, self._sample_rate), sample_rate
        return self._converter.process(pcm)

    def _speech_edge(self, edge: SpeechEdge) -> None:
        if not edge.is_speaking:
            if not self._is_withheld:
                self._feed(events.SpeechEnded())
            self._is_withheld = False
        elif not self._has_pitch and self._is_own_voice():
            self._is_withheld = True  # until `_look_for_pitch` hears another voice in it
            self._resources.metrics.counter(ECHOES).inc()
        else:
            self._feed(events.SpeechBegan(is_voiced=self._has_pitch or self._is_voiced()))

    def _voice_edge(self, is_voice: bool) -> None:
        self._is_voice, self._has_pitch = is_voice, False
        if is_voice:
            self._voice_bytes = 0
            self._look_for_pitch()
        else:
            self._feed(events.VoiceEnded())

    def _look_for_pitch(self) -> None:
        """Tells of a voice once it has a pitch: a cough is no reason to fall silent."""
        per_second = self._sample_rate * 2
        self._next_pitch = self._voice_bytes + int(PITCH_EVERY_S * per_second)
        is_long = self._voice_bytes >= LONGEST_COUGH_S * per_second
        if not (is_long or self._is_voiced()) or self._is_own_voice():
            return
        self._has_pitch = True
        is_withheld, self._is_withheld = self._is_withheld, False
        self._feed(events.SpeechBegan() if is_withheld else events.VoiceBegan())

    def _is_own_voice(self) -> bool:
        """Whether what is heard at this moment is the agent."""
        return self._echo is not None and self._echo.is_own_voice(bytes(self._recent), self._sample_rate)

    def _is_voiced(self) -> bool:
        recent = bytes(self._recent[-self._pitch_bytes :])
        return len(recent) < self._pitch_bytes // 2 or is_voiced(recent, self._sample_rate)

    async def _transcribe(self, listener: UtteranceRecognizer, utterance: Utterance) -> None:
        expected = self._expected
        try:
            with trace.span("transcribe"):
                transcript = await listener.transcript(utterance)
        except Exception as error:  # noqa: BLE001  a task's top: whatever a driver raises, the call goes on
            self._report(error)
            self._feed(events.TextArrived(""))
            return
        if transcript is None:
            return
        text = await self._chosen(transcript)
        self._times.transcribed()
        if self._echo is not None and self._echo.is_own_text(text):
            log.info("the agent heard its own voice", **{"pii.text": text})
            self._resources.metrics.counter(ECHOES).inc()
            self._feed(events.TextArrived("", expected, is_echo=True))
            return
        if self._filter is not None and text.strip() and not (text := self._filter.text(text)):
            self._feed(events.TextArrived("", expected, is_echo=True))
            return
        if self._on_transcript is not None:
            self._on_transcript(transcript)
        if text.strip():
            self._tell(UserTranscript(text, is_final=True, timestamp=self._timestamp()))
        self._feed(events.TextArrived(text, expected))
        if self._on_heard is not None:
            self._on_heard(text)

    async def _chosen(self, transcript: Transcript) -> str:
        """The text to answer: one transcript at a time, so that they stay in order."""
        async with self._choosing:
            if self._choose is None or not transcript.alternatives:
                return transcript.text
            try:
                async with asyncio.timeout(CHOICE_TIMEOUT_S):
                    return await self._choose(transcript)
            except TimeoutError:
                log.warning("the choice among transcripts takes too long")
            except Exception:  # whatever a driver raises, there is a text
                log.exception("the choice among transcripts failed")
            return transcript.text

    def _partial(self, transcript: Transcript) -> None:
        text = transcript.text
        if self._echo is not None and text.strip() and self._echo.may_be_own_text(text):
            return
        if self._filter is not None and not self._filter.is_for_agent():
            return
        if text.strip() and text != self._interim:
            self._interim = text
            self._tell(UserTranscript(text, is_final=False, timestamp=self._timestamp()))
        self._feed(events.PauseText(text, self._expected) if transcript.at_pause else events.PartialText(text))

    @property
    def _expected(self) -> Expected:
        return self._hints.expected if self._hints is not None else ""

    def _timestamp(self) -> str:
        return self._resources.clock.wall().isoformat(timespec="milliseconds")

    def _report(self, error: Exception) -> None:
        self._resources.metrics.counter(STT_ERRORS, "provider_error", "", "stt", "").inc()
        if isinstance(error, VoxError):
            log.warning("transcription failed", code=error.code, error=str(error))
            self._tell(AgentError(f"transcription failed: {error.code}"))
        else:
            log.error("transcription failed", exc_info=error)
            self._tell(AgentError("transcription failed"))


class _Tones:
    """Key tones and one more detector on the same audio."""

    def __init__(
        self, keys: "DtmfDetector | _Tones | None", push: Callable[[bytes], bool], on_heard: Callable[[], None]
    ) -> None:
        self._keys = keys
        self._push = push
        self._on_heard = on_heard

    def push(self, pcm: bytes) -> str:
        """Adds audio and returns the keys in it."""
        if self._push(pcm):
            self._on_heard()
        return self._keys.push(pcm) if self._keys is not None else ""


async def _ended(stream: SttStream | UtteranceRecognizer) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await stream.aclose()
    except Exception as error:  # noqa: BLE001  its place must be given back all the same
        log.warning("recogniser did not close", error=repr(error))


def _check_rate(sample_rate: int) -> None:
    if sample_rate not in INPUT_RATES:
        raise UsageError(
            f"audio at {sample_rate} Hz is not supported",
            code="invalid_sample_rate",
            hint=f"send one of {', '.join(map(str, sorted(INPUT_RATES)))} Hz",
        )
