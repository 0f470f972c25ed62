"""An agent in a room without a network: the room, each member's detector and recogniser, and the model under the test's hand."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from tests.fakes.loop import VirtualClock
from tests.fakes.room_voice import PlayedVoice
from tests.unit.agent.call_harness import Detector, Ear, Mind, Voice
from vox.agent.call.transport import CallInfo
from vox.agent.config.profile import AgentProfile
from vox.agent.config.resources import Agent, Resources
from vox.agent.config.settings import AgentSettings
from vox.agent.rooms.member import Invitation, RoomAgent
from vox.media.voice_activity import SpeechEdge, VadParams
from vox.protocols.relay_voices import MemberKind
from vox.providers.stt.contract import Transcript
from vox.runtime.metrics import Metrics


class Detectors:
    """One detector for each ear, in the order in which they open."""

    def __init__(self) -> None:
        self.all: list[Detector] = []

    async def check(self) -> None:
        return None

    def open(
        self,
        *,
        on_edge: Callable[[SpeechEdge], None],
        on_voice: Callable[[bool], None],
        sample_rate: int,
        params: VadParams,
    ) -> Detector:
        detector = Detector()
        self.all.append(detector)
        return detector.open(on_edge=on_edge, on_voice=on_voice, sample_rate=sample_rate, params=params)


class Ears:
    """A recogniser with a stream of its own for each ear; `texts` are what the next streams will understand."""

    sample_rate = 16_000

    def __init__(self) -> None:
        self.all: list[Ear] = []
        self.waiting: list[tuple[Any, Ear]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> Ear:
        ear = Ear()
        self.all.append(ear)
        return ear.open_stream(on_partial, language=language)


class Person:
    """A member who speaks."""

    def __init__(self, world: "RoomWorld", identity: str, detector: Detector, ear: Ear) -> None:
        self.identity = identity
        self.detector = detector
        self.ear = ear
        self._world = world

    async def say(self, text: str, seconds: float = 1.0) -> None:
        """Speaks so long; the recogniser will understand this text."""
        self.begins(text)
        await asyncio.sleep(seconds)
        self.stops()

    def begins(self, text: str) -> None:
        self.ear.texts.append(text)
        self.detector.on_voice(True)
        self.detector.on_edge(SpeechEdge(is_speaking=True, at_s=0.0))

    def partial(self, text: str) -> None:
        assert self.ear.on_partial is not None
        self.ear.on_partial(Transcript(text, is_final=False))

    def stops(self) -> None:
        self.detector.on_voice(False)
        self.detector.on_edge(SpeechEdge(is_speaking=False, at_s=0.0))


class RoomWorld:
    """One agent in one room. Enter it on a virtual loop; times are seconds on that loop."""

    def __init__(
        self, *, rooms: dict[str, Any] | None = None, interrupters: tuple[str, ...] = (), **profile: Any
    ) -> None:
        chosen = AgentProfile.model_validate(
            {"turn_detection": "silence", "turn_stop_secs": 0.5, "rooms": rooms or {}, **profile}
        )
        settings = AgentSettings.model_validate({"playout_lead_ms": 0})
        self.resources = Resources(settings, VirtualClock(asyncio.get_running_loop()), Metrics(), {})
        self.detectors, self.ears, self.mind, self.tts = Detectors(), Ears(), Mind(), Voice()
        self.resources.voice_activity = self.detectors  # type: ignore[assignment]
        texts = (chosen.greeting, chosen.not_understood)
        agent = Agent("ada", chosen, self.ears, self.mind, self.tts, *texts, title="Ada")
        self.heard: list[tuple[str, str]] = []
        invitation = Invitation(
            agent,
            CallInfo("call_1", "room"),
            interrupters,
            on_said=lambda segment, speaker, text: self.heard.append((speaker, text)),
        )
        self.room = PlayedVoice()
        self.agent = RoomAgent(self.resources, invitation, self.room)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._run())
        await asyncio.sleep(0)
        return self

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.agent.session.run())
            tasks.create_task(self.agent.run())

    async def __aexit__(self, *_error: object) -> None:
        self.agent.leave("test over")
        assert self.task is not None
        await self.task

    async def person(self, name: str, *, kind: MemberKind = "standard") -> Person:
        """Somebody comes in, with a microphone."""
        self.room.enters(name.lower(), name, kind=kind)
        for _ in range(5):  # the agent's tasks take their turns
            await asyncio.sleep(0)
        return Person(self, name.lower(), self.detectors.all[-1], self.ears.all[-1])

    def conversation(self) -> list[tuple[str, str | None]]:
        return [(message["role"], message["content"]) for message in self.agent.session.conversation.messages()[1:]]

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()
