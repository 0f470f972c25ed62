"""Which voice a call is given, that it keeps it, and what is told of it."""

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self, cast

import pytest

from vox.errors import DependencyError
from vox.providers.tts import offline
from vox.providers.tts._kokoro_load import LoadMeter
from vox.providers.tts.contract import SpeechChunk, open_call
from vox.providers.tts.offline import Config, Offline
from vox.runtime.metrics import Metrics

pytestmark = pytest.mark.usefixtures("virtual_loop")

ENOUGH = (2, 10**10)


class Speaking:
    """A synthesiser that notes what it is asked for."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_open = False

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        self.asked.append((text, voice, language))
        yield SpeechChunk(b"\x10\x00" * (self.sample_rate // 10))


class Natural(Speaking):
    """What the offline voice needs of Kokoro."""

    def __init__(self) -> None:
        super().__init__(24_000)
        self.workers = 1
        self.running = 0
        self.load = LoadMeter()
        self.load.measured(0.7)
        self.is_up = True
        self.installed = True
        self.failure: Exception | None = None
        self.prepared: list[tuple[tuple[str, ...], str | None, str | None]] = []
        self.measured = 0

    async def __aenter__(self) -> Self:
        if self.failure is not None:
            raise self.failure
        return await super().__aenter__()

    def is_installed(self) -> bool:
        return self.installed

    def has_voice(self, voice: str) -> bool:
        return voice == "af_bella"

    def speaks(self, language: str | None) -> bool:
        return language != "de"

    def measure(self) -> None:
        self.measured += 1

    def prepare(self, texts: Any, *, voice: str | None = None, language: str | None = None) -> None:
        self.prepared.append((tuple(texts), voice, language))


class World:
    def __init__(self, *, machine: tuple[int, int] = ENOUGH, **options: Any) -> None:
        self.natural = Natural()
        self.light = Speaking(22_050)
        self.metrics = Metrics()
        self.machine = machine
        self.tts = Offline(Config(**options), self.metrics, cast("Any", self.natural), self.light, lambda: self.machine)

    def calls(self) -> dict[str, str]:
        """The metric's lines: driver and reason to number."""
        lines = self.metrics.render().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line.startswith(f"{offline.CALLS.name}{{"))


async def spoken(world: World, **options: Any) -> list[tuple[str, str | None, str | None]]:
    """What a call asks for, by the driver that it has."""
    voice = open_call(world.tts)
    async for _ in voice.tts.synthesize("Hello.", **options):
        pass
    voice.close()
    return world.natural.asked + world.light.asked


async def test_calls_have_the_natural_voice_up_to_what_the_machine_holds():
    world = World()
    async with world.tts:
        await asyncio.sleep(0)
        assert world.tts.current == "kokoro"
        voices = [open_call(world.tts) for _ in range(3)]
        assert [voice.tts.sample_rate for voice in voices] == [24_000, 24_000, 22_050]
        assert world.tts.current == "espeak"
        assert world.tts.has_room
        voices[0].close()
        voices[0].close()
        assert [open_call(world.tts).tts.sample_rate for _ in range(2)] == [24_000, 22_050]
    assert not world.natural.is_open
    assert not world.light.is_open
    assert world.calls() == {
        'vox_tts_calls_total{driver="kokoro",reason="room"}': "3.0",
        'vox_tts_calls_total{driver="espeak",reason="full"}': "2.0",
    }


async def test_a_model_that_arrives_while_the_server_runs_is_for_new_calls():
    world = World()
    world.natural.installed = False
    async with world.tts:
        await asyncio.sleep(1)
        world.tts.prepare(["Hello."], voice="af_bella", language="en")
        before = open_call(world.tts)
        assert before.tts.sample_rate == 22_050
        assert world.natural.prepared == []
        world.natural.installed = True
        await asyncio.sleep(10)
        assert open_call(world.tts).tts.sample_rate == 24_000
        assert world.natural.prepared == [(("Hello.",), "af_bella", "en")]
        async for _ in before.tts.synthesize("Still here."):
            pass
        assert world.light.asked == [("Still here.", None, None)], "a call's voice never changes"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"machine": (1, 10**10)}, "no_cores"),
        ({"machine": (2, 10**8)}, "no_memory"),
        ({"use_natural": False}, "off"),
        ({"max_natural_calls": 0}, "room"),
    ],
)
async def test_what_the_machine_lacks(change, reason):
    world = World(**change)
    async with world.tts:
        await asyncio.sleep(1)
        open_call(world.tts)
    assert [line for line in world.calls() if f'reason="{reason}"' in line]


async def test_a_language_that_the_natural_voice_does_not_speak():
    world = World()
    async with world.tts:
        await asyncio.sleep(0)
        assert open_call(world.tts, language="de").tts.sample_rate == 22_050
        assert open_call(world.tts, language="es").tts.sample_rate == 24_000


async def test_calls_are_refused_past_the_limit_where_the_configuration_wants_it():
    world = World(when_busy="refuse", max_natural_calls=1)
    async with world.tts:
        await asyncio.sleep(0)
        assert world.tts.has_room
        call = open_call(world.tts)
        assert not world.tts.has_room
        assert open_call(world.tts).tts.sample_rate == 22_050, "a call that came in meanwhile is not lost"
        call.close()
        assert world.tts.has_room
        world.natural.is_up = False
        assert world.tts.has_room, "a voice that is away is no overload"


async def test_a_machine_that_was_too_slow_is_measured_again():
    world = World()
    world.natural.load.measured(3.0)
    async with world.tts:
        await asyncio.sleep(1)
        assert world.tts.current == "espeak"
        await asyncio.sleep(60)
        assert world.natural.measured
        world.natural.load.measured(0.6)
        assert world.tts.current == "kokoro"


async def test_a_natural_voice_that_does_not_come_up_is_tried_again():
    world = World()
    world.natural.failure = DependencyError("it does not come up", code="provider_timeout")
    async with world.tts:
        await asyncio.sleep(5)
        assert world.tts.current == "espeak"
        world.natural.failure = None
        await asyncio.sleep(120)
        assert world.tts.current == "kokoro"


async def test_each_driver_is_given_only_names_of_its_own_voices():
    world = World()
    async with world.tts:
        assert await spoken(world, voice="af_bella") == [("Hello.", None, None)], "espeak-ng, as Kokoro is not up yet"
        world.light.asked.clear()
        await asyncio.sleep(0)
        assert await spoken(world, voice="af_bella") == [("Hello.", "af_bella", None)]
        world.natural.asked.clear()
        assert await spoken(world, voice="en-us+f3") == [("Hello.", None, None)]


async def test_the_light_voice_speaks_the_language_of_the_natural_one():
    world = World(voice="ef_dora")
    world.natural.installed = False
    async with world.tts:
        assert await spoken(world) == [("Hello.", None, "es")]


async def test_a_sentence_of_no_call_comes_at_one_rate_whoever_speaks_it():
    world = World()
    async with world.tts:
        light = sum([len(chunk.pcm) async for chunk in world.tts.synthesize("Hello.")])
        await asyncio.sleep(0)
        natural = sum([len(chunk.pcm) async for chunk in world.tts.synthesize("Hello.")])
    assert light == pytest.approx(natural, rel=0.01)
    assert len(world.light.asked) == len(world.natural.asked) == 1
