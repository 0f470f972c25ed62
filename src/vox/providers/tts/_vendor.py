"""What the drivers of speech vendors share: options, key and address, deadlines, one retry, failures, samples and times of words.

A driver's own file says only how its vendor is asked and how it answers (`VendorSpeech.pieces`). The vendors' own clients are not
used: each brings a second HTTP client, and none of them can be given ours (ARCHITECTURE.md, "Dependencies").
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx2
import msgspec
from pydantic import Field

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.contract import Deps, DriverConfig
from vox.providers.llm._event_stream import EventStream
from vox.providers.tts._assembly import SpeechAssembly
from vox.providers.tts._pcm import PcmReader
from vox.providers.tts._words import WordFinder
from vox.providers.tts.contract import SpeechChunk, SpokenWord

_T = TypeVar("_T")

RETRY_PAUSE_S = 0.25
CONNECT_TIMEOUT_S = 5.0
MAX_ERROR_BYTES = 1 << 16
MAX_DOCUMENT_BYTES = 64 << 20
"""Of an answer that is one JSON document with the audio in it: ten minutes of it are 40 MB."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor.

    Args:
        name: as errors name it.
        provider: as the configuration names it.
        base_url: where it answers.
        base_url_variable: environment variable that overrides `base_url`.
        key: where its key stands.
        max_text: characters of one request; the rest is not spoken.
    """

    name: str
    provider: str
    base_url: str
    base_url_variable: str
    key: Key
    max_text: int = 5000


class VendorOptions(DriverConfig):
    """Options that every driver of a vendor has."""

    base_url: str = Field(default="", description="Where the vendor's API answers; empty: the vendor's own address")
    timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="Longest wait for the first audio of a sentence, and for more of it"
    )
    max_retries: int = Field(default=1, ge=0, le=5, description="Further tries, at once, while nothing was heard")


class Reach(Protocol):
    """The options that say where a vendor is and how long to wait for it."""

    @property
    def base_url(self) -> str:
        """Where the vendor's API answers; empty: the vendor's own address."""
        ...

    @property
    def timeout_s(self) -> float:
        """Longest wait for the first audio of a sentence, and for more of it."""
        ...

    @property
    def max_retries(self) -> int:
        """Further tries while nothing was heard."""
        ...


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a vendor is asked to speak.

    Attributes:
        text: without control characters, every character where it was in the call's text.
        voice: the agent's, else the driver's; may be empty.
        language: a BCP 47 tag with hyphens, empty where the agent has none.
        words: finds the words of `text`.
        audio_s: seconds of audio so far; what a driver needs that is told times by piece.
    """

    text: str
    voice: str
    language: str
    words: WordFinder
    assembly: SpeechAssembly

    @property
    def audio_s(self) -> float:
        """Seconds of audio handed over so far."""
        return self.assembly.duration_s

    @property
    def base_language(self) -> str:
        """The language without its country: `de` of `de-CH`."""
        return self.language.partition("-")[0].lower()


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a vendor's answer: audio cut anywhere, PCM or WAV, and words of the sentence with their times."""

    audio: bytes = b""
    words: Sequence[SpokenWord] = ()


class VendorSpeech(ABC):
    """The base of a vendor's driver.

    Args:
        config: the driver's options.
        deps: the HTTP client, the clock, keys and environment.
        voice: the driver's own voice, used where the agent has none.

    Raises:
        UsageError: `missing_api_key`.
    """

    vendor: Vendor

    def __init__(self, config: Reach, deps: Deps, *, voice: str = "", sample_rate: int = 24_000) -> None:
        vendor = self.vendor
        self.sample_rate = sample_rate
        self._timeout_s = config.timeout_s
        self._max_retries = config.max_retries
        self._voice = voice
        self._http = deps.http
        self._clock = deps.clock
        self._base_url = (
            config.base_url or deps.environment.get(vendor.base_url_variable, "") or vendor.base_url
        ).rstrip("/")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's."""
        return

    @abstractmethod
    def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """Asks the vendor for one sentence and gives what it answers, as it comes.

        It is closed when the sentence is cut, and ends the request at the vendor then. What `httpx2` and `msgspec` raise
        becomes a `DependencyError` by itself.
        """
        ...

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence. Closing the generator ends the request at the vendor.

        Raises:
            DependencyError: the vendor failed.
        """
        spoken = speakable(text[: self.vendor.max_text])
        if not spoken.strip():
            return
        tries = 0
        while True:
            assembly = SpeechAssembly(self.sample_rate)
            sentence = Sentence(spoken, voice or self._voice, language_tag(language), WordFinder(spoken), assembly)
            try:
                async with aclosing(self._speak(sentence)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except DependencyError as failed:
                is_last = tries >= self._max_retries or bool(assembly.duration_s)
                if is_last or not _failures.may_repeat(failed, RETRY_PAUSE_S):
                    raise
            else:
                return
            tries += 1
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _speak(
        self, sentence: Sentence, pieces: AsyncGenerator[Piece, None] | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        reader = PcmReader(self.vendor.name, self.sample_rate)
        assembly = sentence.assembly
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        async with aclosing(pieces or self.pieces(sentence)) as coming:
            while not assembly.is_full and (piece := await self._next(coming, deadline)) is not None:
                if chunk := assembly.add(reader.feed(piece.audio), piece.words):
                    yield chunk
                if piece.audio or piece.words:  # signs of life are no speech
                    deadline = loop.time() + self._timeout_s
        if chunk := assembly.finish(reader.finish()):
            yield chunk
        if not assembly.duration_s and any(map(str.isalnum, sentence.words.text)):
            raise DependencyError(f"{self.vendor.name} sent no audio", code="provider_bad_answer", retryable=True)

    async def _next(self, pieces: AsyncGenerator[Piece, None], deadline: float) -> Piece | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(pieces, None)
        except (TimeoutError, httpx2.HTTPError) as error:
            raise _failures.of_connection(error, self.vendor.name) from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise self.unreadable() from error

    @asynccontextmanager
    async def request(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> AsyncGenerator[httpx2.Response, None]:
        """The vendor's answer while it arrives, of a status below 300; leaving ends the request.

        Args:
            path: behind the base URL, or a whole URL.
            headers: of the request.
            json: a body, encoded here.
            content: a body as it stands.
            params: the query.
            method: HTTP's.

        Raises:
            DependencyError: for every other status, with the vendor's own words.
        """
        if json is not None:
            content, headers = msgspec.json.encode(json), {"Content-Type": "application/json", **headers}
        timeout = httpx2.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s))
        url = path if "://" in path else f"{self._base_url}{path}"
        async with self._http.stream(
            method, url, headers=dict(headers), content=content, params=params, timeout=timeout
        ) as response:
            if not response.is_success:
                raise await self._refusal(response)
            yield response

    async def audio_of(
        self, response: httpx2.Response, *, asked_for: str = "pcm", remedy: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """An answer whose body is the audio.

        Args:
            response: its head.
            asked_for: `pcm`, or `wav`, which then has to come.
            remedy: what to do where something else comes.

        Raises:
            DependencyError: it is a document, or compressed.
        """
        kind = response.headers.get("content-type", "")
        if kind.startswith(("application/json", "text/")):
            raise self.reported(await self.document(response, dict[str, Any]))
        name, rate = self.vendor.name, self.sample_rate
        reader = PcmReader(name, rate, asked_for=asked_for, content_type=kind, remedy=remedy)
        async for data in response.aiter_bytes():
            yield Piece(reader.feed(data))
        yield Piece(reader.finish())

    async def events_of(self, response: httpx2.Response, shape: type[_T]) -> AsyncGenerator[_T, None]:
        """An answer of server-sent events or of JSON lines, each of this shape.

        Raises:
            ValidationError: msgspec's, for one of another shape.
        """
        stream = EventStream()
        async for data in response.aiter_bytes():
            for event in stream.feed(data):
                yield msgspec.convert(event.data, shape)
        for event in stream.finish():
            yield msgspec.convert(event.data, shape)

    async def document(self, response: httpx2.Response, shape: type[_T]) -> _T:
        """An answer that is one JSON document of this shape.

        Raises:
            DecodeError: msgspec's, for another one.
            DependencyError: it is larger than any speech.
        """
        body = bytearray()
        async for data in response.aiter_bytes():
            body += data
            if len(body) > MAX_DOCUMENT_BYTES:
                raise self.unreadable()
        return msgspec.json.decode(bytes(body), type=shape)

    def reported(self, problem: object) -> DependencyError:
        """The error that the vendor reports inside an answer."""
        return _failures.reported(problem, self.vendor.name, self.vendor.key)

    def unreadable(self) -> DependencyError:
        """The error for an answer that does not have the documented form."""
        return DependencyError(
            f"{self.vendor.name} sent an answer that Vox cannot read",
            code="provider_bad_answer",
            hint="check the option base_url",
        )

    async def _refusal(self, response: httpx2.Response) -> DependencyError:
        body = b""
        async for data in response.aiter_bytes():
            body += data
            if len(body) > MAX_ERROR_BYTES:
                break
        return self.refusal(response.status_code, body, response.headers)

    def refusal(self, status: int, body: bytes, headers: Mapping[str, str]) -> DependencyError:
        """The error for an HTTP status."""
        try:
            problem: object = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError):
            problem = body.decode(errors="replace") or "no reason given"
        words = str(_failures.reported(problem, self.vendor.name)).partition(": ")[2]
        return _failures.of_status(
            status,
            words or "no reason given",
            self.vendor.name,
            key=self.vendor.key,
            retry_after_s=_failures.retry_after_s(headers),
        )


def language_tag(language: str | None) -> str:
    """A language that a vendor of speech can be told; recognisers also know `multi` and `auto`."""
    return language.replace("_", "-") if language and _LANGUAGE.fullmatch(language) and language != "auto" else ""


def speakable(text: str) -> str:
    """A text without control characters, every character where it was."""
    return _UNSPEAKABLE.sub(" ", text)


def escaped(text: str) -> str:
    """A text as it stands inside of SSML: its marks are spoken or skipped, never read as markup."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&apos;")
    )
