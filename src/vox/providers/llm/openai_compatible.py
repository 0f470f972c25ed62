"""Chat over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `CHAT` in `providers/_openai.py`).

A tool call arrives in pieces and is handed on complete. An answer that ends without saying why was cut: half a tool call
must not run.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import Field

from vox.errors import DependencyError
from vox.providers import _openai
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage
from vox.providers.stt.contract import SpeechHints

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk
    from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

MAX_TOOL_CALLS = 64
# The client builds its objects without looking: an answer of another shape shows where its fields are used.
_BAD_SHAPES = (AttributeError, TypeError)
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

        async def begin() -> "AsyncStream[ChatCompletionChunk]":
            return await self._client.chat.completions.create(stream=True, **arguments)

        stream = await _openai.attempt(begin, self._config)
        try:
            async for event in _events(stream, self._config.vendor):
                yield event
        except (*_openai.failures(), *_BAD_SHAPES) as error:
            raise _openai.failure(error, self._config.vendor) from error
        finally:
            await stream.close()

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


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: str = ""

    def add(self, piece: "ChoiceDeltaToolCall") -> None:
        self.id = self.id or piece.id or ""
        if piece.function is not None:
            self.name += piece.function.name or ""
            self.arguments += piece.function.arguments or ""


async def _events(stream: "AsyncStream[ChatCompletionChunk]", vendor: str) -> AsyncGenerator[LlmEvent, None]:
    calls: dict[int, _PartialCall] = {}
    is_finished = False
    async for chunk in stream:
        for choice in chunk.choices or ():
            if choice.delta and choice.delta.content:
                yield TextDelta(choice.delta.content)
            for piece in (choice.delta.tool_calls if choice.delta else None) or ():
                # Some compatible servers leave the index out; then each piece is a whole call.
                index = cast("int | None", piece.index)
                calls.setdefault(len(calls) if index is None else index, _PartialCall()).add(piece)
                if len(calls) > MAX_TOOL_CALLS:
                    raise DependencyError(f"{vendor} asked for too many tools at once", code="provider_bad_answer")
            is_finished = is_finished or bool(choice.finish_reason)
        if chunk.usage is not None:
            yield Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
    if not is_finished:
        raise DependencyError(
            f"{vendor} ended its answer in the middle", code="provider_answer_cut", retryable=not calls
        )
    for index in sorted(calls):
        call = calls[index]
        yield ToolCall(call.id or f"call_{index}", call.name, call.arguments or "{}")


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
    }


def _tool_choice(choice: str) -> object:
    return choice if choice in _NAMED_CHOICES else {"type": "function", "function": {"name": choice}}
