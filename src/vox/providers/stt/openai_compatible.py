"""Transcription over OpenAI's API, from OpenAI or any vendor that speaks it (the rows of `TRANSCRIPTION`).

The API takes whole files, one for each utterance; `openai_realtime` streams.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
from pydantic import Field

from vox.providers import _failures, _openai
from vox.providers.contract import Deps
from vox.providers.stt._file_stream import wav
from vox.providers.stt._file_upload import FileRecogniser
from vox.providers.stt.contract import Transcript

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_MAX_PROMPT = 500  # characters; Whisper reads the last 224 tokens of a prompt


class Config(_openai.VendorConfig):
    """Options of a recogniser."""

    language: str = Field(default="", description="BCP-47; empty: the call's, else the vendor guesses")
    prompt: str = Field(default="", description="Words that may be said, such as names")
    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Of the uploaded audio, in Hz")
    max_utterance_s: float = Field(default=60.0, gt=0, le=600, description="Longer utterances are cut")


class _Transcription:
    """Uploads to OpenAI's API."""

    def __init__(self, config: Config, vendor: _openai.Vendor, client: "AsyncOpenAI") -> None:
        self._config = config
        self._vendor = vendor
        self._client = client

    async def transcribe(self, pcm: bytes, *, language: str, phrases: tuple[str, ...]) -> Transcript:
        """The transcript of s16le mono audio; raises `DependencyError`."""
        arguments: dict[str, Any] = {"model": self._config.model or self._vendor.model, "response_format": "json"}
        if language:
            arguments["language"] = language.partition("-")[0].lower()
        if prompt := ", ".join(phrases) or self._config.prompt:
            arguments["prompt"] = prompt[:_MAX_PROMPT]
        file = ("audio.wav", wav(pcm, self._config.sample_rate), "audio/wav")

        async def upload() -> str:
            # The client's own types differ with the format asked for; the answer is read as it comes.
            create = cast("Callable[..., Awaitable[Any]]", self._client.audio.transcriptions.with_raw_response.create)
            response = await create(file=file, **arguments)
            return _transcript_text(response.content, response.headers.get("content-type", ""), self._config.vendor)

        return Transcript((await _openai.attempt(upload, self._config)).strip(), language=language or None)


def create(config: Config, deps: Deps) -> FileRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`, `unknown_provider`)."""
    vendor = _openai.find("stt", config)
    return FileRecogniser(_Transcription(config, vendor, _openai.connect(vendor, config, deps)).transcribe, config)


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
