"""A model for tests and load runs: says scripted or echoed words with exact delays, the same for the same messages.

The delays are waits on the event loop; with all of them zero, a response never yields to the loop.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import cycle, islice
from types import TracebackType
from typing import Any, Final, Self

from pydantic import Field

from vox.providers.contract import Deps, DriverConfig
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolCall, Usage
from vox.providers.stt.contract import SpeechHints

WORDS: Final = [
    "this",
    "is",
    "a",
    "made",
    "up",
    "answer",
    "that",
    "says",
    "a",
    "few",
    "plain",
    "words",
    "and",
    "then",
    "it",
    "stops",
]


class FakeCall(DriverConfig):
    """A tool to call when `keyword` occurs in the last user message."""

    keyword: str
    tool: str
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])


class Config(DriverConfig):
    """What to say and how fast.

    `responses` are said in turn, one per user message, the last one again and again; `{text}` stands for the user's
    words. Without them, `echo` says what the user said, else `words` filler words are said. `first_delay_s` passes
    before the first word, `delay_s` between words. `calls` call tools by keyword; a tool's result is then read out.
    `grammar` and `phrases` are the hints.
    """

    responses: tuple[str, ...] = ()
    echo: bool = False
    words: int = Field(default=13, ge=1, le=10_000)
    first_delay_s: float = Field(default=0.0, ge=0)
    delay_s: float = Field(default=0.0, ge=0)
    calls: tuple[FakeCall, ...] = ()
    grammar: str | None = None
    phrases: tuple[str, ...] = ()


class FakeModel:
    """A language model that is no model."""

    speaks_first = False
    answers_inaudible = False

    def __init__(self, config: Config) -> None:
        self._config = config
        self._hints = SpeechHints(config.grammar, config.phrases) if config.grammar or config.phrases else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams the answer word by word, or the tool call; then the usage, a token per word."""
        await _pause(self._config.first_delay_s)
        call = self._call(request.messages)
        if call is not None:
            yield ToolCall(f"fake_{len(request.messages)}", call.tool, json.dumps(dict(call.arguments)))
            return
        words = self._answer(request.messages).split()
        for number, word in enumerate(words):
            if number:
                await _pause(self._config.delay_s)
            yield TextDelta(f" {word}" if number else word)
        yield Usage(sum(len((message["content"] or "").split()) for message in request.messages), len(words))

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """The configured hints."""
        return self._hints

    def _call(self, messages: Sequence[Message]) -> FakeCall | None:
        if not messages or messages[-1]["role"] != "user":
            return None
        text = (messages[-1]["content"] or "").lower()
        return next((call for call in self._config.calls if call.keyword.lower() in text), None)

    def _answer(self, messages: Sequence[Message]) -> str:
        if messages and messages[-1]["role"] == "tool":
            return messages[-1]["content"] or ""
        said = [message["content"] or "" for message in messages if message["role"] == "user"]
        last = said[-1] if said else ""
        if self._config.responses:
            response = self._config.responses[min(max(len(said), 1), len(self._config.responses)) - 1]
            return response.replace("{text}", last)
        return last if self._config.echo else " ".join(_filler(self._config.words))


def create(config: Config, deps: Deps) -> FakeModel:
    """The driver for these options."""
    return FakeModel(config)


def _filler(count: int) -> Iterator[str]:
    """`count` words in sentences of the length of `WORDS`, each begun with a capital and ended with a full stop."""
    for number, word in enumerate(islice(cycle(WORDS), count), 1):
        place = (number - 1) % len(WORDS)
        is_last = number == count or place == len(WORDS) - 1
        yield (word.capitalize() if place == 0 else word) + ("." if is_last else "")


async def _pause(delay_s: float) -> None:
    if delay_s > 0:
        await asyncio.sleep(delay_s)
