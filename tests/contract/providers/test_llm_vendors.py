"""What every model vendor's driver promises, each against a local server that speaks that vendor's wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from tests.fakes.vendors.llm_server import LlmServer, Refusal, llm_server
from tests.fakes.vendors.llm_wires import WIRES, Call, Wire
from tests.time_limits import time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage
from vox.runtime.clock import SystemClock

ASKED: tuple[Message, ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
)
TOOLS = (
    ToolSpec("book", "Books a table.", {"type": "object", "properties": {"n": {"type": "integer"}}}),
    ToolSpec("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}),
)
ANSWERED: tuple[Message, ...] = (
    *ASKED,
    {
        "role": "assistant",
        "content": "One moment.",
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "book", "arguments": '{"n": 2}'}},
            {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_a", "content": '{"ok": true}'},
    {"role": "tool", "tool_call_id": "call_b", "content": "sunny"},
)


def test_every_driver_of_a_vendor_is_here():
    found = {
        name for name in registry.names("llm") if not registry.load("llm", name).__name__.endswith("openai_compatible")
    }
    assert found - {"fake", "flow", "pipecat"} == {wire.name for wire in WIRES} - {"openai"}


@pytest.fixture(params=WIRES, ids=lambda wire: wire.__name__)
def wire(request) -> Wire:
    return request.param()


@pytest.fixture
async def server(wire, tmp_path) -> AsyncIterator[LlmServer]:
    async with llm_server() as running:
        wire.prepare(tmp_path, running.base_url)
        running.content_type = wire.content_type
        yield running


@asynccontextmanager
async def opened(wire, server, **options):
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment=wire.environment)
        given = {"base_url": server.base_url, "max_retries": 0, **wire.options, **options}
        async with registry.create("llm", wire.name, given, deps) as model:
            yield model


async def answer(wire, server, request=None, **options):
    async with opened(wire, server, **options) as model, time_limit():
        return [event async for event in model.respond(request or LlmRequest(ASKED))]


async def failure(wire, server, request=None, **options) -> DependencyError:
    with pytest.raises(DependencyError) as caught:
        await answer(wire, server, request, **options)
    assert wire.secret not in f"{caught.value} {caught.value.hint}"
    assert wire.name in str(caught.value)
    return caught.value


async def test_a_vendors_model_leaves_the_recogniser_free(wire, server):
    async with opened(wire, server) as model:
        assert model.hints(ASKED) is None
        assert (model.speaks_first, model.answers_inaudible) == (False, False)


async def test_text_streams_with_its_usage(wire, server):
    server.pieces = [*wire.text("Hello", " there, é."), *wire.end()]
    events = await answer(wire, server)
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("Hello"), TextDelta(" there, é.")]
    assert [event for event in events if isinstance(event, Usage)] == [Usage(7, 2)]
    assert wire.is_authorised(server.seen[0].headers)
    assert b"Be brief." in server.seen[0].body


async def test_the_first_words_come_while_the_answer_is_still_written(wire, server):
    server.pieces, server.ending = wire.text("Hello"), "hang"
    async with opened(wire, server) as model, time_limit():
        stream = model.respond(LlmRequest(ASKED))
        assert await anext(stream) == TextDelta("Hello")
        await stream.aclose()
        await server.hung_up.wait()


async def test_an_answer_cut_anywhere_on_the_wire_is_read_the_same(wire, server):
    whole = b"".join(
        [*wire.text("Hello", " thère"), *wire.calls(Call("call_a", "book", '{"n": 2}')), *wire.end("tools")]
    )
    server.pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    events = await answer(wire, server, LlmRequest(ASKED, TOOLS))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello thère"
    assert [(call.name, call.arguments) for call in events if isinstance(call, ToolCall)] in (
        [("book", '{"n": 2}')],
        [("book", '{"n":2}')],
    )


async def test_thoughts_are_not_spoken(wire, server):
    server.pieces = [*wire.text("Hello"), *wire.thought("They greet me."), *wire.end()]
    events = await answer(wire, server)
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("Hello")]


async def test_several_tools_are_called_with_whole_arguments(wire, server):
    calls = (
        Call("call_a", "book", '{"n": 2}'),
        Call("call_b", "weather", '{"city": "Rome"}'),
        Call("call_c", "book", "{}"),
    )
    server.pieces = [*wire.text("One moment."), *wire.calls(*calls), *wire.end("tools")]
    events = await answer(wire, server, LlmRequest(ASKED, TOOLS))
    called = [event for event in events if isinstance(event, ToolCall)]
    assert [(call.name, call.arguments.replace('":"', '": "').replace('":2', '": 2')) for call in called] == [
        (call.name, call.arguments) for call in calls
    ]
    assert len({call.id for call in called}) == len(calls)
    if wire.gives_ids:
        assert [call.id for call in called] == [call.id for call in calls]
    for tool in TOOLS:
        assert tool.description.encode() in server.seen[0].body


async def test_results_of_tools_go_back_to_the_calls(wire, server):
    server.pieces = [*wire.text("Done."), *wire.end()]
    await answer(wire, server, LlmRequest(ANSWERED, TOOLS))
    (first, first_text), (second, second_text) = wire.results(server.seen[0].json)
    assert (first, second) == (("call_a", "call_b") if wire.gives_ids else ("book", "weather"))
    assert "ok" in first_text
    assert "sunny" in second_text


@pytest.mark.parametrize("choice", ["auto", "none", "required", "book"])
async def test_every_choice_of_tools_is_understood(wire, server, choice):
    server.pieces = [*wire.text("Yes."), *wire.end()]
    assert (await answer(wire, server, LlmRequest(ASKED, TOOLS, choice)))[0] == TextDelta("Yes.")


async def test_an_agent_that_spoke_first_or_last_is_answered_too(wire, server):
    server.pieces = [*wire.text("Yes."), *wire.end()]
    greeted: Message = {"role": "assistant", "content": "Welcome."}
    for messages in ((greeted,), (ASKED[0], greeted, ASKED[1]), (*ASKED, greeted), ()):
        assert (await answer(wire, server, LlmRequest(messages)))[0] == TextDelta("Yes.")


async def test_an_answer_at_the_limit_of_tokens_is_spoken_as_far_as_it_goes(wire, server):
    server.pieces = [*wire.text("It is a long"), *wire.end("length")]
    assert (await answer(wire, server))[0] == TextDelta("It is a long")


async def test_a_withheld_answer_is_an_error(wire, server):
    server.pieces = [*wire.text(), *wire.end("filter")]
    assert (await failure(wire, server)).code == "provider_answer_filtered"


async def test_an_error_in_the_middle_may_pass(wire, server):
    server.pieces = [*wire.text("Hello"), *wire.problem()]
    error = await failure(wire, server)
    assert (error.code, error.retryable) == ("provider_failed", True)


async def test_a_rate_limit_tells_when_to_come_back(wire, server):
    server.refusals = [Refusal(429, wire.refusal("slow down"), {"Retry-After": "7"})]
    error = await failure(wire, server, max_retries=3)
    assert (error.code, error.retryable, error.retry_after_s) == ("provider_rate_limited", True, 7.0)
    assert len(server.seen) == 1, "a caller does not wait seven seconds"


async def test_a_failure_that_may_pass_is_tried_again(wire, server):
    server.refusals = [Refusal(503, wire.refusal("busy"))]
    server.pieces = [*wire.text("Hello"), *wire.end()]
    assert (await answer(wire, server, max_retries=1))[0] == TextDelta("Hello")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_named_with_its_place(wire, server, status):
    server.refusals = [Refusal(status, wire.refusal(f"bad key {wire.secret}"))]
    error = await failure(wire, server, max_retries=3)
    assert (error.code, error.retryable, len(server.seen)) == ("provider_refused_key", False, 1)
    assert wire.refused_place in error.hint


async def test_a_wrong_request_is_told_in_the_vendors_words(wire, server):
    server.refusals = [Refusal(400, wire.refusal("no such model"))]
    error = await failure(wire, server)
    assert (error.code, error.retryable) == ("provider_failed", False)
    assert "no such model" in str(error)


async def test_an_answer_broken_off_is_an_error_behind_what_was_said(wire, server):
    server.pieces, server.ending = wire.text("Hello"), "cut"
    async with opened(wire, server) as model, time_limit():
        stream = model.respond(LlmRequest(ASKED))
        assert await anext(stream) == TextDelta("Hello")
        with pytest.raises(DependencyError) as caught:
            [event async for event in stream]
    assert caught.value.retryable


async def test_an_answer_without_its_end_is_an_error_and_runs_no_tool(wire, server):
    server.pieces = [*wire.text("Hello"), *wire.calls(Call("call_a", "book", '{"n": 2}'))]
    assert (await failure(wire, server, LlmRequest(ASKED, TOOLS))).code == "provider_answer_cut"


@pytest.mark.parametrize(
    "garbage", [b"data: {nonsense\n\n", b"\xff\xfe\x00", b"<html>login</html>", b"data: [1]\n\n", b""]
)
async def test_garbage_is_the_vendors_fault(wire, server, garbage):
    server.pieces = [garbage]
    assert (await failure(wire, server)).code in {"provider_bad_answer", "provider_answer_cut"}


async def test_silence_for_ever_ends_at_the_deadline(wire, server):
    server.pieces, server.ending = wire.text("Hello"), "hang"
    assert (await failure(wire, server, timeout_s=0.3)).code == "provider_timeout"


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.pulse], indirect=True, ids=lambda wire: wire.__name__)
async def test_signs_of_life_are_no_answer(wire, server):
    server.pieces, server.ending, server.pulse = wire.text("Hello"), "hang", wire.pulse
    assert (await failure(wire, server, timeout_s=0.5)).code == "provider_timeout"


async def test_nothing_listens_there(wire, server):
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment=wire.environment)
        options = {"base_url": "http://127.0.0.1:9", "max_retries": 0, **wire.options}
        async with registry.create("llm", wire.name, options, deps) as model:
            with pytest.raises(DependencyError) as caught:
                [event async for event in model.respond(LlmRequest(ASKED))]
    assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)


async def test_answers_share_a_connection(wire, server):
    server.pieces = [*wire.text("Hello"), *wire.end()]
    async with opened(wire, server) as model, time_limit():
        for _ in range(3):
            [event async for event in model.respond(LlmRequest(ASKED))]
    assert len({seen.client for seen in server.seen}) == 1


async def test_answers_at_once_do_not_mix(wire, server):
    server.pieces = [*wire.text("Hello"), *wire.calls(Call("call_a", "book", "{}")), *wire.end("tools")]
    async with opened(wire, server) as model, time_limit():

        async def one():
            events = [event async for event in model.respond(LlmRequest(ASKED, TOOLS))]
            return [(event.name, event.arguments) if isinstance(event, ToolCall) else event for event in events]

        answers = await asyncio.gather(*(one() for _ in range(8)))
    assert all(each == answers[0] for each in answers)


async def test_missing_credentials_are_named(wire):
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment=wire.bare_environment)
        with pytest.raises(UsageError) as caught:
            async with registry.create("llm", wire.name, dict(wire.options), deps):
                pass
    assert caught.value.code == "missing_api_key"
    assert wire.key_place in f"{caught.value} {caught.value.hint}"
