"""Uploads of utterances over HTTP, for the vendors without a client library, and the recogniser around them."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import httpx2
from pydantic import Field

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers.contract import Deps, DriverConfig
from vox.providers.stt._file_stream import FileStream, Transcribe
from vox.providers.stt.contract import Transcript

RETRY_PAUSE_S = 0.25
_OK = range(200, 300)


class FileOptions(DriverConfig):
    """Options that every recogniser of whole utterances has."""

    model: str = Field(default="", description="Empty: the vendor's default")
    language: str = Field(default="", description="BCP-47; empty: the call's, else the vendor guesses")
    base_url: str = Field(default="", description="Where the vendor answers; empty: its public address")
    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Of the uploaded audio, in Hz")
    timeout_s: float = Field(default=15.0, gt=0, le=300, description="Longest wait for the answer")
    max_retries: int = Field(default=1, ge=0, le=5, description="Further tries after a failure that may pass")
    max_utterance_s: float = Field(default=60.0, gt=0, le=600, description="Longer utterances are cut")


class FileLimits(Protocol):
    """The options that `FileRecogniser` needs."""

    @property
    def sample_rate(self) -> int:
        """Of the uploaded audio, in Hz."""
        ...

    @property
    def language(self) -> str:
        """BCP-47; empty: the call's."""
        ...

    @property
    def max_utterance_s(self) -> float:
        """Longer utterances are cut."""
        ...


class FileRecogniser:
    """A recogniser behind a vendor's API for whole recordings.

    Args:
        transcribe: uploads an utterance.
        options: times and limits.
    """

    def __init__(self, transcribe: Transcribe, options: FileLimits) -> None:
        self.sample_rate = options.sample_rate
        self._transcribe = transcribe
        self._options = options

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's, and each call ends its stream."""

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> FileStream:
        """A stream for one call; texts come at pauses only."""
        return FileStream(
            self._transcribe,
            sample_rate=self.sample_rate,
            max_utterance_s=self._options.max_utterance_s,
            language=language or self._options.language,
            on_partial=on_partial,
        )


class Uploader:
    """Posts to one vendor, with a deadline and further tries where a failure may pass at once.

    Args:
        http: the shared client.
        vendor: as messages say it.
        key: where its API key stands.
        timeout_s: longest wait for an answer.
        max_retries: further tries.
    """

    def __init__(
        self, http: httpx2.AsyncClient, vendor: str, key: _failures.Key, *, timeout_s: float, max_retries: int = 1
    ) -> None:
        self._http = http
        self._vendor = vendor
        self._key = key
        self._timeout_s = timeout_s
        self._max_retries = max_retries

    async def post(self, url: str, *, headers: Mapping[str, str], **body: Any) -> bytes:
        """The body of the answer.

        Args:
            url: where to.
            headers: with the key.
            body: `files`, `data` or `json`, as the client takes them.

        Raises:
            DependencyError: the vendor failed, refused, or did not answer in time.
        """
        tries = 0
        while True:
            try:
                return await self._once(url, headers, body)
            except DependencyError as error:
                if tries >= self._max_retries or not _failures.may_repeat(error, RETRY_PAUSE_S):
                    raise
            tries += 1
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _once(self, url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.post(url, headers=dict(headers), timeout=self._timeout_s, **body)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise _failures.of_connection(error, self._vendor) from error
        if response.status_code in _OK:
            return response.content
        raise _failures.of_status(
            response.status_code,
            response.text or "no reason given",
            self._vendor,
            key=self._key,
            retry_after_s=_failures.retry_after_s(response.headers),
        )

    def unreadable(self) -> DependencyError:
        """The error for an answer that is not of the documented form."""
        return DependencyError(f"{self._vendor} sent an answer that Vox cannot read", code="provider_bad_answer")


def http_address(base_url: str, deps: Deps, variable: str, default: str) -> str:
    """Where the vendor answers: the option's, the environment's or its public address, for HTTP."""
    url = base_url or deps.environment.get(variable, "") or default
    return url.rstrip("/").replace("wss://", "https://", 1).replace("ws://", "http://", 1)
