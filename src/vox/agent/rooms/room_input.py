"""What one agent hears of a room: a listener for each member, and the floor among them. Implements `CallerInput`.

The call's turn machine knows one caller; here that is the member who holds the floor. What the others say becomes whole turns by itself,
which enter the call as text once the floor is free and the agent silent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from functools import partial
from typing import Any, Final, Protocol

from vox.agent.call.caller_filter import Hearing
from vox.agent.call.conversation import Conversation
from vox.agent.call.echo_guard import EchoGuard
from vox.agent.call.speech_input import SpeechInput
from vox.agent.call.transport import PausesInput
from vox.agent.call.turn_latency import TurnLatency
from vox.agent.config.resources import Agent, Resources
from vox.agent.recording.recorder import Recorder
from vox.agent.rooms.floor import Floor
from vox.agent.rooms.member_listener import RATE, MemberListener
from vox.agent.turns import events
from vox.agent.turns.events import BotState
from vox.agent.turns.machine import TurnMachine
from vox.agent.turns.wake_phrase import WakePhrase
from vox.protocols.agent_events import AgentEvent, ClientAudio, ClientVadUpdate
from vox.providers.llm.contract import Declared
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.logging import get_logger

log = get_logger(__name__)

MAX_GONE: Final = 8
"""Listeners of members who left, that are still being understood."""


class RoomSide(Protocol):
    """What the input tells the room."""

    def listens_to(self, identity: str) -> None:
        """Who holds the floor from now on; empty for no member."""
        ...

    def tap(self, identity: str, *, on: bool) -> None:
        """Begins or ends hearing a member."""
        ...

    def member_said(self, identity: str, text: str, *, is_final: bool) -> None:
        """What a member says, in writing."""
        ...


class RoomInput:
    """The input of one call in a room.

    Args:
        room: is told who is listened to and what was understood.
        agent: whose recogniser and detector settings hold.
        resources: what all calls share.
        times: is told when things happen.
        feed: takes the call's events.
        tell: takes what a client should know; nothing here, because the room is told member by member.
        spawn: starts a coroutine as a task of the call.
        choose: picks one of the texts of a transcript that has alternatives.
        on_transcript: takes each final transcript that is for the agent.
        on_heard: takes each final text, with its speaker's name.
        recorder: is given the room's mix.
        transport: of no use here, because no sender in a room waits.
        echo: tells the agent's own voice from others'.
        caller_filter: changes what is heard of all members.
        guard: runs what a timer does, so that a failure ends the call and nothing else.
    """

    def __init__(
        self,
        agent: Agent,
        resources: Resources,
        times: TurnLatency,
        *,
        room: RoomSide,
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
        del tell, transport
        self._room = room
        self._agent = agent
        self._resources = resources
        self._clock = resources.clock
        self._times = times
        self._feed = feed
        self._spawn = spawn
        self._choose = choose
        self._on_transcript = on_transcript
        self._on_heard = on_heard
        self._recorder = recorder
        self._echo = echo
        self._shared = caller_filter
        self._guard = guard
        self._listeners: dict[str, MemberListener] = {}
        self._gone: list[MemberListener] = []
        self._floor = Floor()
        self._turns = TurnMachine(agent.profile.turn_policy())
        self._conversation = Conversation()
        self._vad = agent.profile.vad_params()

    # From the room

    def follow(self, turns: TurnMachine, conversation: Conversation) -> None:
        """Takes part in a call by its turns and its conversation; called once, before anything is heard."""
        self._turns, self._conversation = turns, conversation

    def attend(self, identity: str, name: str) -> bool:
        """Listens to a member; False where all listeners are taken, and none of them has been idle."""
        if identity in self._listeners:
            return True
        if len(self._listeners) >= self._agent.profile.rooms.max_speakers and not self._make_place():
            return False
        profile, settings = self._agent.profile, self._agent.profile.rooms
        wake = None
        if settings.answers == "addressed":
            wake = WakePhrase(settings.wake_phrases or [self._agent.title, self._agent.name], settings.wake_secs)
        policy = profile.turn_policy()
        listener = MemberListener(
            identity, name, self, policy, self._clock, self._make_input, wake=wake, shared=self._shared
        )
        self._listeners[identity] = listener
        self._room.tap(identity, on=True)
        return True

    def forget(self, identity: str) -> None:
        """A member left, or is not to be heard any more; what they have said so far is still answered."""
        listener = self._listeners.pop(identity, None)
        if listener is None:
            return
        self._room.tap(identity, on=False)
        listener.is_gone = True
        listener.hear(bytes(2 * RATE))
        self._gone.append(listener)
        if len(self._gone) > MAX_GONE:
            self._close(self._gone.pop(0))

    def hear(self, identity: str, pcm: bytes) -> None:
        """A member's audio at 16 kHz."""
        listener = self._listeners.get(identity)
        if listener is not None:
            listener.hear(pcm)

    def wrote(self, identity: str, text: str) -> None:
        """A member sent a text to the agent: it is answered in its turn, like speech."""
        self._wait(identity, text)

    def tick(self) -> None:
        """What is due, some times a second."""
        now = self._clock.now()
        for listener in (*self._listeners.values(), *self._gone):
            listener.tick(now)
        self._settle()
        for listener in [one for one in self._gone if one.is_free and self._floor.holder != one.identity]:
            self._gone.remove(listener)
            self._close(listener)
        self._answer_next()

    # From the listeners

    def takes(self, listener: MemberListener, event: events.Event) -> bool:
        """Gives the floor to who begins to speak where that is possible, and the holder's events to the call."""
        begins = isinstance(event, events.SpeechBegan | events.VoiceBegan)
        if (
            begins
            and listener.is_free
            and not self._floor.holder
            and self._turns.is_free
            and self._listener_of(listener.identity) is listener
        ):
            is_silent = self._turns.bot is BotState.SILENT
            if self._floor.take(
                listener.identity, is_agent_silent=is_silent, may_interrupt=self._may_interrupt(listener.identity)
            ):
                self._speaks(listener.identity, listener.name)
        if self._floor.holder != listener.identity or self._listener_of(listener.identity) is not listener:
            return False
        self._feed(event)
        self._settle()
        return True

    def said(self, listener: MemberListener, text: str) -> None:
        """A member spoke without the floor."""
        self._wait(listener.identity, text)

    def transcribed(self, listener: MemberListener, text: str, *, is_final: bool) -> None:
        """What a member says, for the room to read."""
        self._room.member_said(listener.identity, text, is_final=is_final)

    # From the call

    @property
    def stop_s(self) -> float:
        """How long after the last sound the detector says so, in seconds."""
        return self._vad.stop_s

    @property
    def sample_rate(self) -> int:
        """Of each member's audio."""
        return RATE

    def hear_tones(self, push: Callable[[bytes], bool], on_heard: Callable[[], None]) -> None:
        """Does nothing: no machine answers a room."""

    def open(self, sample_rate: int) -> None:
        """Begins to record the room's mix at this rate; listeners open as members come."""
        if self._recorder is not None:
            self._recorder.listen(sample_rate)

    def push(self, pcm: bytes) -> None:
        """The room's mix, which is recorded; what is understood comes by `hear`, member by member."""
        if self._recorder is not None and pcm:
            self._recorder.heard(pcm)

    def push_client(self, message: ClientAudio) -> None:
        """Does nothing: a room has no client's audio."""

    def update(self, message: ClientVadUpdate) -> None:
        """Changes the detectors' times."""
        for listener in self._listeners.values():
            listener.input.update(message)

    def use(self, agent: Agent) -> None:
        """Listens as this agent from the next utterance on."""
        self._agent = agent
        for listener in self._listeners.values():
            listener.input.use(agent)

    def start(self, hints: SpeechHints | None) -> None:
        """The holder of the floor begins an utterance."""
        if (listener := self._holder()) is not None:
            listener.input.start(hints)

    def pause(self) -> None:
        """The holder of the floor fell silent."""
        if (listener := self._holder()) is not None:
            listener.input.pause()

    def finish(self) -> None:
        """The holder's utterance is over."""
        if (listener := self._holder()) is not None:
            listener.input.finish()
        else:
            self._feed(events.TextArrived(""))

    def cancel(self) -> None:
        """Throws away what the holder said."""
        if (listener := self._holder()) is not None:
            listener.input.cancel()

    def release(self) -> None:
        """Hears no member any more; idempotent."""
        for listener in (*self._listeners.values(), *self._gone):
            listener.input.release()

    async def aclose(self) -> None:
        """Ends the recognisers' streams."""
        listeners = [*self._listeners.values(), *self._gone]
        self._listeners.clear()
        self._gone.clear()
        await asyncio.gather(*(listener.input.aclose() for listener in listeners))

    # Helpers

    def _make_input(self, listener: MemberListener) -> SpeechInput:
        return SpeechInput(
            self._agent,
            self._resources,
            self._times,
            feed=listener.hear_event,
            tell=listener.tell,
            spawn=self._spawn,
            choose=self._choose,
            on_transcript=self._on_transcript,
            on_heard=partial(self._heard, listener),
            echo=copy(self._echo),
            caller_filter=listener.filter,
            guard=self._guard,
        )

    def _settle(self) -> None:
        """Lets go of the floor once the call's turn machine owes its holder nothing."""
        if self._floor.holder and self._turns.is_free:
            self._floor.release()
            self._room.listens_to("")

    def _answer_next(self) -> None:
        if self._turns.bot is not BotState.SILENT or not self._turns.is_free:
            return
        following = self._floor.next()
        if following is not None:
            identity, text = following
            self._speaks(identity, self._name(identity))
            self._feed(events.TypedText(text))

    def _speaks(self, identity: str, name: str) -> None:
        """Who is heard from now on; a script that waits for certain words is given them without a name."""
        self._conversation.speaker = "" if isinstance(self._agent.llm, Declared) else name
        self._room.listens_to(identity)

    def _wait(self, identity: str, text: str) -> None:
        if not self._floor.wait(identity, text):
            log.warning("too many members wait for the agent")
        self._answer_next()

    def _may_interrupt(self, identity: str) -> bool:
        settings = self._agent.profile.rooms
        if not self._turns.policy.allow_interruptions:
            return False
        if identity in settings.interrupters or settings.interrupted_by == "anyone":
            return True
        return settings.interrupted_by == "speaker" and identity == self._floor.answered

    def _heard(self, listener: MemberListener, text: str) -> None:
        if self._on_heard is not None and text.strip():
            self._on_heard(f"{listener.name}: {text}")

    def _holder(self) -> MemberListener | None:
        return self._listener_of(self._floor.holder)

    def _listener_of(self, identity: str) -> MemberListener | None:
        return self._listeners.get(identity) or next((one for one in self._gone if one.identity == identity), None)

    def _name(self, identity: str) -> str:
        listener = self._listener_of(identity)
        return listener.name if listener is not None else identity

    def _make_place(self) -> bool:
        """Stops listening to the member who has been silent for longest and is not being understood."""
        idle = [one for one in self._listeners.values() if one.is_free and one.identity != self._floor.holder]
        if not idle:
            return False
        self.forget(min(idle, key=lambda one: one.spoke_at).identity)
        return True

    def _close(self, listener: MemberListener) -> None:
        listener.input.release()
        self._spawn(listener.input.aclose(), "end of a listener")
