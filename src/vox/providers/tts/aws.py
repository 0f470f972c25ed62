"""Speech by AWS Polly: bare PCM streamed over HTTP; the times of words by a second request, because one answer has one of both."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, Self

import httpx2
import msgspec
from pydantic import Field

from vox.errors import DependencyError
from vox.providers._aws_credentials import AwsChain
from vox.providers._aws_signature import Signer, hash_of
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech
from vox.providers.tts.contract import SpokenWord
from vox.runtime.logging import get_logger

log = get_logger(__name__)

VENDOR = Vendor(
    "AWS Polly",
    "aws",
    "",
    "AWS_ENDPOINT_URL_POLLY",
    Key("aws_secret_access_key", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    max_text=3000,
)
_THROTTLED = 429


class Config(VendorOptions):
    """Options of Polly's voices."""

    region: str = Field(
        default="", pattern="^[a-z0-9-]*$", description="Empty: the environment's AWS_REGION, else us-east-1"
    )
    voice: str = Field(default="Joanna", description="A voice's id; used where the agent has no tts_voice")
    engine: str = Field(
        default="neural", pattern="^(standard|neural|long-form|generative)$", description="One that the voice has"
    )
    language: str = Field(default="", description="For voices of several languages, such as en-IN of Aditi")
    sample_rate: Literal[8_000, 16_000] = Field(default=16_000, description="Of the audio, in Hz")
    word_times: bool = Field(
        default=False,
        description="Ask for the times of the words, in a second request for each sentence, which AWS charges like the first",
    )


class _SpeechMark(msgspec.Struct):
    type: str = ""
    time: float = 0.0
    start: int = 0


class Polly(VendorSpeech):
    """Speaks with Polly's voices."""

    vendor = VENDOR

    def __init__(self, config: Config, deps: Deps) -> None:
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
        self._config = config
        self._credentials = AwsChain(deps)
        region = self._credentials.region(config.region)
        self._signer = Signer(region, "polly")
        self._base_url = self._base_url or f"https://polly.{region}.amazonaws.com"

    async def __aenter__(self) -> Self:
        await self._credentials.credentials()
        return self

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """One request for the audio, and beside it one for the words."""
        marks = asyncio.create_task(self._marks(sentence)) if self._config.word_times else None
        try:
            async with self._ask(
                self._body(sentence, OutputFormat="pcm", SampleRate=str(self.sample_rate))
            ) as response:
                has_words = False
                async for piece in self.audio_of(response):
                    if marks is None or has_words or not marks.done():
                        yield piece
                    else:
                        has_words = True
                        yield Piece(piece.audio, marks.result())
            if marks is not None and not has_words:
                yield Piece(words=await marks)
        finally:
            if marks is not None:
                marks.cancel()
                await asyncio.wait({marks})

    async def _marks(self, sentence: Sentence) -> list[SpokenWord]:
        """The words with their times; without them, they are estimated."""
        found: list[SpokenWord] = []
        try:
            body = self._body(sentence, OutputFormat="json", SpeechMarkTypes=["word"])
            async with self._ask(body) as response:
                async for mark in self.events_of(response, _SpeechMark):
                    word = sentence.words.at_byte(mark.start, mark.time / 1000) if mark.type == "word" else None
                    found += [word] if word else []
        except (DependencyError, httpx2.HTTPError, msgspec.MsgspecError) as error:
            log.debug("no times of words", provider=VENDOR.provider, error=repr(error))
        return found

    @asynccontextmanager
    async def _ask(self, body: dict[str, Any]) -> AsyncGenerator[httpx2.Response, None]:
        content = msgspec.json.encode(body)
        headers = self._signer.headers(
            await self._credentials.credentials(),
            "POST",
            f"{self._base_url}/v1/speech",
            now=self._clock.wall(),
            headers={"Content-Type": "application/json"},
            body_hash=hash_of(content),
        )
        async with self.request("/v1/speech", headers=headers, content=content) as response:
            yield response

    def _body(self, sentence: Sentence, **output: Any) -> dict[str, Any]:
        body = {"Engine": self._config.engine, "Text": sentence.text, "VoiceId": sentence.voice, **output}
        return body | ({"LanguageCode": self._config.language} if self._config.language else {})

    def refusal(self, status: int, body: bytes, headers: Mapping[str, str]) -> DependencyError:
        """AWS says with a status of 400 that there were too many requests."""
        is_throttled = "throttl" in headers.get("x-amzn-errortype", "").lower()
        return super().refusal(_THROTTLED if is_throttled else status, body, headers)


def create(config: Config, deps: Deps) -> Polly:
    """The driver; opening it raises `UsageError` (`missing_api_key`)."""
    return Polly(config, deps)
