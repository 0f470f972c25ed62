"""A room that a test plays: it says who comes, speaks and writes, and remembers what the member in it does."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from vox.media.rooms.contract import Place
from vox.protocols.relay_voices import (
    CHAT_TOPIC,
    Heard,
    Member,
    MemberChanged,
    MemberJoined,
    MemberKind,
    MemberLeft,
    Removed,
    RoomEvent,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One transcription as the room got it."""

    segment: str
    text: str
    speaker: str
    is_final: bool


@dataclass(slots=True)
class PlayedVoice:
    """Implements `RoomVoice`."""

    place: Place = field(default_factory=lambda: Place("lobby", "agent-1", "PA_1", "TR_1"))
    spoken: list[tuple[float, bytes, int]] = field(default_factory=list)
    flushes: int = 0
    taps: dict[str, bool] = field(default_factory=dict)
    mix_rate: int | None = None
    is_muted: bool = False
    data: list[tuple[str, bytes]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    digits: str = ""
    lines: list[Line] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    history: list[tuple[str, str]] = field(default_factory=list)
    metadata: str = ""
    has_left: bool = False
    _events: asyncio.Queue[RoomEvent] = field(default_factory=asyncio.Queue)

    # The room

    def tell(self, event: RoomEvent) -> None:
        self._events.put_nowait(event)

    def enters(self, identity: str, name: str = "", *, kind: MemberKind = "standard", encrypted: bool = False) -> None:
        self.tell(
            MemberJoined(
                Member(identity, name or identity, kind, has_audio=True, is_encrypted=encrypted, track=f"TR_{identity}")
            )
        )

    def changes(self, member: Member) -> None:
        self.tell(MemberChanged(member))

    def leaves(self, identity: str) -> None:
        self.tell(MemberLeft(identity))

    def sounds(self, identity: str, pcm: bytes) -> None:
        self.tell(Heard(identity, pcm))

    def said(self, speaker: str, *, is_final: bool = True) -> list[str]:
        return [line.text for line in self.lines if line.speaker == speaker and line.is_final is is_final]

    def shown(self, name: str) -> list[str]:
        """What an attribute was, one after the other."""
        return [value for key, value in self.history if key == name]

    # The member

    async def events(self) -> AsyncIterator[RoomEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Removed):
                return

    def speak(self, pcm: bytes, rate: int) -> None:
        self.spoken.append((asyncio.get_running_loop().time(), pcm, rate))

    def flush(self) -> None:
        self.flushes += 1

    def queued_ms(self) -> int:
        return 0

    def listen(self, identity: str, *, on: bool) -> None:
        self.taps[identity] = on

    def mix(self, rate: int | None) -> None:
        self.mix_rate = rate

    def mute(self, *, on: bool) -> None:
        self.is_muted = on

    def send_data(self, payload: bytes, *, topic: str = "", is_reliable: bool = True, to: Sequence[str] = ()) -> None:
        self.data.append((topic, payload))

    def send_text(self, text: str, *, topic: str = CHAT_TOPIC, to: Sequence[str] = ()) -> None:
        self.texts.append(text)

    def send_digits(self, digits: str) -> None:
        self.digits += digits

    def transcribe(self, segment: str, text: str, *, speaker: str, is_final: bool, language: str = "") -> None:
        self.lines.append(Line(segment, text, speaker, is_final))

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        for name, value in attributes.items():
            self.history.append((name, value))
            if value:
                self.attributes[name] = value
            else:
                self.attributes.pop(name, None)

    def set_metadata(self, metadata: str) -> None:
        self.metadata = metadata

    async def leave(self) -> None:
        if not self.has_left:
            self.has_left = True
            self.tell(Removed("left"))
