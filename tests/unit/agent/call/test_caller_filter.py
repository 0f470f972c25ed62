"""What an agent hears under the plugins of the configuration, by itself and in a call."""

import asyncio
from array import array
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.agent.call_harness import World
from vox.agent.call.caller_filter import CallerFilter, caller_filter
from vox.agent.config.plugins import NO_PLUGINS, parse_plugins
from vox.protocols.agent_events import UserTranscript

LOUD = array("h", [1000, -20_000] * 80).tobytes()
SILENT = bytes(len(LOUD))


class Bot:
    is_speaking = False


def one(name: str, options: dict[str, Any], bot: Bot | None = None) -> CallerFilter:
    found = caller_filter(parse_plugins([name], {name: options}), FakeClock(), lambda: (bot or Bot()).is_speaking)
    assert found is not None
    return found


def heard(strategy: str, *speaking: bool) -> list[bool]:
    bot = Bot()
    ear = one("stt_mute_filter", {"strategies": [strategy]}, bot)
    found: list[bool] = []
    for bot.is_speaking in speaking:
        audio = ear.audio(LOUD)
        assert audio in {LOUD, SILENT}
        found.append(audio == LOUD)
    return found


def test_without_plugins_there_is_no_filter():
    assert caller_filter(NO_PLUGINS, FakeClock(), lambda: False) is None


def test_audio_is_made_louder_up_to_full_scale():
    louder = one("audio_filter", {"filters": [{"type": "gain", "gain": 2}]}).audio(LOUD)
    assert array("h", louder).tolist() == [2000, -32_768] * 80


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("always", [True, False, True, False, True]),
        ("first_speech", [True, False, True, True, True]),
        ("mute_until_first_bot_complete", [False, False, True, True, True]),
    ],
)
def test_when_the_caller_is_not_heard(strategy: str, expected: list[bool]):
    assert heard(strategy, False, True, False, True, False) == expected


@pytest.mark.usefixtures("virtual_loop")
async def test_talk_without_the_wake_phrase_reaches_neither_model_nor_client():
    world = World(
        plugins=["wake_check_filter"],
        plugin_options={"wake_check_filter": {"wake_phrases": ["hey vox"], "keepalive_secs": 30}},
        not_understood="Sorry?",
    )
    async with world as call:
        await call.say("is dinner ready")
        await asyncio.sleep(5)
        assert call.mind.requests == []
        assert call.voice.spoken == [], "the agent does not ask what was said either"
        assert call.line.of(UserTranscript) == []
        await call.say("hey vox what time is it")
        await asyncio.sleep(5)
        assert [event.text for event in call.line.of(UserTranscript) if event.is_final] == ["what time is it"]
        assert call.mind.requests[-1].messages[-1]["content"] == "what time is it"


@pytest.mark.usefixtures("virtual_loop")
async def test_a_caller_is_not_heard_while_the_agent_speaks():
    world = World(
        input_rate=8000,
        plugins=["stt_mute_filter"],
        plugin_options={"stt_mute_filter": {"strategies": ["always"]}},
    )
    async with world as call:
        await call.say("hello")
        await asyncio.sleep(1.0)
        call.speech(True)
        call.ear.heard = b""
        call.session.audio(LOUD)
        assert set(call.ear.heard) <= {0}
