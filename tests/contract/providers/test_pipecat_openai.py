"""Services that Pipecat itself brings, hosted as drivers, against a server that speaks OpenAI's wire: what a vendor is asked, and its answers."""

from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.fakes.openai_server import SPEECH_S, Failure, OpenAiServer, chunk, openai_server
from tests.pipecat_python import hosted
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, ToolSpec, Usage
from vox.runtime.clock import SystemClock

KEY = "sk-hidden"


@asynccontextmanager
async def openai(kind: Any, service: str, **options: Any) -> AsyncGenerator[tuple[Any, OpenAiServer]]:
    given = {
        **hosted(""),
        "service": f"pipecat.services.openai.{service}",
        "keys": {"api_key": "openai"},
        "timeout_s": WAIT_S,
        **options,
    }
    async with openai_server() as server, httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, {"openai": KEY})
        opened = registry.create(kind, "pipecat", {**given, "base_url": server.base_url}, deps)
        async with opened as driver, time_limit():
            yield driver, server


async def test_a_model_of_pipecat_answers_calls_tools_and_fails():
    tool = ToolSpec("look", "Looks", {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})
    request = LlmRequest(({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}), (tool,))
    async with openai("llm", "llm.OpenAILLMService", model="a-model", max_retries=0) as (llm, server):
        assert [event async for event in llm.respond(request)] == [TextDelta("Hello"), TextDelta(" there"), Usage(7, 2)]
        seen = server.seen[-1]
        assert (seen.key, seen.json["model"], seen.json["tool_choice"]) == (KEY, "a-model", "auto")
        assert [message["role"] for message in seen.json["messages"]] == ["system", "user"]
        (offered,) = seen.json["tools"]
        assert offered["function"] == {"name": "look", "description": "Looks", "parameters": tool.parameters}

        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}
        server.chunks = [chunk({"role": "assistant"}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls")]
        assert [event async for event in llm.respond(request)] == [ToolCall("c1", "look", '{"at": "it"}')]

        server.failures = [Failure(429, {"Retry-After": "0.1"})] * 5
        with pytest.raises(DependencyError) as caught:
            await anext(llm.respond(request))
        assert (caught.value.code, caught.value.retry_after_s) == ("provider_rate_limited", 0.1)
        server.failures = [Failure(401)] * 5
        with pytest.raises(DependencyError) as caught:
            await anext(llm.respond(request))
        assert caught.value.code == "provider_refused_key"
        assert KEY not in str(caught.value)


async def test_a_voice_of_pipecat_speaks():
    async with openai("tts", "tts.OpenAITTSService", voice="ash") as (tts, server):
        chunks = [spoken async for spoken in tts.synthesize("Good morning")]
        assert sum(len(spoken.pcm) for spoken in chunks) == int(SPEECH_S * tts.sample_rate) * 2
        assert (server.seen[-1].json["input"], server.seen[-1].json["voice"]) == ("Good morning", "ash")


async def test_a_recogniser_of_pipecat_understands():
    async with openai("stt", "stt.OpenAISTTService", connect_timeout_s=WAIT_S) as (stt, server):
        stream = stt.open_stream(lambda _: None, language="de")
        stream.start(None)
        for _ in range(50):
            stream.push(array("h", [9000, -9000] * 160).tobytes())
        stream.pause()
        assert (await stream.finish()).text == "hello"
        await stream.aclose()
        seen = server.seen[-1]
        assert seen.form["language"] == "de"
        assert len(seen.files["file"]) > 2 * stt.sample_rate, "the whole utterance went up"
