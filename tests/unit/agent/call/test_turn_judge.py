"""What the model is given of a turn, and what becomes of its answer."""

import asyncio
from typing import Self

import pytest

from tests.unit.agent.call_harness import RATE, World
from vox.agent.call.turn_judge import TIMEOUT_S
from vox.errors import DependencyError
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta
from vox.providers.turns.contract import TurnEnd

pytestmark = pytest.mark.usefixtures("virtual_loop")


class Model:
    context_s = 2.0

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.answer: float | None = 0.9
        self.delay_s = 0.05
        self.error: Exception | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    async def probability(self, pcm: bytes, sample_rate: int) -> float | None:
        self.heard.append(len(pcm) // 2)
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return self.answer


async def hear(world: World, seconds: float) -> None:
    for _ in range(round(seconds / 0.02)):
        world.session.audio(bytes(320))
        await asyncio.sleep(0.02)


async def silence_behind_a_turn(model: Model, *, speech_s: float = 1.0) -> float:
    """How long after the caller's last sound the model of the conversation is asked."""
    end: TurnEnd = model
    async with World(turn_end=end, input_rate=RATE, turn_detection="model", turn_stop_secs=0.6) as world:
        await hear(world, 3.0)
        world.ear.texts.append("hello")
        world.speech(True)
        await hear(world, speech_s)
        world.speech(False)
        began = asyncio.get_running_loop().time()
        asked = asyncio.Event()

        def answer(_request: LlmRequest) -> list[LlmEvent | float]:
            asked.set()
            return [TextDelta("fine.")]

        world.mind.script = answer
        await asked.wait()
        return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize(("probability", "silence_s"), [(0.9, 0.25), (0.4, 0.6), (0.1, 1.6), (None, 0.6)])
async def test_the_model_shortens_or_lengthens_the_silence(probability: float | None, silence_s: float):
    model = Model()
    model.answer = probability
    assert await silence_behind_a_turn(model) == pytest.approx(silence_s, abs=0.03)


async def test_a_model_that_is_late_or_fails_leaves_it_to_silence():
    late = Model()
    late.delay_s = TIMEOUT_S * 2
    assert await silence_behind_a_turn(late) == pytest.approx(0.6, abs=0.03)
    failing = Model()
    failing.error = DependencyError("gone", code="gone")
    assert await silence_behind_a_turn(failing) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(("speech_s", "heard_s"), [(1.0, 1.7), (6.0, 2.0)])
async def test_it_hears_the_turn_from_shortly_before_it_and_no_more_than_it_can_take(speech_s: float, heard_s: float):
    model = Model()
    await silence_behind_a_turn(model, speech_s=speech_s)
    assert model.heard[0] / RATE == pytest.approx(heard_s, abs=0.05)
