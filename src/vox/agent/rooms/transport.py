"""A call's way out into a room: the agent's voice, what is said in writing, and what all may see of its state."""

from collections.abc import Callable
from typing import Final, TypeAlias

from vox.agent.call.session import Session
from vox.agent.config.resources import Resources
from vox.agent.transports.transcript_log import TranscriptLog, transcript_log
from vox.media.rooms.contract import RoomVoice
from vox.protocols.agent_events import (
    AgentEvent,
    BotInterrupted,
    ResponseStarted,
    ResponseStopped,
    SentenceProgress,
    SpeakingChanged,
    ToolProgress,
    UserTranscript,
)
from vox.protocols.media_stream import Encoding
from vox.runtime.clock import new_id

OnSaid: TypeAlias = Callable[[str, str, str], None]

SAMPLE_RATE: Final = 24_000
STATE: Final = "lk.agent.state"
"""The attribute that clients of the protocol show: `initializing`, `listening`, `thinking`, `speaking`."""
LISTENING_TO: Final = "vox.listening_to"
"""The attribute with the identity of the member who holds the floor; absent where the floor is free."""
CANNOT_HEAR: Final = "vox.cannot_hear"
"""The attribute that says why the agent hears no member: `encrypted`."""


class RoomTransport:
    """Implements `CallTransport` for one member of a room.

    Args:
        resources: what all calls share.
        voice: the member.
        writes: whether what is said is sent to the room in writing.
        on_said: takes each final utterance: its name, the speaker's identity and the text.
    """

    encoding: Encoding = "s16le"
    sample_rate = SAMPLE_RATE
    has_marks = False
    shows_progress = True
    client_wait_s = 0.0

    def __init__(self, resources: Resources, voice: RoomVoice, *, writes: bool, on_said: OnSaid | None = None) -> None:
        self.is_closed = False
        self.reason = ""
        self._resources = resources
        self._voice = voice
        self._writes = writes
        self._on_said = on_said
        self._segments: dict[str, str] = {}
        self._language = ""
        self._shown: dict[str, str] = {}
        self._log: TranscriptLog | None = None
        self._show(STATE, "initializing")

    def open(self, session: Session) -> None:
        """The call begins."""
        self._log = transcript_log(session, self._resources.settings)
        self._language = session.agent.profile.stt_language
        self._show(STATE, "listening")

    # What the input tells the room

    def listens_to(self, identity: str) -> None:
        """Shows who holds the floor."""
        self._show(LISTENING_TO, identity)

    def tap(self, identity: str, *, on: bool) -> None:
        """Has a member's audio come, or no more."""
        self._voice.listen(identity, on=on)

    def member_said(self, identity: str, text: str, *, is_final: bool) -> None:
        """Writes what a member says."""
        if self._log is not None:
            self._log.see(UserTranscript(text, is_final=is_final, timestamp=""))
        self._write(identity, identity, text, is_final=is_final)

    def cannot_hear(self, why: str) -> None:
        """Shows that no member is heard, or, where `why` is empty, that they are again."""
        self._show(CANNOT_HEAR, why)

    # The call's way out

    def send_audio(self, frame: bytes) -> None:
        """20 ms of the agent's voice."""
        self._voice.speak(frame, SAMPLE_RATE)

    def send_mark(self, name: str) -> None:
        """Does nothing, because the relay echoes no marks."""

    def clear_audio(self) -> None:
        """Has the relay throw away what it has not sent yet."""
        self._voice.flush()

    def send_event(self, event: AgentEvent) -> None:
        """Shows the agent's state and writes what it says."""
        if self._log is not None:
            self._log.see(event)
        match event:
            case SpeakingChanged(who="bot", is_speaking=is_speaking):
                self._show(STATE, "speaking" if is_speaking else "listening")
            case ResponseStarted() | ToolProgress(status="started"):
                if self._shown.get(STATE) != "speaking":
                    self._show(STATE, "thinking")
            case ResponseStopped() | BotInterrupted():
                pass
            case SentenceProgress():
                text = event.spoken if event.will_be_spoken else event.text
                is_final = event.status == "completed"
                if text or event.segment_id in self._segments:
                    self._write(event.segment_id, self._voice.place.identity, text, is_final=is_final)
            case _:
                pass

    def send_digits(self, digits: str) -> bool:
        """Tells the room which keys were pressed."""
        self._voice.send_digits(digits)
        return True

    def close(self, code: int, reason: str) -> None:
        """Ends the agent's stay; its owner has it leave."""
        del code
        if not self.is_closed:
            self.is_closed, self.reason = True, reason

    def _write(self, key: str, speaker: str, text: str, *, is_final: bool) -> None:
        """One utterance under one name until it is final; `key` is the sentence, or the member who speaks."""
        segment = self._segments.setdefault(key, new_id("seg"))
        if self._writes:
            self._voice.transcribe(segment, text, speaker=speaker, is_final=is_final, language=self._language)
        if is_final:
            del self._segments[key]
            if self._on_said is not None and text.strip():
                self._on_said(segment, speaker, text)

    def _show(self, name: str, value: str) -> None:
        if self._shown.get(name, "") != value:
            self._shown[name] = value
            self._voice.set_attributes({name: value})
