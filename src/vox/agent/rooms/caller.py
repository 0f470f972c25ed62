"""A telephone caller in a voice room: the code, the room's sound, keys, and the end. It takes the place of `Session` on a carrier's stream.

The caller hears the room's mix without themselves. What is said to them alone (`RoomLine`) is spoken in place of the mix, in the voice of
one of the configured agents. Every wait has an end: for a digit, for the chat server, for the relay, for the stay as a whole.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from vox.agent.call.conversation import fill
from vox.agent.call.speakable import SpeakableText
from vox.agent.call.speech_output import FRAME_S, SpeechOutput
from vox.agent.call.transport import CallInfo, CallTransport
from vox.agent.config.resources import Agent, Resources
from vox.agent.config.rooms import RoomLine
from vox.agent.rooms.metrics import CODES, JOINS, MEMBERS
from vox.agent.rooms.relays import Relays
from vox.agent.rooms.room_codes import Entry, RoomCodes
from vox.agent.rooms.room_keys import CodeEntry, KeyCommand, RoomKeys
from vox.errors import UsageError, VoxError
from vox.media import g711
from vox.media.dtmf import DtmfDetector
from vox.media.resample import Resampler
from vox.media.rooms.contract import RoomVoice
from vox.protocols.relay_voices import (
    RATES,
    DataReceived,
    DigitsReceived,
    Heard,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    Muted,
    Refused,
    Removed,
    RoomEvent,
    SpeakersChanged,
    TextReceived,
)
from vox.runtime.logging import bound_fields, get_logger

log = get_logger(__name__)

JOIN_TIMEOUT_S: Final = 10.0
LONGEST_TEXT_S: Final = 30.0
MAX_DIGITS: Final = 64
MAX_ANNOUNCEMENTS: Final = 8
HAND: Final = "vox.hand_raised"
"""The attribute of a caller who has raised a hand: `true`, else absent."""
CALL_STATUS: Final = "sip.callStatus"
MIX: Final = ""
_ROOM_RATE: Final = 16_000
_CLOSED: Final = frozenset({"room_deleted", "room_closed"})
SIP: Final = "sip"


@dataclass(frozen=True, slots=True)
class LineParts:
    """What callers of one server share.

    Attributes:
        resources: of the server.
        settings: of the line.
        codes: asks which room a caller enters.
        relays: where rooms are.
    """

    resources: Resources
    settings: RoomLine
    codes: RoomCodes
    relays: Relays


class RoomCaller:
    """One caller; `run` is the call. The other methods are those of `Session` that a carrier's stream calls.

    Args:
        parts: what callers share.
        agent: whose voice speaks to the caller.
        transport: the carrier's stream.
        info: of the call.
        input_rate: of the caller's audio, in Hz.
    """

    keeper = None

    def __init__(
        self, parts: LineParts, agent: Agent, transport: CallTransport, info: CallInfo, *, input_rate: int
    ) -> None:
        resources = parts.resources
        self.info = info
        self.agent = agent
        self._settings = parts.settings
        self._codes = parts.codes
        self._relays = parts.relays
        self._metrics = resources.metrics
        self._clock = resources.clock
        self._transport = transport
        self._played = asyncio.Event()
        self._output = SpeechOutput(
            transport,
            resources.pacer,
            resources.clock,
            on_audible=_nothing,
            on_played=self._played.set,
            on_progress=_ignored,
            on_broken=partial(self.end, 1011, "failed"),
        )
        self._over = asyncio.Event()
        self._wants_out = asyncio.Event()
        self._reason = "hung_up"
        self._digits: asyncio.Queue[str] = asyncio.Queue(MAX_DIGITS)
        self._announcements: asyncio.Queue[str] = asyncio.Queue(MAX_ANNOUNCEMENTS)
        self._voice: RoomVoice | None = None
        self._keys = RoomKeys()
        self._tones = DtmfDetector(input_rate) if agent.profile.hear_keys else None
        self._input_rate = input_rate
        self._to_room = None if input_rate in RATES else Resampler(input_rate, _ROOM_RATE)
        self._mix_rate = transport.sample_rate if transport.sample_rate in RATES else _ROOM_RATE
        self._from_room = (
            None if self._mix_rate == transport.sample_rate else Resampler(_ROOM_RATE, transport.sample_rate)
        )
        self._frame_bytes = int(transport.sample_rate * FRAME_S) * 2
        self._heard = bytearray()
        self._is_muted = self._has_hand_up = self._knows_encryption = False

    # From the carrier's stream

    def audio(self, pcm: bytes) -> None:
        """The caller's audio, s16le mono."""
        if self._tones is not None:
            for digit in self._tones.push(pcm):
                self.digit(digit)
        if self._voice is not None and not self._is_muted:
            if self._to_room is not None:
                self._voice.speak(self._to_room.process(pcm), _ROOM_RATE)
            else:
                self._voice.speak(pcm, self._input_rate)

    def digit(self, digit: str) -> None:
        """The caller pressed a key."""
        if self._voice is not None:
            self._command(self._voice, self._keys.press(digit, self._clock.now()))
        else:
            with suppress(asyncio.QueueFull):
                self._digits.put_nowait(digit)

    def mark_reached(self, name: str) -> None:
        """The carrier has played up to a mark."""
        self._output.mark_reached(name)

    def heard_from(self, now: float) -> None:
        """Does nothing: a caller may be silent for as long as they like."""

    def hang_up(self, reason: str = "hung_up") -> None:
        """The call is over; idempotent."""
        if not self._over.is_set():
            self._reason = reason
            self._over.set()

    def end(self, code: int, reason: str) -> None:
        """Ends the call from our side."""
        self.hang_up(reason)
        self._transport.close(code, reason)

    # The call

    async def run(self) -> None:
        """Carries the call to its end; never raises but on cancellation."""
        with bound_fields(call_id=self.info.call_id):
            log.info("caller at the door of rooms", transport=self.info.transport)
            try:
                async with asyncio.TaskGroup() as tasks:
                    visit = tasks.create_task(self._visit(), name="visit of a room")
                    over = tasks.create_task(self._until_over(), name="end of a visit")
                    await asyncio.wait((visit, over), return_when=asyncio.FIRST_COMPLETED)
                    visit.cancel()
                    over.cancel()
            except* Exception:  # the top of a call: the others go on
                log.exception("caller's visit failed")
                self._reason = "failed"
            finally:
                if self._voice is not None:
                    await self._voice.leave()
                self._output.close()
                self.end(1000, self._reason)
                log.info("caller left", reason=self._reason)

    async def _until_over(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.max_secs):
                await self._over.wait()
                return
        self._reason = "max_duration"

    async def _visit(self) -> None:
        settings = self._settings
        try:
            entry = await self._enter()
            if entry is None:
                await self._say(settings.goodbye)
                return
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                voice = await self._relays.at(entry.media_url).join(entry.token)
        except (VoxError, TimeoutError) as error:
            code = error.code if isinstance(error, VoxError) else "relay_unreachable"
            log.warning("a caller cannot enter a room", code=code)
            self._metrics.counter(JOINS, SIP, code).inc()
            self._reason = "unavailable"
            await self._say(settings.unavailable)
            return
        self._voice = voice
        self._metrics.counter(JOINS, SIP, "joined").inc()
        gauge = self._metrics.gauge(MEMBERS, SIP)
        gauge.inc()
        try:
            await self._stay(voice, entry.room_name)
        finally:
            gauge.dec()

    async def _enter(self) -> Entry | None:
        """The room that the caller has the code of; None where they have no more attempts, or enter nothing.

        Raises:
            VoxError: the chat server does not say.
        """
        codes, info = self._codes, self.info
        if not await codes.needs_code(info.callee):
            return await codes.enter(info.callee, "", caller=info.caller, call_id=info.call_id)
        text = self._settings.ask_code
        for _ in range(self._settings.attempts):
            code = await self._code(text)
            if not code:
                self._metrics.counter(CODES, "none").inc()
                return None
            try:
                entry = await codes.enter(info.callee, code, caller=info.caller, call_id=info.call_id)
            except UsageError as error:
                self._metrics.counter(CODES, "wrong").inc()
                if error.code == "room_codes_too_many":
                    break
                text = f"{self._settings.wrong_code} {self._settings.ask_code}"
            else:
                self._metrics.counter(CODES, "right").inc()
                return entry
        await self._say(self._settings.wrong_code)
        return None

    async def _code(self, text: str) -> str:
        """The code that the caller enters, who need not hear the text out; empty where they enter nothing."""
        entry = CodeEntry(self._settings.code_digits)
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(self._say(text), name="ask for a code")
            first = tasks.create_task(self._digits.get(), name="first digit of a code")
            await asyncio.wait((saying, first), return_when=asyncio.FIRST_COMPLETED)
            try:
                async with asyncio.timeout(self._settings.code_secs):
                    digit = await first
            except TimeoutError:
                return ""
            self._cut()
            saying.cancel()
        while not (code := entry.press(digit)):
            try:
                async with asyncio.timeout(self._settings.code_secs):
                    digit = await self._digits.get()
            except TimeoutError:
                return entry.take()
        return code

    async def _stay(self, voice: RoomVoice, room_name: str) -> None:
        """In the room, until the caller leaves or is removed."""
        voice.set_attributes({CALL_STATUS: "active"})
        voice.mix(self._mix_rate)
        self._announce(fill(self._settings.welcome, {"room": room_name or voice.place.room}))
        reason = "left"
        async with asyncio.TaskGroup() as tasks:
            announcing = tasks.create_task(self._announce_all(), name="announcements to a caller")
            leaving = tasks.create_task(self._leave_on_key(voice), name="a caller leaves")
            async for event in voice.events():
                self._see(event)
                if isinstance(event, Removed):
                    reason = event.reason
            announcing.cancel()
            leaving.cancel()
        self._voice = None
        if reason == "left":
            self._reason = "left"
            await self._say(self._settings.goodbye)
            return
        self._reason = reason
        settings = self._settings
        await self._say(
            settings.closed if reason in _CLOSED else settings.removed if reason == "removed" else settings.unavailable
        )

    def _see(self, event: RoomEvent) -> None:
        match event:
            case Heard(identity=identity, pcm=pcm):
                if identity == MIX:
                    self._hear(pcm)
            case Muted(is_muted=is_muted):
                if is_muted != self._is_muted:
                    self._is_muted = is_muted
                    self._announce(self._settings.muted if is_muted else self._settings.unmuted)
            case MemberJoined(member=member) | MemberChanged(member=member):
                if member.is_encrypted and member.has_audio and not self._knows_encryption:
                    self._knows_encryption = True
                    self._announce(self._settings.encrypted)
            case Refused(command=command, code=code):
                log.warning("the relay refused a command", command=command, code=code)
            case MemberLeft() | SpeakersChanged() | DataReceived() | TextReceived() | DigitsReceived() | Removed():
                pass
            case _:
                assert_never(event)

    def _hear(self, pcm: bytes) -> None:
        """The room's sound, in whole frames; while the line itself speaks to the caller, it is left out."""
        if self._output.is_busy():
            self._heard.clear()
            return
        self._heard += pcm if self._from_room is None else self._from_room.process(pcm)
        while len(self._heard) >= self._frame_bytes:
            frame = bytes(self._heard[: self._frame_bytes])
            del self._heard[: self._frame_bytes]
            encoding = self._transport.encoding
            self._transport.send_audio(frame if encoding == "s16le" else g711.encode(frame, encoding))

    def _command(self, voice: RoomVoice, pressed: KeyCommand | str) -> None:
        settings = self._settings
        match pressed:
            case KeyCommand.MUTE:
                self._is_muted = not self._is_muted
                voice.mute(on=self._is_muted)
                self._announce(settings.muted if self._is_muted else settings.unmuted)
            case KeyCommand.HAND:
                self._has_hand_up = not self._has_hand_up
                voice.set_attributes({HAND: "true" if self._has_hand_up else ""})
                self._announce(settings.hand_raised if self._has_hand_up else settings.hand_lowered)
            case KeyCommand.LEAVE:
                self._wants_out.set()
            case _:
                if pressed:
                    voice.send_digits(pressed)

    async def _leave_on_key(self, voice: RoomVoice) -> None:
        await self._wants_out.wait()
        self._voice = None
        await voice.leave()

    # What is said to the caller

    def _announce(self, text: str) -> None:
        if text:
            with suppress(asyncio.QueueFull):
                self._announcements.put_nowait(text)

    async def _announce_all(self) -> None:
        while True:
            await self._say(await self._announcements.get())

    async def _say(self, text: str) -> None:
        """Says a text and returns once it was heard; a voice that fails says nothing."""
        if not text:
            return
        profile = self.agent.profile
        language = profile.stt_language or None
        answer = self._output.begin()
        self._played.clear()
        spoken = SpeakableText(profile.stt_language, says_numbers=profile.text_normalization).piece(text)
        try:
            async with asyncio.timeout(LONGEST_TEXT_S):
                await self._output.speak(
                    answer, self.agent.tts, spoken, voice=profile.tts_voice or None, language=language
                )
                self._output.end(answer)
                await self._played.wait()
        except (VoxError, TimeoutError) as error:
            log.warning("a text for a caller was not said", error=str(error))
            self._cut()

    def _cut(self) -> None:
        self._output.cut()
        self._played.set()


def _nothing() -> None:
    """Does nothing: a caller's client shows nothing."""


def _ignored(segment: int) -> None:
    """Does nothing with the progress of a sentence."""
