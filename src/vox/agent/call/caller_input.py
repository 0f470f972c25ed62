"""What a call needs of the side that it hears: one caller's, or that of all who talk in a room.

`SpeechInput` is the one of a single caller. Who makes another gets what that gets, and sends the same events.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from vox.agent.call.caller_filter import Hearing
from vox.agent.call.echo_guard import EchoGuard
from vox.agent.call.transport import PausesInput
from vox.agent.call.turn_latency import TurnLatency
from vox.agent.config.resources import Agent, Resources
from vox.agent.recording.recorder import Recorder
from vox.agent.turns import events
from vox.protocols.agent_events import AgentEvent, ClientAudio, ClientVadUpdate
from vox.providers.stt.contract import SpeechHints, Transcript


class CallerInput(Protocol):
    """Audio goes in, events of the turn machine come out; `start` to `cancel` carry out what that decides."""

    @property
    def stop_s(self) -> float:
        """How long after the last sound the detector says so, in seconds."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of the line's audio in Hz; 0 before there is any."""
        ...

    def hear_tones(self, push: Callable[[bytes], bool], on_heard: Callable[[], None]) -> None:
        """Gives all further audio to a detector as well, and tells of what it hears."""
        ...

    def open(self, sample_rate: int) -> None:
        """Begins to listen at this rate; raises UsageError where it cannot."""
        ...

    def push(self, pcm: bytes) -> None:
        """Audio at the rate of `open`, s16le mono."""
        ...

    def push_client(self, message: ClientAudio) -> None:
        """A client's audio at any rate."""
        ...

    def update(self, message: ClientVadUpdate) -> None:
        """Changes the detector's times."""
        ...

    def use(self, agent: Agent) -> None:
        """Listens as this agent from the next utterance on."""
        ...

    def start(self, hints: SpeechHints | None) -> None:
        """An utterance begins."""
        ...

    def pause(self) -> None:
        """Silence, perhaps only for breath."""
        ...

    def finish(self) -> None:
        """The utterance is over; a `TextArrived` follows."""
        ...

    def cancel(self) -> None:
        """Throws away what was said; no `TextArrived` follows."""
        ...

    def release(self) -> None:
        """Hears nothing any more; idempotent."""
        ...

    async def aclose(self) -> None:
        """Ends the recogniser's streams."""
        ...


class MakeInput(Protocol):
    """Makes the input of a call; the arguments are those of `SpeechInput`."""

    def __call__(
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
    ) -> CallerInput:
        """The input."""
        ...
