"""Transcription over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `TRANSCRIPTION`).

The API takes whole files. So that the answer is there when the turn ends, the upload begins when the caller falls silent;
if speech goes on, that answer is thrown away and a later one asked for.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec
from pydantic import Field

from vox.errors import VoxError
from vox.providers import _failures, _openai
from vox.providers.contract import Deps
from vox.providers.stt._utterance import Utterance
from vox.providers.stt.contract import SpeechHints, Transcript

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MIN_AUDIO_S = 0.1
"""OpenAI refuses shorter files."""

_MAX_PROMPT = 500  # characters; Whisper reads the last 224 tokens of a prompt


class Config(_openai.VendorConfig):
    """Options of a recogniser."""

    language: str = Field(default="", description="BCP-47; empty: the call's, else the vendor guesses")
    prompt: str = Field(default="", description="Words that may be said, such as names")
    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Of the uploaded audio, in Hz")
    max_utterance_s: float = Field(default=60.0, gt=0, le=600, description="Longer utterances are cut")


class OpenAiTranscription:
    """A recogniser behind OpenAI's API."""

    def __init__(self, config: Config, vendor: _openai.Vendor, client: "AsyncOpenAI") -> None:
        self.sample_rate = config.sample_rate
        self._config = config
        self._vendor = vendor
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the HTTP client is the caller's, and each call ends its stream."""

    def open_stream(self, on_partial: Callable[[Transcript], None], *, language: str | None = None) -> "Stream":
        """A stream for one call; interim transcripts come at pauses only."""
        return Stream(self, self._config, language or self._config.language, on_partial)

    async def transcribe(self, pcm: bytes, *, language: str, prompt: str) -> Transcript:
        """The transcript of s16le mono audio; raises `DependencyError`."""
        arguments: dict[str, Any] = {"model": self._config.model or self._vendor.model, "response_format": "json"}
        if language:
            arguments["language"] = language.partition("-")[0].lower()
        if prompt:
            arguments["prompt"] = prompt[:_MAX_PROMPT]
        file = ("audio.wav", wav(pcm, self.sample_rate), "audio/wav")

        async def upload() -> str:
            # The client's own types differ with the format asked for; the answer is read as it comes.
            create = cast("Callable[..., Awaitable[Any]]", self._client.audio.transcriptions.with_raw_response.create)
            response = await create(file=file, **arguments)
            return _transcript_text(response.content, response.headers.get("content-type", ""), self._config.vendor)

        return Transcript((await _openai.attempt(upload, self._config)).strip(), language=language or None)


class Stream:
    """One call's utterances, one upload each."""

    def __init__(
        self,
        driver: OpenAiTranscription,
        config: Config,
        language: str,
        on_partial: Callable[[Transcript], None],
    ) -> None:
        self._driver = driver
        self._on_partial = on_partial
        self._config = config
        self._language = language
        self._prompt = config.prompt
        self._utterance = Utterance(driver.sample_rate, config.max_utterance_s)
        self._upload: asyncio.Task[Transcript] | None = None
        self._ending: set[asyncio.Task[Transcript]] = set()
        self._is_finishing = False

    def start(self, hints: SpeechHints | None) -> None:
        """A new utterance; the phrases expected go along as the prompt."""
        self.cancel()
        phrases = ", ".join(phrase.rstrip(".?!") for phrase in hints.phrases) if hints is not None else ""
        self._prompt = phrases or self._config.prompt

    def push(self, pcm: bytes) -> None:
        """Keeps the audio."""
        self._utterance.push(pcm)
        if self._upload is not None and self._utterance.has_resumed():
            self._drop_upload()

    def pause(self) -> None:
        """Begins the upload of what there is."""
        if self._upload is not None and not self._utterance.has_resumed(check_all=True):
            return
        self._drop_upload()
        self._utterance.pause()
        self._upload = self._begin()
        self._upload.add_done_callback(self._heard)

    async def finish(self) -> Transcript:
        """The upload's answer, of a new one if speech went on or the first one failed."""
        self._is_finishing = True
        upload = self._upload
        if upload is None or self._utterance.has_resumed(check_all=True) or _has_failed(upload):
            self._drop_upload()
            upload = self._upload = self._begin()
        try:
            return await upload
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Throws the utterance away."""
        self._drop_upload()
        self._is_finishing = False
        self._utterance = Utterance(self._driver.sample_rate, self._config.max_utterance_s)

    async def aclose(self) -> None:
        """Ends the stream."""
        self.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _begin(self) -> asyncio.Task[Transcript]:
        return asyncio.create_task(self._transcribe(bytes(self._utterance.audio)))

    async def _transcribe(self, pcm: bytes) -> Transcript:
        if len(pcm) < MIN_AUDIO_S * self._driver.sample_rate * 2:
            return Transcript("")
        return await self._driver.transcribe(pcm, language=self._language, prompt=self._prompt)

    def _heard(self, upload: asyncio.Task[Transcript]) -> None:
        """Tells what was said up to the pause, unless speech has gone on."""
        if upload is not self._upload or self._is_finishing or upload.cancelled() or upload.exception() is not None:
            return
        if not self._utterance.has_resumed(check_all=True):
            self._on_partial(Transcript(upload.result().text, is_final=False, at_pause=True))

    def _drop_upload(self) -> None:
        if self._upload is None:
            return
        upload, self._upload = self._upload, None
        upload.cancel()
        self._ending.add(upload)
        upload.add_done_callback(self._ended)

    def _ended(self, upload: asyncio.Task[Transcript]) -> None:
        self._ending.discard(upload)
        _has_failed(upload)  # looked at, so that asyncio does not report it


def create(config: Config, deps: Deps) -> OpenAiTranscription:
    """The driver; raises `UsageError` (`missing_api_key`, `unknown_provider`)."""
    vendor = _openai.find("stt", config)
    return OpenAiTranscription(config, vendor, _openai.connect(vendor, config, deps))


def wav(pcm: bytes, sample_rate: int) -> bytes:
    """A WAV file around s16le mono audio."""
    return (
        struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16),
            *(b"data", len(pcm)),
        )
        + pcm
    )


def _transcript_text(body: bytes, content_type: str, vendor: str) -> str:
    """The text of an answer: JSON with a `text`, with segments or parts that have one, or the bare text.

    Raises:
        DependencyError: the vendor reports an error.
        ValueError: there is no text in it.
    """
    words = body.decode("utf-8-sig", "replace").strip()
    if not words.startswith(("{", "[", '"')):
        if "html" in content_type or words.startswith("<"):
            raise ValueError("an answer that is a page")
        return words
    try:
        answer: object = msgspec.json.decode(words)
    except msgspec.DecodeError as error:
        if content_type.startswith("text/plain"):
            return words
        raise ValueError("an answer that is no JSON") from error
    if isinstance(answer, dict):
        answer = cast("dict[str, object]", answer)
        if answer.get("error"):
            raise _failures.reported(answer["error"], vendor)
    text = _text_in(cast("object", answer))
    if text is None:
        raise ValueError("an answer without text")
    return text


def _text_in(answer: object) -> str | None:
    """The text of a transcript's JSON; None where it has none, empty where it is said to be empty."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        texts = [text for part in cast("list[object]", answer) if (text := _text_in(part)) is not None]
        return " ".join(filter(None, map(str.strip, texts))) if texts or not answer else None
    if not isinstance(answer, dict):
        return None
    fields = cast("dict[str, object]", answer)
    for name in ("text", "transcript", "transcription", "segments", "results"):
        if fields.get(name) is not None and (text := _text_in(fields[name])) is not None:
            return text
    return "" if "text" in fields and fields["text"] is None else None


def _has_failed(upload: asyncio.Task[Transcript]) -> bool:
    return upload.done() and not upload.cancelled() and isinstance(upload.exception(), VoxError)
