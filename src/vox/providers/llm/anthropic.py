"""Claude by Anthropic, over the streamed Messages API (`_anthropic_wire`).

The tools and the system prompt are marked for the prompt cache: they are the same in every turn of a call, and what is read
from the cache costs a tenth and arrives sooner.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

import msgspec
from pydantic import Field

from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.llm._anthropic_wire import MessageAssembly, body
from vox.providers.llm._vendor_stream import Request, StreamOptions, VendorStream
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message
from vox.providers.stt.contract import SpeechHints

KEY: Final = Key("anthropic", ("ANTHROPIC_API_KEY",))
BASE_URL: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"


class Config(StreamOptions):
    """Options of Claude."""

    model: str = Field(default="claude-haiku-4-5", description="One of Anthropic's models")
    temperature: float | None = Field(default=None, ge=0, le=1, description="Empty: the vendor's default")
    max_tokens: int = Field(default=1024, gt=0, description="Longest answer")
    cache_prompt: bool = Field(default=True, description="Whether tools and system prompt use the prompt cache")


class AnthropicModel:
    """A Claude model."""

    speaks_first = False
    answers_inaudible = False

    def __init__(self, config: Config, deps: Deps, key: str) -> None:
        self._config = config
        base_url = config.base_url or deps.environment.get("ANTHROPIC_BASE_URL", "") or BASE_URL
        self._url = f"{base_url.rstrip('/').removesuffix('/v1')}/v1/messages"
        self._headers = {"content-type": "application/json", "anthropic-version": VERSION, "x-api-key": key}
        self._stream = VendorStream("anthropic", KEY, config, deps)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's."""

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams one response. Closing the generator closes the HTTP stream."""
        config = self._config
        asked = body(request, model=config.model, max_tokens=config.max_tokens, caches_prompt=config.cache_prompt)
        if config.temperature is not None:
            asked["temperature"] = config.temperature
        content = msgspec.json.encode(asked)

        async def made() -> Request:
            return Request(self._url, content, self._headers)

        async with aclosing(self._stream.respond(made, MessageAssembly("anthropic", KEY))) as events:
            async for event in events:
                yield event

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """None: anything may be said to a model."""
        return None


def create(config: Config, deps: Deps) -> AnthropicModel:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return AnthropicModel(config, deps, KEY.required(deps, "anthropic"))
