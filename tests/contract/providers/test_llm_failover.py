"""A list of language models: the next answers where one fails before its first word, also with another's tool calls."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest

from tests.fakes.vendors.llm_server import LlmServer, Refusal, llm_server
from tests.fakes.vendors.llm_wires import Anthropic, Gemini
from tests.time_limits import time_limit
from vox.errors import DependencyError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.failover.members import FailOverPolicy
from vox.providers.failover.wrap import wrap
from vox.providers.llm.contract import LlmRequest, Message, TextDelta, ToolSpec
from vox.runtime.clock import SystemClock
from vox.runtime.metrics import NullMetrics

TOOLS = (ToolSpec("book", "Books a table.", {"type": "object"}),)
MESSAGES: tuple[Message, ...] = (
    {"role": "user", "content": "A table for two."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "book", "arguments": '{"n": 2}'}}],
    },
    {"role": "tool", "tool_call_id": "toolu_1", "content": '{"ok": true}'},
)


@asynccontextmanager
async def both() -> AsyncGenerator[tuple[LlmServer, LlmServer, object]]:
    claude, gemini = Anthropic(), Gemini()
    async with llm_server() as first, llm_server() as second, httpx2.AsyncClient() as http:
        first.pieces = [*claude.text("From Claude."), *claude.end()]
        second.pieces = [*gemini.text("From Gemini."), *gemini.end()]
        deps = Deps(SystemClock(), http, environment={**claude.environment, **gemini.environment})
        drivers = [
            (name, registry.create("llm", name, {"base_url": server.base_url, "max_retries": 0}, deps))
            for name, server in (("anthropic", first), ("google", second))
        ]
        yield first, second, wrap("llm", drivers, FailOverPolicy(timeout_s=0.5), SystemClock(), NullMetrics())


async def answer(model) -> list[str]:
    async with time_limit():
        events = [event async for event in model.respond(LlmRequest(MESSAGES, TOOLS))]
    return [event.text for event in events if isinstance(event, TextDelta)]


async def test_the_preferred_model_answers():
    async with both() as (_, second, model):
        assert await answer(model) == ["From Claude."]
        assert second.seen == []


@pytest.mark.parametrize("status", [401, 429, 529])
async def test_the_next_model_answers_with_the_others_tool_results(status):
    async with both() as (first, second, model):
        first.refusals = [Refusal(status)]
        assert await answer(model) == ["From Gemini."]
    ((name, result),) = Gemini().results(second.seen[0].json)
    assert (name, json.loads(result)) == ("book", {"ok": True})


async def test_a_model_that_is_silent_is_passed_over():
    async with both() as (first, _, model):
        first.pieces, first.ending = [Anthropic.pulse], "hang"
        assert await answer(model) == ["From Gemini."]
        async with time_limit():
            await first.hung_up.wait()


async def test_a_model_that_fails_behind_its_first_word_is_not_replaced():
    async with both() as (first, second, model):
        first.pieces, first.ending = Anthropic().text("From "), "cut"
        with pytest.raises(DependencyError):
            await answer(model)
        assert second.seen == []
