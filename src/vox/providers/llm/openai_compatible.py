"""Chat over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `CHAT` in `providers/_openai.py`).

Chat completions unless the option `api` asks for the Responses API (`_responses_wire`). The official client sends the request; its answer is read by ours, which knows the vendors' dialects (`_event_stream` for the
framing, `_chat_assembly` for the fields). A tool call is handed on complete, and half a call must not run.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx2
from pydantic import Field

from vox.providers import _openai
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.llm import _responses_wire
from vox.providers.llm._chat_assembly import ChatAssembly
from vox.providers.llm._event_stream import EventStream
from vox.providers.llm._responses_wire import ResponseAssembly
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, ToolSpec
from vox.providers.stt.contract import SpeechHints

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._response import AsyncAPIResponse

DRAIN_S = 0.05
"""How long a vendor may keep a stream open behind its last event."""

_NAMED_CHOICES = frozenset({"auto", "none", "required"})


class Config(_openai.VendorConfig):
    """Options of a chat model."""

    temperature: float | None = Field(default=None, ge=0, le=2, description="Empty: the vendor's default")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer; empty: the vendor's default")
    reasoning_effort: str = Field(
        default="", description="How long a reasoning model may think, such as `minimal` or `low`; empty: its default"
    )
    api: Literal["chat", "responses"] = Field(
        default="chat", description="Which API answers: chat completions, or OpenAI's Responses where the vendor has it"
    )


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
        is_chat = self._config.api == "chat"
        arguments = self._arguments(request) if is_chat else self._response_arguments(request)
        create: Any = self._client.chat.completions if is_chat else self._client.responses
        async with AsyncExitStack() as stack:

            async def begin() -> "AsyncAPIResponse[Any]":
                return await stack.enter_async_context(create.with_streaming_response.create(stream=True, **arguments))

            response = await _openai.attempt(begin, self._config)
            assembly = (
                ChatAssembly(self._config.vendor, (tool.name for tool in request.tools))
                if is_chat
                else ResponseAssembly(self._config.vendor, Key(self._vendor.key, self._vendor.key_variables))
            )
            try:
                async for event in self._events(response, assembly):
                    yield event
            except _openai.failures() as error:
                raise _openai.failure(error, self._config.vendor) from error

    async def _events(
        self, response: "AsyncAPIResponse[Any]", assembly: ChatAssembly | ResponseAssembly
    ) -> AsyncGenerator[LlmEvent, None]:
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        received = EventStream(is_document=content_type == "application/json")
        body = response.iter_bytes()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.timeout_s
        while not assembly.is_done:
            progress = assembly.progress
            async with asyncio.timeout_at(deadline):
                data = await anext(body, None)
            if data is None:
                break
            for event in received.feed(data):
                for delta in assembly.add(event):
                    yield delta
            if assembly.progress != progress:
                deadline = loop.time() + self._config.timeout_s
        for event in received.finish():
            for delta in assembly.add(event):
                yield delta
        for result in assembly.finish():
            yield result
        with suppress(TimeoutError, httpx2.HTTPError):
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
        if self._config.reasoning_effort:
            arguments["reasoning_effort"] = self._config.reasoning_effort
        if request.tools:
            arguments["tools"] = [_tool(tool) for tool in request.tools]
            arguments["tool_choice"] = _tool_choice(request.tool_choice)
        return arguments

    def _response_arguments(self, request: LlmRequest) -> dict[str, Any]:
        arguments = _responses_wire.arguments(request, self._config.model or self._vendor.model)
        if self._config.temperature is not None:
            arguments["temperature"] = self._config.temperature
        if self._config.max_tokens is not None:
            arguments["max_output_tokens"] = self._config.max_tokens
        if self._config.reasoning_effort:
            arguments["reasoning"] = {"effort": self._config.reasoning_effort}
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
