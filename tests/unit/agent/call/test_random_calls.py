"""Calls in which anything happens at any moment: whatever it was, the call comes to rest and its story adds up.

The seeds are fixed, so each run plays the same calls; another thousand is `CALLS = range(1000, 2000)`.
"""

import asyncio
from random import Random
from typing import Any

import pytest

from tests.fakes.loop import run_virtual
from tests.unit.agent.call_harness import World
from vox.agent.turns.events import BotState, UserState
from vox.protocols.agent_events import (
    AgentEvent,
    ClientContext,
    ClientInterrupt,
    ClientSpeak,
    ClientText,
    ResponseStarted,
    ResponseStopped,
    SpeakingChanged,
    SpeechStarted,
    SpeechStopped,
)
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall

CALLS = range(60)
AT_ONCE = 5
WAITS_S = (0, 0.01, 0.1, 0.3, 0.6, 1.5, 4)
TEXTS = ("yes", "stop it now please", "", "one two three", None)  # None: the recogniser never answers
ANSWERS: tuple[list[LlmEvent | float], ...] = (
    [TextDelta("one two three four. five six seven. eight.")],
    [TextDelta("one two. "), 2.0, TextDelta("three four.")],
    [TextDelta("wait. "), ToolCall("c", "press_keys", '{"keys":"12"}')],
    [ToolCall("", "press_keys", "nonsense"), ToolCall("", "unknown", "{}")],
    [],
)


@pytest.mark.parametrize("first", CALLS[::AT_ONCE])
def test_whatever_happens_a_call_comes_to_rest(first: int):
    for seed in range(first, first + AT_ONCE):
        run_virtual(_call(Random(seed)))


async def _call(chance: Random) -> None:
    profile: dict[str, Any] = {
        "allow_interruptions": chance.random() < 0.85,
        "interruption_strategy": chance.choice(["", "", "min_words", "keyword"]),
        "interruption_keywords": ["stop"],
        "min_words": chance.choice([0, 2]),
        "greeting": chance.choice(["", "hello there caller."]),
        "not_understood": chance.choice(["", "pardon?"]),
        "turn_stop_secs": chance.choice([0.0, 0.3, 0.5]),
        "user_turn_stop_timeout_secs": 3.0,
        "keypad": True,
        "max_tool_rounds": 3,
    }
    world = World(has_marks=chance.random() < 0.7, **profile)
    world.line.echoes_marks = chance.random() < 0.7
    world.line.takes_digits = chance.random() < 0.5
    world.mind.closing_s = chance.choice([0, 0.4])
    world.voice.first_delay_s = chance.choice([0, 0.2, 1.0])

    def answer(_request: LlmRequest) -> list[LlmEvent | float]:
        if chance.random() < 0.05:
            raise ConnectionError("the model is away")
        return [chance.choice(WAITS_S[:5]), *chance.choice(ANSWERS)]

    world.mind.script = answer
    async with world:
        for _ in range(chance.randrange(5, 40)):
            world.ear.texts = [chance.choice(TEXTS) for _ in range(8)]
            world.ear.delay_s = chance.choice([0, 0.2, 1.2])
            _happen(world, chance)
            await asyncio.sleep(chance.choice(WAITS_S))
        world.speech(False)
        world.mind.script = lambda request: [TextDelta("eight.")]
        await asyncio.sleep(40)
        turns = world.session._turns
        assert not world.is_over
        assert (turns.user, turns.bot, turns.is_held) == (UserState.IDLE, BotState.SILENT, False)
        assert world.session._output.is_idle
    _balanced(world.line.events, ResponseStarted, ResponseStopped)
    _balanced(world.line.events, SpeechStarted, SpeechStopped)
    speaking = [event.is_speaking for event in world.line.of(SpeakingChanged) if event.who == "bot"]
    assert speaking == [number % 2 == 0 for number in range(len(speaking))]
    assert len(speaking) % 2 == 0


def _happen(world: World, chance: Random) -> None:
    session = world.session
    match chance.randrange(12):
        case 0 | 1 | 2:
            world.speech(True)
        case 3 | 4 | 5:
            world.speech(False)
        case 6:
            world.partial(chance.choice(["uh", "stop it", "one two three"]))
        case 7:
            session.receive(ClientText("typed", run=chance.random() < 0.8, speak=chance.random() < 0.7))
        case 8:
            session.digit(chance.choice("1#9"))
        case 9:
            session.receive(chance.choice([ClientInterrupt(), ClientSpeak("said by the application.")]))
        case 10:
            message = {"role": "user", "content": "by the application"}
            session.receive(ClientContext([message], replace=chance.random() < 0.3, run=chance.random() < 0.5))
        case _:
            session.mark_reached(f"{chance.randrange(5)}:{chance.randrange(40_000)}")


def _balanced(events: list[AgentEvent], begin: type, end: type) -> None:
    """Each begin has its end before the next."""
    kinds = [type(event) for event in events if isinstance(event, (begin, end))]
    assert kinds == [begin, end] * (len(kinds) // 2)
