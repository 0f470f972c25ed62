"""What every realtime model's driver promises, each against a local server that speaks that vendor's wire."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.fakes.tcp_server import listening
from tests.fakes.vendors.realtime_gemini import GeminiLiveWire
from tests.fakes.vendors.realtime_openai import OpenAiRealtimeWire, tone
from tests.fakes.vendors.realtime_server import RealtimeServer, realtime_server
from tests.time_limits import time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.llm.contract import Message, ToolSpec
from vox.providers.realtime.contract import (
    AnswerAudio,
    AnswerCall,
    AnswerEnded,
    AnswerText,
    CallerText,
    RealtimeSetup,
    SessionReady,
)
from vox.runtime.clock import SystemClock

TOOLS = (ToolSpec("book", "Books a table.", {"type": "object", "properties": {"n": {"type": "integer"}}}),)
SETUP = RealtimeSetup("Be brief.", TOOLS, language="en-GB")


class OpenAi:
    """The OpenAI Realtime API."""

    name = "openai"
    environment: Mapping[str, str] = {"OPENAI_API_KEY": "sk-1"}
    secret = "sk-1"
    refusal = b'{"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}}'
    wire = OpenAiRealtimeWire


class Gemini:
    """Gemini Live. It cannot be told how much of an answer was heard, and an error ends its session."""

    name = "gemini"
    environment: Mapping[str, str] = {"GEMINI_API_KEY": "AIza-1"}
    secret = "AIza-1"
    refusal = b'{"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}'
    wire = GeminiLiveWire


VENDORS = (OpenAi, Gemini)


def test_every_driver_is_here():
    assert registry.names("realtime") == sorted(vendor.name for vendor in VENDORS)


class Play:
    """One vendor's server and what a test does with it; `answers` and `heard` are what the vendor's model does next."""

    def __init__(self, vendor: type[OpenAi] | type[Gemini]) -> None:
        self.vendor = vendor
        self.answers: list[tuple[Any, ...]] = [("say", "Good morning to you.", 1.0)]
        self.heard: list[str | None] = []
        self.server: RealtimeServer

    def wire(self, server: RealtimeServer) -> Any:
        return self.vendor.wire(server, self.answers, self.heard)

    @asynccontextmanager
    async def model(self, **options: Any):
        async with httpx2.AsyncClient() as http:
            deps = Deps(SystemClock(), http, environment=self.vendor.environment)
            given = {"base_url": self.server.base_url, **options}
            async with registry.create("realtime", self.vendor.name, given, deps) as model:
                yield model

    @asynccontextmanager
    async def session(self, setup: RealtimeSetup = SETUP, **options: Any):
        async with self.model(**options) as model:
            session = model.open_session(setup)
            async with aclosing(session.events()) as events:
                yield session, events


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
async def play(request) -> AsyncIterator[Play]:
    playing = Play(request.param)
    async with realtime_server(playing.wire) as playing.server:
        yield playing


async def until(events, kind: type, enough: Callable[[Any], bool] = lambda _: True) -> list[Any]:
    """The events up to the first of that kind that is enough."""
    found: list[Any] = []
    async with time_limit():
        async for event in events:
            found.append(event)
            if isinstance(event, kind) and enough(event):
                return found
    raise AssertionError(f"the session ended without {kind.__name__}")


async def broken(events) -> DependencyError:
    with pytest.raises(DependencyError) as caught:
        await until(events, type(None))
    return caught.value


def speak(session, rate: int, seconds: float = 0.5) -> int:
    pcm = tone(seconds)
    for at in range(0, len(pcm), rate // 25):
        session.push(pcm[at : at + rate // 25])
    return session.commit()


async def test_a_session_takes_the_setup_and_the_key(play):
    async with play.session() as (_, events):
        assert await until(events, SessionReady) == [SessionReady()]
    sent = str(play.server.messages[0])
    assert "Be brief." in sent
    assert "Books a table." in sent
    assert play.vendor.secret in f"{play.server.headers[0]} {play.server.urls[0]}"
    await play.server.until(lambda: play.server.open == 0)


async def test_an_utterance_is_written_down_and_answered_with_sound_and_words(play):
    play.heard = ["good morning"]
    async with play.model() as model, play.session() as (session, events):
        utterance = speak(session, model.input_rate)
        answer = session.respond()
        found = await until(events, AnswerEnded)
    assert [event for event in found if isinstance(event, CallerText)][-1] == CallerText(utterance, "good morning")
    ended = found[-1]
    assert isinstance(ended, AnswerEnded)
    assert (ended.answer, ended.error, ended.prompt_tokens, ended.completion_tokens) == (answer, None, 7, 2)
    audio = b"".join(event.pcm for event in found if isinstance(event, AnswerAudio))
    assert len(audio) == model.output_rate * 2
    assert "".join(event.text for event in found if isinstance(event, AnswerText)).strip() == "Good morning to you."
    assert len({event.item for event in found if isinstance(event, AnswerAudio | AnswerText)}) == 1


async def test_an_utterance_that_is_thrown_away_is_not_heard(play):
    async with play.model() as model, play.session() as (session, events):
        session.push(tone(0.5))
        session.clear()
        utterance = speak(session, model.input_rate)
        found = await until(events, CallerText, lambda said: said.is_final and said.utterance == utterance)
    assert found[-1] == CallerText(utterance, "hello there")


async def test_a_click_is_no_utterance(play):
    async with play.model() as model, play.session() as (session, events):
        speak(session, model.input_rate, 0.02)
        session.respond()
        found = await until(events, AnswerEnded)
    assert not [event for event in found if isinstance(event, CallerText) and event.text]


async def test_a_tool_is_called_and_its_result_goes_back(play):
    play.answers = [("call", "book", '{"n": 2}'), ("say", "It is booked.", 0.5)]
    async with play.session() as (session, events):
        session.respond()
        found = await until(events, AnswerCall)
        call = found[-1]
        assert isinstance(call, AnswerCall)
        assert (call.name, call.arguments.replace(" ", "")) == ("book", '{"n":2}')
        await until(events, AnswerEnded)
        session.add_result(call.id, call.name, '{"ok": true}')
        session.respond()
        found = await until(events, AnswerEnded)
    assert "".join(event.text for event in found if isinstance(event, AnswerText)).strip() == "It is booked."
    assert call.id in str(play.server.messages)


async def test_an_answer_that_is_cancelled_says_no_more_and_the_next_one_is_whole(play):
    play.answers = [("begin", "I will now recite"), ("say", "Yes?", 0.2)]
    async with play.session() as (session, events):
        session.respond()
        await until(events, AnswerText)
        session.cancel()
        answer = session.respond()
        found = await until(events, AnswerEnded)
    assert {event.answer for event in found if not isinstance(event, CallerText)} == {answer}


async def test_an_answer_in_place_of_another_cancels_it(play):
    play.answers = [("begin", "I will now recite"), ("say", "Yes?", 0.2)]
    async with play.session() as (session, events):
        session.respond()
        await until(events, AnswerText)
        answer = session.respond()
        found = await until(events, AnswerEnded)
    assert found[-1].answer == answer
    assert found[-1].error is None


async def test_a_text_is_said_word_for_word(play):
    async with play.session() as (session, events):
        session.respond(say="Welcome to the library.")
        found = await until(events, AnswerEnded)
    assert "".join(event.text for event in found if isinstance(event, AnswerText)).strip() == "Welcome to the library."


async def test_texts_enter_the_conversation(play):
    messages: tuple[Message, ...] = (
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
    )
    async with play.session(RealtimeSetup("Be brief.", messages=messages)) as (session, events):
        await until(events, SessionReady)
        session.add({"role": "user", "content": "DTMF: 42"})
        session.respond()
        await until(events, AnswerEnded)
    sent = str(play.server.messages)
    assert "My name is Ada." in sent
    assert "Hello Ada." in sent
    assert "DTMF: 42" in sent


@pytest.mark.parametrize(
    "play", [vendor for vendor in VENDORS if vendor is not Gemini], indirect=True, ids=lambda vendor: vendor.name
)
async def test_a_failed_answer_ends_that_answer_only(play):
    """Gemini Live reports an error by ending the session, which a test of broken sessions has."""
    play.answers = [("fail", "server_error"), ("say", "Again.", 0.2)]
    async with play.session() as (session, events):
        session.respond()
        found = await until(events, AnswerEnded)
        assert found[-1].error is not None
        assert found[-1].error.retryable
        session.respond()
        assert (await until(events, AnswerEnded))[-1].error is None


async def test_an_answer_that_comes_by_itself_waits_until_it_is_asked_for(play):
    async with play.model() as model, play.session() as (session, events):
        speak(session, model.input_rate)
        await until(events, CallerText, lambda said: said.is_final)
        answer = session.respond()
        found = await until(events, AnswerEnded)
    assert found[-1].answer == answer
    assert "".join(event.text for event in found if isinstance(event, AnswerText)).strip() == "Good morning to you."


async def test_a_caller_who_speaks_while_the_model_still_writes_is_answered(play):
    play.answers = [("begin", "I will now recite"), ("say", "Yes?", 0.2)]
    async with play.model() as model, play.session() as (session, events):
        session.respond()
        await until(events, AnswerText)
        speak(session, model.input_rate)
        session.cancel()
        answer = session.respond()
        found = await until(events, AnswerEnded, lambda ended: ended.answer == answer)
    text = "".join(event.text for event in found if isinstance(event, AnswerText) and event.answer == answer)
    assert text.strip() == "Yes?"


async def test_a_withheld_answer_is_an_error(play):
    play.answers = [("filter",)]
    async with play.session() as (session, events):
        session.respond()
        found = await until(events, AnswerEnded)
    assert found[-1].error.code == "provider_answer_filtered"


async def test_a_refused_key_is_named_with_its_place(play):
    play.server.refusal = (401, {}, play.vendor.refusal)
    async with play.session() as (_, events):
        error = await broken(events)
    assert (error.code, error.retryable) == ("provider_refused_key", False)
    assert next(iter(play.vendor.environment)) in error.hint
    assert play.vendor.secret not in f"{error} {error.hint}"


async def test_a_rate_limit_tells_when_to_come_back(play):
    play.server.refusal = (429, {"Retry-After": "7"}, b'{"error": {"message": "slow down"}}')
    async with play.session() as (_, events):
        error = await broken(events)
    assert (error.code, error.retryable, error.retry_after_s) == ("provider_rate_limited", True, 7.0)


async def test_silence_for_ever_ends_at_the_deadline(play):
    play.server.mood = "silent"
    async with play.session(timeout_s=0.3) as (_, events):
        assert (await broken(events)).code == "provider_timeout"


async def test_garbage_is_the_vendors_fault(play):
    play.server.mood = "garbage"
    async with play.session() as (_, events):
        assert (await broken(events)).code == "provider_bad_answer"


async def test_a_vendor_that_leaves_in_the_middle_of_an_answer(play):
    play.server.mood = "leaves"
    async with play.session() as (session, events):
        session.respond()
        await until(events, SessionReady)
        error = await broken(events)
    assert (error.code, error.retryable) == ("provider_unreachable", True)
    assert play.vendor.secret not in str(error)


async def test_nothing_listens_there(play):
    async with play.session(base_url="http://127.0.0.1:9") as (_, events):
        error = await broken(events)
    assert (error.code, error.retryable) == ("provider_unreachable", True)
    assert re.search(r"failed: .+", str(error)), "it says why"


async def test_an_address_that_is_none_ends_the_session_and_names_the_option(play):
    async with play.session(base_url="localhost:9") as (_, events):
        error = await broken(events)
    assert (error.code, error.retryable) == ("provider_unreachable", False)
    assert "base_url" in str(error)


async def test_a_server_that_accepts_and_says_nothing_is_slow_rather_than_gone(play):
    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        listening(keep) as port,
        play.session(base_url=f"http://127.0.0.1:{port}", timeout_s=0.3) as (_, events),
    ):
        assert (await broken(events)).code == "provider_timeout"


async def test_leaving_hangs_up(play):
    play.answers = [("begin", "I will now recite")]
    async with play.session() as (session, events):
        session.respond()
        await until(events, AnswerText)
        assert play.server.open == 1
    await play.server.until(lambda: play.server.open == 0)


async def test_what_is_said_before_the_session_is_ready_is_not_lost(play):
    play.heard = ["early"]
    async with play.model() as model:
        session = model.open_session(SETUP)
        utterance = speak(session, model.input_rate)
        session.respond()
        async with aclosing(session.events()) as events:
            found = await until(events, AnswerEnded)
    assert CallerText(utterance, "early") in found


async def test_sessions_do_not_mix(play):
    async with play.model() as model:

        async def one() -> str:
            session = model.open_session(SETUP)
            async with aclosing(session.events()) as events:
                session.respond()
                found = await until(events, AnswerEnded)
            return "".join(event.text for event in found if isinstance(event, AnswerText))

        texts = await asyncio.gather(*(one() for _ in range(6)))
    assert set(texts) == {texts[0]}
    assert texts[0].strip() == "Good morning to you."


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
async def test_a_missing_key_is_named(vendor):
    async with httpx2.AsyncClient() as http:
        with pytest.raises(UsageError) as caught:
            registry.create("realtime", vendor.name, {}, Deps(SystemClock(), http))
    assert next(iter(vendor.environment)) in f"{caught.value} {caught.value.hint}"
