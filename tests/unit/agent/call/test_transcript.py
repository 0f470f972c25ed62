"""What a call leaves in its transcript: each text of the caller, each answer as it was heard, in the order of the conversation."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import World
from vox.protocols.agent_events import ClientContext, ClientDigits, ClientSpeak, ClientText
from vox.providers.llm.contract import TextDelta

pytestmark = pytest.mark.usefixtures("virtual_loop")

STORED = {"transcripts": {"enable": True, "driver": "sqlite", "dsn": "never-opened.db"}}


def world(**profile: Any) -> World:
    return World(settings=STORED, **profile)


def rows(world: World) -> list[tuple[str, str]]:
    """The rows so far; their numbers are checked on the way."""
    assert world.resources.transcripts is not None
    queued = world.resources.transcripts._writer.waiting("call_1")
    assert [row.seq for row in queued] == list(range(1, len(queued) + 1))
    return [(row.role, row.text) for row in queued]


async def test_a_turn_is_two_rows_and_the_greeting_one():
    async with world(greeting="hello you.") as call:
        await asyncio.sleep(2)
        await call.say("go")
        await asyncio.sleep(4)
        assert rows(call) == [("assistant", "hello you."), ("user", "go"), ("assistant", "one two three four.")]


async def test_an_answer_that_was_cut_is_stored_as_heard_and_before_what_cut_it():
    async with world() as call:
        await call.say("go")
        await asyncio.sleep(1.6)
        await call.say("no not that", seconds=1.2)
        await asyncio.sleep(5)
        heard = call.conversation()[1][1]
        assert heard is not None
        assert heard in "one two three"
        assert rows(call) == [
            ("user", "go"),
            ("assistant", heard),
            ("user", "no not that"),
            ("assistant", "one two three four."),
        ]


async def test_words_that_only_silence_the_agent_are_rows_too():
    async with world() as call:
        await call.say("go")
        await asyncio.sleep(1.6)
        await call.say("wait a moment", seconds=1.2)
        await asyncio.sleep(5)
        assert rows(call) == [("user", "go"), ("assistant", "one two"), ("user", "wait a moment")]


async def test_a_hang_up_in_the_middle_stores_what_was_heard():
    async with world() as call:
        await call.say("go")
        await asyncio.sleep(1.7)
    assert rows(call) == [("user", "go"), ("assistant", "one two")]


async def test_speech_that_was_not_understood_leaves_no_row():
    async with world() as call:
        await call.say("")
        await asyncio.sleep(4)
        assert [role for role, _ in rows(call)] == ["assistant"]


async def test_keys_and_typed_texts_are_the_callers():
    async with world() as call:
        call.session.receive(ClientDigits("42#"))
        await asyncio.sleep(4)
        call.session.receive(ClientText("typed"))
        await asyncio.sleep(4)
        call.session.receive(ClientText("for later", run=False))
        assert [row for row in rows(call) if row[0] == "user"] == [
            ("user", "DTMF: 42"),
            ("user", "typed"),
            ("user", "for later"),
        ]
        assert [text for role, text in rows(call) if role == "assistant"] == ["one two three four."] * 2


async def test_an_answer_that_is_only_shown_is_stored_whole():
    async with world() as call:
        call.session.receive(ClientText("typed", speak=False))
        await asyncio.sleep(1)
        assert rows(call) == [("user", "typed"), ("assistant", "one two three four.")]


async def test_what_the_application_has_said_is_the_agents():
    async with world() as call:
        call.session.receive(ClientSpeak("your taxi is here."))
        await asyncio.sleep(4)
        call.session.receive(ClientContext([{"role": "user", "content": "not said"}]))
        assert rows(call) == [("assistant", "your taxi is here.")]


async def test_an_answer_cut_before_it_was_heard_leaves_no_row():
    async with world() as call:
        call.mind.script = lambda request: [5.0, TextDelta("too late.")]
        call.session.receive(ClientText("one"))
        await asyncio.sleep(1)
        call.session.receive(ClientText("two"))
        await asyncio.sleep(1)
    assert rows(call) == [("user", "one"), ("user", "two")]


async def test_numbers_are_redacted_while_the_recording_is_paused():
    async with world() as call:
        call.session.receive(ClientText("table 4711"))
        await asyncio.sleep(4)
        call.session.recording.pause()
        call.session.receive(ClientText("my card is 4711"))
        await asyncio.sleep(4)
        assert [text for role, text in rows(call) if role == "user"] == ["table 4711", "my card is [redacted]"]


async def test_without_transcripts_a_call_keeps_none():
    async with World() as call:
        assert call.session.transcript is None
        await call.say("go")
        await asyncio.sleep(4)


@pytest.mark.parametrize("settings", [STORED, {}], ids=["stored", "not stored"])
async def test_a_listener_hears_of_each_row_by_the_call_s_id_redacted_and_whether_it_is_stored_or_not(settings: Any):
    heard: list[tuple[str, str, str]] = []
    async with World(settings=settings) as call:
        resources = call.resources
        resources.on_spoken = lambda call_id, row: heard.append((call_id, row.role, row.text))
        transcript = resources.begin_transcript("call_9", "session-9", lambda text: text.replace("42", "##"))
        assert transcript is not None
        transcript.user("DTMF: 42")
        transcript.assistant(" ")
        transcript.assistant("Thank you.")
        transcript.close()
        stored = [] if resources.transcripts is None else resources.transcripts._writer.waiting("session-9")
        assert heard == [("call_9", "user", "DTMF: ##"), ("call_9", "assistant", "Thank you.")]
        assert [row.text for row in stored] == (["DTMF: ##", "Thank you."] if settings else [])


async def test_without_store_and_listener_there_is_no_transcript():
    async with World() as call:
        assert call.resources.begin_transcript("call_9", "", str) is None
        assert call.session.transcript is None
