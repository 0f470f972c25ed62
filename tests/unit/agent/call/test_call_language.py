"""Languages switched in the middle of a call: voice, texts, numbers and turn taking follow."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import RATE, World
from vox.errors import UsageError
from vox.protocols.agent_events import ServerMessage
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall
from vox.providers.tts.contract import CallVoice

pytestmark = pytest.mark.usefixtures("virtual_loop")
LANGUAGES = {"de": {"tts_voice": "anna", "user_idle_prompt": "Sind Sie noch da?", "not_understood": "Wie bitte?"}}


def world(**profile: Any) -> World:
    chosen: dict[str, Any] = {"stt_language": "en", "tts_voice": "emma", "languages": LANGUAGES, **profile}
    return World(input_rate=RATE, **chosen)


def messages(one: World) -> list[dict[str, Any]]:
    return [event.data for event in one.line.of(ServerMessage)]


async def test_the_agent_follows_its_caller():
    async with world(user_idle_timeout_secs=3, user_idle_prompt="Are you there?") as call:
        assert call.ear.opened == [None]  # the recogniser finds out
        call.mind.script = lambda _request: [TextDelta("Um 19 Uhr.")]
        call.ear.language = "en"
        await call.say("hello there my friend")
        await asyncio.sleep(3)
        call.ear.language = "de"
        await call.say("ich möchte einen Tisch bestellen")
        await asyncio.sleep(2.5)
        assert call.voice.asked == [("emma", "en"), ("anna", "de")]
        assert call.voice.spoken == ["Um nineteen Uhr.", "Um neunzehn Uhr."]
        assert messages(call) == [{"type": "language-changed", "language": "de"}]
        await asyncio.sleep(4)
        assert call.voice.spoken[-1] == "Sind Sie noch da?"
        call.ear.language = None
        await asyncio.sleep(1.5)
        await call.say("")
        await asyncio.sleep(2)
        assert call.voice.spoken[-1] == "Wie bitte?"


async def test_agreement_is_known_in_the_new_language():
    async with world() as call:
        call.ear.language = "de"
        await call.say("ich möchte einen Tisch bestellen")
        await asyncio.sleep(0.5 + 0.6)
        await call.say("ja genau", seconds=0.4)
        await asyncio.sleep(4)
        assert call.conversation() == [
            ("user", "ich möchte einen Tisch bestellen"),
            ("assistant", "one two three four."),
        ]


def asks_for_german(request: LlmRequest) -> list[LlmEvent | float]:
    if request.messages[-1]["role"] == "user":
        return [ToolCall("call_1", "switch_language", '{"language": "de-DE"}')]
    return [TextDelta("Gerne.")]


async def test_the_model_may_ask_for_a_language_and_answers_in_it():
    async with world(language_detection=False) as call:
        assert call.ear.opened == ["en"]
        call.mind.script = asks_for_german
        await call.say("deutsch please")
        await asyncio.sleep(2)
        (tool,) = [spec for spec in call.mind.requests[0].tools if spec.name == "switch_language"]
        assert tool.parameters["properties"]["language"]["enum"] == ["en", "de"]
        assert (call.voice.spoken, call.voice.asked) == (["Gerne."], [("anna", "de")])
        call.ear.language = "en"  # what it hears no longer matters
        await call.say("and on we go in this language")
        await asyncio.sleep(2)
        assert call.ear.opened == ["en", "de"]
        assert call.voice.asked[-1] == ("anna", "de")
        assert call.ear.is_closed


async def test_a_recogniser_that_cannot_change_stays_as_it_is():
    async with world(language_detection=False) as call:
        call.mind.script = asks_for_german
        await call.say("deutsch please")
        await asyncio.sleep(2)

        def refuse(*_args: object, **_options: object) -> None:
            raise UsageError("no German here", code="unsupported_language")

        call.ear.open_stream = refuse  # type: ignore[assignment]
        await call.say("weiter geht es")
        await asyncio.sleep(2)
        assert call.conversation()[-1] == ("assistant", "Gerne.")


async def test_an_agent_without_languages_has_no_such_tool_and_follows_nothing():
    async with world(languages={}) as call:
        call.ear.language = "de"
        await call.say("ich möchte einen Tisch bestellen")
        await asyncio.sleep(3)
        assert call.voice.asked == [("emma", "en")]
        assert "switch_language" not in [spec.name for spec in call.mind.requests[0].tools]


async def test_a_synthesiser_that_chooses_per_call_chooses_anew():
    async with world() as call:
        chosen: list[str | None] = []
        closed: list[str | None] = []

        def open_call(*, language: str | None = None) -> CallVoice:
            chosen.append(language)
            return CallVoice(call.voice, lambda: closed.append(language))

        call.voice.open_call = open_call  # type: ignore[attr-defined]
        call.ear.language = "de"
        await call.say("ich möchte einen Tisch bestellen")
        await asyncio.sleep(2)
        assert chosen == ["de"]
    assert closed == ["de"]
