import asyncio

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, Usage
from vox.providers.llm.fake import Config, create


async def events(messages, **options):
    async with create(Config(**options), Deps(FakeClock(), httpx2.AsyncClient())) as model:
        return [event async for event in model.respond(LlmRequest(tuple(messages)))]


async def text(messages, **options):
    return "".join(event.text for event in await events(messages, **options) if isinstance(event, TextDelta))


def user(content):
    return {"role": "user", "content": content}


async def test_it_says_as_many_words_as_it_is_told():
    said = await text([user("hello")], words=40)
    assert len(said.split()) == 40
    assert said.endswith(".")
    assert said == await text([user("anything else")], words=40)


async def test_words_come_one_by_one_with_a_token_counted_for_each():
    came = await events([user("one two three")], echo=True)
    assert came == [TextDelta("one"), TextDelta(" two"), TextDelta(" three"), Usage(3, 3)]


async def test_responses_are_said_in_turn_and_the_last_one_stays():
    script = ("First.", "You said {text}.")
    assert await text([], responses=script) == "First."
    assert await text([user("a")], responses=script) == "First."
    assert await text([user("a"), user("b")], responses=script) == "You said b."
    assert await text([user("a"), user("b"), user("c")], responses=script) == "You said c."


async def test_a_keyword_calls_a_tool_and_its_result_is_read_out():
    calls = [{"keyword": "Weather", "tool": "forecast", "arguments": {"city": "Rome"}}]
    asked = [user("the weather please")]
    assert await events(asked, calls=calls) == [ToolCall("fake_1", "forecast", '{"city": "Rome"}')]
    answered = [*asked, {"role": "tool", "tool_call_id": "fake_1", "content": "It is sunny."}]
    assert await text(answered, calls=calls) == "It is sunny."


@pytest.mark.parametrize(("first", "between", "words", "total"), [(0.3, 0.1, 4, 0.6), (0.0, 0.0, 9, 0.0)])
async def test_delays_are_those_that_were_set(monkeypatch, first, between, words, total):
    waits = []

    async def sleep(delay_s):
        waits.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await text([user("hi")], first_delay_s=first, delay_s=between, words=words)
    assert sum(waits) == pytest.approx(total)
    assert waits[:1] == [first][: len(waits)]


async def test_hints_are_the_configured_ones():
    deps = Deps(FakeClock(), httpx2.AsyncClient())
    assert create(Config(), deps).hints(()) is None
    hints = create(Config(phrases=("yes",)), deps).hints(())
    assert hints is not None
    assert hints.phrases == ("yes",)
