"""How a realtime model hears the caller: as a recogniser that hands utterances over and need not wait for their text.

The call's turn machine wants a text for each utterance. The model answers the sound itself, so where the agent is silent an
utterance is answered at once, under a name that stands for its text until the vendor has written it down. While the agent speaks,
a short utterance may be mere agreement: there the text is waited for.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from vox.agent.call.conversation import INAUDIBLE
from vox.protocols.agent_events import AgentEvent, UserTranscript
from vox.providers.realtime.contract import CallerText, RealtimeSession
from vox.providers.realtime.stages import RealtimeStages
from vox.providers.stt.contract import SpeechHints, SttStream, Transcript
from vox.runtime.clock import Clock

LONG_S: Final = 1.6
"""Of audio, with the pauses around it: what is longer is no agreement, whatever was said."""
TEXT_WAIT_S: Final = 1.5
"""For the text of a short utterance while the agent speaks."""
NAME: Final = "(utterance "
"""Begins the names that stand for texts."""
MAX_UNWRITTEN: Final = 32
"""Utterances whose text is still awaited; the oldest are given up."""


@dataclass(slots=True, eq=False)
class _Utterance:
    """One whose text is still to come: the name that stands for it, and who waits for the text."""

    name: str
    waiting: asyncio.Future[str] | None = None


class Live(Protocol):
    """What the ear needs of the call's realtime side."""

    @property
    def session(self) -> RealtimeSession:
        """The present session."""
        ...

    @property
    def is_answering(self) -> bool:
        """Whether an answer is under way."""
        ...

    def connect(self) -> None:
        """Opens a session where the last is gone."""
        ...

    def reword(self, text: str, by: str) -> None:
        """Puts a text in the conversation in place of the name that stood for it."""
        ...


class RealtimeEar(RealtimeStages):
    """The recogniser of one call with a realtime model.

    Args:
        live: the call's realtime side.
        sample_rate: that the model wants.
        tell: takes what the client should know.
        clock: of transcripts' timestamps.
        needs_words: whether it depends on the words what interrupts the agent.
        on_heard: takes the text of each utterance, once it is written down.
    """

    def __init__(
        self,
        live: Live,
        sample_rate: int,
        tell: Callable[[AgentEvent], None],
        clock: Clock,
        *,
        needs_words: bool,
        on_heard: Callable[[str], None] | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self._live = live
        self._needs_words = needs_words
        self._on_heard = on_heard
        self._tell = tell
        self._clock = clock
        self._count = 0
        self._unwritten: dict[int, _Utterance] = {}
        self._spoken: list[str] = []

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> SttStream:
        """The stream of the call."""
        return _EarStream(self, self.sample_rate)

    def tell(self, event: AgentEvent) -> None:
        """Passes events on to the client, without the names that stand for unwritten utterances."""
        if not (isinstance(event, UserTranscript) and event.is_final and event.text.startswith(NAME)):
            self._tell(event)

    def written(self, said: CallerText) -> None:
        """The vendor has written down what was said."""
        utterance = self._unwritten.get(said.utterance)
        if utterance is None:
            return
        if said.is_final:
            del self._unwritten[said.utterance]
        if utterance.waiting is not None:
            if said.is_final and not utterance.waiting.done():
                utterance.waiting.set_result(said.text)
            return
        if said.is_final and said.text and self._on_heard is not None:
            self._on_heard(said.text)
        if said.is_final:
            text = said.text or INAUDIBLE
            self._live.reword(utterance.name, text)
            self._spoken = [text if spoken == utterance.name else spoken for spoken in self._spoken]
        if said.text:
            timestamp = self._clock.wall().isoformat(timespec="milliseconds")
            self._tell(UserTranscript(said.text, is_final=said.is_final, timestamp=timestamp))

    def heard(self, text: str) -> None:
        """The turn machine has got a text, and what that cuts off is settled; a name's text follows by `written`."""
        if self._on_heard is not None and not text.startswith(NAME):
            self._on_heard(text)

    def session_changed(self) -> None:
        """What the last session has not written down is never written down."""
        self._unwritten.clear()

    def without_spoken(self, text: str) -> str:
        """The part of a caller's message that the model has not heard: what was typed or pressed."""
        for spoken in self._spoken:
            text = text.replace(spoken, "", 1)
        return text.strip()

    def forget_spoken(self) -> None:
        """The conversation is in step with the session."""
        self._spoken.clear()

    @property
    def session(self) -> RealtimeSession:
        """The present session."""
        return self._live.session

    def connect(self) -> None:
        """Opens a session where the last is gone."""
        self._live.connect()

    async def finish(self, seconds: float) -> Transcript:
        """The utterance of so many seconds is over."""
        number = self.session.commit()
        self._count += 1
        utterance = self._unwritten[number] = _Utterance(f"{NAME}{self._count})")
        if len(self._unwritten) > MAX_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]
        text = utterance.name
        if self._live.is_answering and (seconds < LONG_S or self._needs_words):
            utterance.waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(TEXT_WAIT_S):
                    text = await utterance.waiting
            except TimeoutError:
                utterance.waiting = None
        if text:
            self._spoken.append(text)
            del self._spoken[:-MAX_UNWRITTEN]
        return Transcript(text)


class _EarStream:
    def __init__(self, ear: RealtimeEar, sample_rate: int) -> None:
        self._ear = ear
        self._sample_rate = sample_rate
        self._bytes = 0

    def start(self, hints: SpeechHints | None) -> None:
        self._bytes = 0
        self._ear.connect()

    def push(self, pcm: bytes) -> None:
        self._bytes += len(pcm)
        self._ear.session.push(pcm)

    def pause(self) -> None:
        """The model hears pauses by itself."""

    async def finish(self) -> Transcript:
        return await self._ear.finish(self._bytes / 2 / self._sample_rate)

    def cancel(self) -> None:
        self._bytes = 0
        self._ear.session.clear()

    async def aclose(self) -> None:
        """The session is its owner's."""
