"""Chat over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `CHAT` in `providers/_openai.py`).

The official client sends the request; its answer is read by ours, which knows the vendors' dialects (`_event_stream` for the
framing, `_chat_assembly` for the fields). A tool call is handed on complete, and half a call must not run.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from vox.providers import _openai
from vox.providers.contract import Deps
from vox.providers.llm._chat_assembly import ChatAssembly
from vox.providers.llm._event_stream import EventStream
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, ToolSpec
from vox.providers.stt.contract import SpeechHints

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream
    from openai._response import AsyncAPIResponse
    from openai.types.chat import ChatCompletionChunk

DRAIN_S = 0.05
"""How long a vendor may keep a stream open behind its last event."""

_NAMED_CHOICES = frozenset({"auto", "none", "required"})


class Config(_openai.VendorConfig):
    """Options of a chat model."""

    temperature: float | None = Field(default=None, ge=0, le=2, description="Empty: the vendor's default")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer; empty: the vendor's default")


class OpenAiChat:
    """A chat model behind OpenAI's API."""

    speaks_first = False
    answers_inaudible = False

    def __init__(self, config: Config, vendor: _openai.Vendor, client: "AsyncOpenAI") -> None:
        self._config = config
        self._vendor = vendor
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's."""

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams one response. Closing the generator closes the HTTP stream."""
        arguments = self._arguments(request)
        async with AsyncExitStack() as stack:

            async def begin() -> "AsyncAPIResponse[AsyncStream[ChatCompletionChunk]]":
                return await stack.enter_async_context(
                    self._client.chat.completions.with_streaming_response.create(stream=True, **arguments)
                )

            response = await _openai.attempt(begin, self._config)
            try:
                async for event in self._events(response, request):
                    yield event
            except _openai.failures() as error:
                raise _openai.failure(error, self._config.vendor) from error

    async def _events(
        self, response: "AsyncAPIResponse[AsyncStream[ChatCompletionChunk]]", request: LlmRequest
    ) -> AsyncGenerator[LlmEvent, None]:
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        received = EventStream(is_document=content_type == "application/json")
        assembly = ChatAssembly(self._config.vendor, (tool.name for tool in request.tools))
        body = response.iter_bytes()
        async for data in body:
            for event in received.feed(data):
                for delta in assembly.add(event):
                    yield delta
            if assembly.is_done:
                break
        for event in received.finish():
            for delta in assembly.add(event):
                yield delta
        for result in assembly.finish():
            yield result
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):  # a body read to its end leaves the connection for the next answer
                async for _ in body:
                    pass

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """None: anything may be said to a model."""
        return None

    def _arguments(self, request: LlmRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._config.model or self._vendor.model,
            "messages": list(request.messages),
        }
        if self._vendor.reports_usage:
            arguments["stream_options"] = {"include_usage": True}
        if self._config.temperature is not None:
            arguments["temperature"] = self._config.temperature
        if self._config.max_tokens is not None:
            arguments["max_tokens"] = self._config.max_tokens
        if request.tools:
            arguments["tools"] = [_tool(tool) for tool in request.tools]
            arguments["tool_choice"] = _tool_choice(request.tool_choice)
        return arguments


def create(config: Config, deps: Deps) -> OpenAiChat:
    """The driver; raises `UsageError` (`missing_api_key`, `unknown_provider`)."""
    vendor = _openai.find("llm", config)
    return OpenAiChat(config, vendor, _openai.connect(vendor, config, deps))


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
    }


def _tool_choice(choice: str) -> object:
    return choice if choice in _NAMED_CHOICES else {"type": "function", "function": {"name": choice}}
