"""The agent's listener for one member of a room: a detector and a recogniser of their own.

While the member holds the floor, their events belong to the call's turn machine. Otherwise a turn machine of their own, without an
agent's side, makes whole turns of what they say; those wait for the floor.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from vox.agent.call.caller_filter import Hearing
from vox.agent.call.speech_input import SpeechInput
from vox.agent.turns import events
from vox.agent.turns.machine import TurnMachine
from vox.agent.turns.wake_phrase import WakePhrase
from vox.protocols.agent_events import AgentEvent, UserTranscript
from vox.runtime.clock import Clock

RATE: Final = 16_000
PAUSE_S: Final = 0.5
"""Without audio for so long, the microphone is off: the turn must end although no silence arrives."""
_SILENCE: Final = bytes(2 * RATE)


class ListenerOwner(Protocol):
    """What a listener tells, and asks."""

    def takes(self, listener: "MemberListener", event: events.Event) -> bool:
        """Whether the event is the call's, because the member holds the floor or takes it by this."""
        ...

    def said(self, listener: "MemberListener", text: str) -> None:
        """The member has said a whole turn without holding the floor."""
        ...

    def transcribed(self, listener: "MemberListener", text: str, *, is_final: bool) -> None:
        """What the member says, for the room to read."""
        ...


class Addressed:
    """Lets through what is meant for the agent, and tells the room what is not. Implements `Hearing` of one member.

    Args:
        shared: the agent's own filter, which goes first; None where it has none.
        wake: the agent's name; None where all that is said is meant for it.
        clock: the call's.
        on_aside: takes a text that is not for the agent.
    """

    def __init__(
        self, shared: Hearing | None, wake: WakePhrase | None, clock: Clock, on_aside: Callable[[str], None]
    ) -> None:
        self._shared = shared
        self._wake = wake
        self._clock = clock
        self._on_aside = on_aside
        self.whole = ""

    def audio(self, pcm: bytes) -> bytes:
        """What is heard of a piece of audio."""
        return pcm if self._shared is None else self._shared.audio(pcm)

    def is_for_agent(self) -> bool:
        """Whether a text that is not complete yet may be for the agent."""
        is_awake = self._wake is None or self._wake.is_awake(self._clock.now())
        return is_awake and (self._shared is None or self._shared.is_for_agent())

    def text(self, text: str) -> str:
        """What of a final text is for the agent; `whole` is then all of it."""
        passed = text if self._shared is None else self._shared.text(text)
        if passed and self._wake is not None:
            passed = self._wake.passed(passed, self._clock.now())
        self.whole = text if passed else ""
        if not passed:
            self._on_aside(text)
        return passed


class MemberListener:
    """One member's.

    Args:
        identity: of the member.
        name: what the agent calls them.
        owner: is told what is heard.
        policy: of the agent's turns.
        clock: the call's.
        make: makes the detector and recogniser, which feed `hear_event` and tell `tell`.
        wake: the agent's name, where the member has to say it.
        shared: the agent's own filter of what it hears.

    Attributes:
        heard_at: when the member's audio came last, on the clock.
        spoke_at: when they began to speak last.
        is_gone: whether the member has left, and the listener is closed once what they said is understood.
        input: the detector and the recogniser.
    """

    def __init__(
        self,
        identity: str,
        name: str,
        owner: ListenerOwner,
        policy: events.TurnPolicy,
        clock: Clock,
        make: Callable[["MemberListener"], SpeechInput],
        *,
        wake: WakePhrase | None,
        shared: Hearing | None,
    ) -> None:
        self.identity = identity
        self.name = name
        self.heard_at = clock.now()
        self.spoke_at = float("-inf")
        self.is_gone = False
        self.filter = Addressed(shared, wake, clock, self._aside)
        self._owner = owner
        self._clock = clock
        self._machine = TurnMachine(replace(policy, idle_timeout_s=0.0, max_idle=0))
        self._is_paused = True
        self.input = make(self)
        self.input.open(RATE)

    @property
    def is_free(self) -> bool:
        """Whether nothing that the member said apart from the floor is still being understood."""
        return self._machine.is_free

    def hear(self, pcm: bytes) -> None:
        """The member's audio at `RATE`."""
        self.heard_at, self._is_paused = self._clock.now(), False
        self.input.push(pcm)

    def tick(self, now: float) -> None:
        """What is due, some times a second: the end of an utterance whose audio stopped, and the machine's own times."""
        if not self._is_paused and now - self.heard_at > PAUSE_S:
            self._is_paused = True
            self.input.push(_SILENCE)
        deadline = self._machine.next_deadline()
        if deadline is not None and deadline <= now:
            self._carry_out(self._machine.handle_timeout(now))

    def hear_event(self, event: events.Event) -> None:
        """An event of the detector or the recogniser."""
        now = self._clock.now()
        if isinstance(event, events.SpeechBegan | events.VoiceBegan):
            self.spoke_at = now
        if not self._owner.takes(self, event):
            self._carry_out(self._machine.handle(event, now))

    def tell(self, event: AgentEvent) -> None:
        """What a client would be told of this member's speech."""
        if isinstance(event, UserTranscript):
            whole = self.filter.whole if event.is_final else ""
            self._owner.transcribed(self, whole or event.text, is_final=event.is_final)

    def _aside(self, text: str) -> None:
        self._owner.transcribed(self, text, is_final=True)

    def _carry_out(self, actions: list[events.Action]) -> None:
        for action in actions:
            match action:
                case events.StartListening():
                    self.input.start(None)
                case events.PauseListening():
                    self.input.pause()
                case events.FinishListening():
                    self.input.finish()
                case events.CancelListening():
                    self.input.cancel()
                case events.Respond():
                    self._machine.handle(events.BotThinking(), self._clock.now())
                    self._machine.handle(events.BotFinished(), self._clock.now())
                    self._owner.said(self, action.text)
                case _:  # there is no agent to hold, and no client to tell
                    pass
