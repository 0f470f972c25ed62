"""One streamed answer over HTTP from a vendor with a wire of its own: the request, its deadlines and retries, its failures.

The official clients of these vendors are not used: for this one request they cost seconds of imports and megabytes, and
they hide the headers that say when to come back (ARCHITECTURE.md, "Dependencies").
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import httpx2
from pydantic import Field

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.contract import Deps, DriverConfig
from vox.providers.llm._answer import Assembly
from vox.providers.llm._event_stream import EventStream, StreamEvent
from vox.providers.llm.contract import LlmEvent

RETRY_PAUSE_S: Final = 0.25
DRAIN_S: Final = 0.05
"""How long a vendor may keep a stream open behind its last event."""
CONNECT_TIMEOUT_S: Final = 5.0
MAX_ERROR_BYTES: Final = 1 << 16


class StreamOptions(DriverConfig):
    """Options that every driver of such a vendor has."""

    base_url: str = Field(default="", description="Where the vendor answers; empty: its public address")
    timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="Longest wait for the answer, and between its parts"
    )
    max_retries: int = Field(default=1, ge=0, le=5, description="Further tries after a failure that may pass")


class Decoder(Protocol):
    """Bytes of an answer to events."""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete."""
        ...

    def finish(self) -> list[StreamEvent]:
        """The events that the answer's end completes."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A POST whose answer is streamed; `content` is sent as it stands."""

    url: str
    content: bytes
    headers: dict[str, str]


class VendorStream:
    """Sends requests to one vendor and reads their answers.

    Args:
        vendor: named in errors.
        key: where its key stands, for the error that it was refused; None where there is none.
        config: deadlines and retries.
        deps: the HTTP client and the clock.
    """

    def __init__(self, vendor: str, key: Key | None, config: StreamOptions, deps: Deps) -> None:
        self._vendor = vendor
        self._key = key
        self._config = config
        self._http = deps.http
        self._clock = deps.clock

    async def respond(
        self,
        request: Callable[[], Awaitable[Request]],
        assembly: Assembly,
        decoder: Callable[[httpx2.Response], Decoder] | None = None,
    ) -> AsyncGenerator[LlmEvent, None]:
        """Streams one answer. Closing the generator closes the connection.

        Args:
            request: makes the request, anew for each try.
            assembly: of this answer.
            decoder: of its bytes; None: server-sent events.

        Raises:
            DependencyError: the vendor or the way there failed.
        """
        async with AsyncExitStack() as stack:
            response = await self._begin(request, stack)
            received = (decoder or _event_stream)(response)
            body = response.aiter_bytes()
            deadline = self._clock.now() + self._config.timeout_s
            while not assembly.is_done:
                progress = assembly.progress
                data = await self._next(body, deadline)
                for event in received.finish() if data is None else received.feed(data):
                    for delta in assembly.add(event):
                        yield delta
                if data is None:
                    break
                if assembly.progress != progress:
                    deadline = self._clock.now() + self._config.timeout_s
            for result in assembly.finish():
                yield result
            with suppress(TimeoutError, httpx2.HTTPError):
                async with asyncio.timeout(DRAIN_S):  # read to its end, the connection serves the next answer
                    async for _ in body:
                        pass

    async def _begin(self, request: Callable[[], Awaitable[Request]], stack: AsyncExitStack) -> httpx2.Response:
        """The head of the answer, with the tries configured."""
        tries = 0
        while True:
            try:
                async with asyncio.timeout(self._config.timeout_s):
                    return await self._send(await request(), stack)
            except (TimeoutError, httpx2.HTTPError) as error:
                failed = _failures.of_connection(error, self._vendor)
                cause: Exception = error
            except DependencyError as error:
                failed = cause = error
            if tries >= self._config.max_retries or not _failures.may_repeat(failed, RETRY_PAUSE_S):
                raise failed from (cause if cause is not failed else None)
            tries += 1
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _send(self, request: Request, stack: AsyncExitStack) -> httpx2.Response:
        connect_s = min(CONNECT_TIMEOUT_S, self._config.timeout_s)
        timeout = httpx2.Timeout(self._config.timeout_s, connect=connect_s)
        sent = self._http.stream("POST", request.url, content=request.content, headers=request.headers, timeout=timeout)
        response = await stack.enter_async_context(sent)
        if response.is_success:
            return response
        body = bytearray()
        async for data in response.aiter_bytes():
            body += data
            if len(body) > MAX_ERROR_BYTES:
                break
        await response.aclose()
        raise _failures.of_response(response.status_code, bytes(body), response.headers, self._vendor, self._key)

    async def _next(self, body: AsyncIterator[bytes], deadline: float) -> bytes | None:
        """The next bytes; None at the end."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                return await anext(body, None)
        except (TimeoutError, httpx2.HTTPError) as error:
            raise _failures.of_connection(error, self._vendor) from error


def _event_stream(response: httpx2.Response) -> EventStream:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return EventStream(is_document=kind == "application/json")
