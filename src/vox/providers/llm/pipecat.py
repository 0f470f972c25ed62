"""Any language model that Pipecat has, hosted in a process of its own. Tools run in the call as with every model, not in Pipecat."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import msgspec
from pydantic import Field

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolCall, Usage
from vox.providers.pipecat.host import Host
from vox.providers.pipecat.messages import Called, Counted, OfSession, Respond, Written
from vox.providers.pipecat.options import ServiceOptions, configuration
from vox.providers.pipecat.pool import SessionPool
from vox.providers.stt.contract import SpeechHints

RETRY_PAUSE_S = 0.25


class Config(ServiceOptions):
    """Options of a hosted model."""

    model: str = Field(default="", description="Into the service's settings; empty: the service's default")
    base_url: str = Field(default="", description="For services that take a `base_url`; empty: the vendor's")
    timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="Longest wait for the answer, and between its parts"
    )
    max_retries: int = Field(default=1, ge=0, le=5, description="Further tries after a failure that may pass")
    max_sessions: int = Field(default=50, ge=1, le=1000, description="Answers at a time; further ones wait")
    idle_s: float = Field(default=60.0, ge=0, le=3600, description="How long a service is kept without a request")


class Model:
    """Answers with the hosted service."""

    speaks_first = False
    answers_inaudible = False

    def __init__(self, config: Config, deps: Deps) -> None:
        self._config = config
        self._host = Host(config, configuration("llm", config, deps, model=config.model, base_url=config.base_url))
        self._pool = SessionPool(self._host, most=config.max_sessions, wait_s=config.timeout_s, idle_s=config.idle_s)

    async def __aenter__(self) -> Self:
        await self._host.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()
        await self._host.__aexit__(kind, error, trace)

    async def check(self) -> None:
        """Returns where the worker runs; raises `DependencyError` where not."""
        await self._host.check()

    def hints(self, messages: tuple[Message, ...]) -> SpeechHints | None:
        """None: anything may be said to a model."""
        return None

    async def respond(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Streams one response. Closing the generator interrupts the service.

        Raises:
            DependencyError: the service failed.
        """
        tries, has_answered = 0, False
        while True:
            try:
                async with aclosing(self._answer(request)) as events:
                    async for event in events:
                        has_answered = True
                        yield event
            except DependencyError as error:
                waits = (error.retry_after_s or 0.0) > RETRY_PAUSE_S or error.code == "provider_timeout"
                if has_answered or waits or not error.retryable or tries >= self._config.max_retries:
                    raise
            else:
                return
            tries += 1
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _answer(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        messages: list[Any] = list(request.messages)
        tools: list[Any] = msgspec.to_builtins(request.tools)
        async with self._pool.request() as asked:
            asked.send(Respond(asked.number, messages, tools, request.tool_choice))
            async with aclosing(asked.answers()) as answers:
                while (answer := await self._next(answers)) is not None:
                    if (event := _event(answer)) is not None:
                        yield event

    async def _next(self, answers: AsyncGenerator[OfSession, None]) -> OfSession | None:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await anext(answers, None)
        except TimeoutError as error:
            raise _failures.of_connection(error, self._host.name) from error


def create(config: Config, deps: Deps) -> Model:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Model(config, deps)


def _event(answer: OfSession) -> LlmEvent | None:
    match answer:
        case Written(_, text):
            return TextDelta(text)
        case Called(_, call_id, name, arguments):
            return ToolCall(call_id, name, arguments)
        case Counted(_, prompt, completion):
            return Usage(prompt, completion)
        case _:
            return None
