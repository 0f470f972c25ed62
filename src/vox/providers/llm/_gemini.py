"""A Gemini model, behind Google's Gemini API or in a project of Vertex AI: the drivers differ in address and access."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.llm._gemini_wire import ContentAssembly, Signatures, body
from vox.providers.llm._vendor_stream import Request, StreamOptions, VendorStream
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message
from vox.providers.stt.contract import SpeechHints


class GeminiOptions(StreamOptions):
    """Options of Gemini."""

    model: str = Field(default="gemini-2.5-flash", description="One of Google's models")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Empty: the vendor's default")
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer; empty: the vendor's default")
    thinking_tokens: int | None = Field(
        default=None,
        ge=-1,
        description="Tokens of thought before the answer: 0 none, -1 the model decides; empty: its default",
    )


class GeminiModel:
    """A Gemini model, wherever it answers.

    Args:
        vendor: named in errors.
        config: generation settings, deadlines and retries.
        deps: the HTTP client and the clock.
        url: where the model streams its answers.
        authorise: gives the headers that authorise a request.
        key: where the key stands; None where access is no key.
        sends_ids: whether the API takes the ids of tool calls.
    """

    speaks_first = False
    answers_inaudible = False

    def __init__(
        self,
        vendor: str,
        config: GeminiOptions,
        deps: Deps,
        url: str,
        authorise: Callable[[], Awaitable[dict[str, str]]],
        *,
        key: Key | None = None,
        sends_ids: bool = True,
    ) -> None:
        self._vendor = vendor
        self._config = config
        self._url = url
        self._authorise = authorise
        self._key = key
        self._sends_ids = sends_ids
        self._signatures = Signatures()
        self._stream = VendorStream(vendor, key, config, deps)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's."""

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams one response. Closing the generator closes the HTTP stream."""
        asked = body(request, self._signatures, sends_ids=self._sends_ids)
        if settings := self._generation():
            asked["generationConfig"] = settings
        content = msgspec.json.encode(asked)

        async def made() -> Request:
            return Request(self._url, content, {"content-type": "application/json", **await self._authorise()})

        assembly = ContentAssembly(self._vendor, self._signatures, self._key)
        async with aclosing(self._stream.respond(made, assembly)) as events:
            async for event in events:
                yield event

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """None: anything may be said to a model."""
        return None

    def _generation(self) -> dict[str, Any]:
        config, settings = self._config, dict[str, Any]()
        if config.temperature is not None:
            settings["temperature"] = config.temperature
        if config.max_tokens is not None:
            settings["maxOutputTokens"] = config.max_tokens
        if config.thinking_tokens is not None:
            settings["thinkingConfig"] = {"thinkingBudget": config.thinking_tokens}
        return settings
