"""Any synthesiser that Pipecat has, hosted in a process of its own.

A session speaks one sentence after the other with one voice and language, so that a change of either is a new session.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import DependencyError
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.pipecat.host import Host
from vox.providers.pipecat.messages import Speak, Spoken
from vox.providers.pipecat.options import ServiceOptions, configuration
from vox.providers.pipecat.pool import SessionPool
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorSpeech


class Config(ServiceOptions):
    """Options of a hosted synthesiser."""

    model: str = Field(default="", description="Into the service's settings; empty: the service's default")
    voice: str = Field(default="", description="Into the service's settings; empty: the service's default")
    base_url: str = Field(default="", description="For services that take a `base_url`; empty: the vendor's")
    sample_rate: int = Field(default=24_000, ge=8_000, le=48_000, description="Of the audio, in Hz")
    timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="Longest wait for the first audio of a sentence, and for more of it"
    )
    max_retries: int = Field(default=1, ge=0, le=5, description="Further tries, at once, while nothing was heard")
    max_sessions: int = Field(default=50, ge=1, le=1000, description="Sentences at a time; further ones wait")
    idle_s: float = Field(default=60.0, ge=0, le=3600, description="How long a service is kept without a sentence")


class Synthesiser(VendorSpeech):
    """Speaks with the hosted service."""

    def __init__(self, config: Config, deps: Deps) -> None:
        configure = configuration(
            "tts", config, deps, model=config.model, base_url=config.base_url, sample_rate=config.sample_rate
        )
        self._host = Host(config, configure)
        self.vendor = Vendor(self._host.name, "pipecat", "", "", Key("pipecat"))
        super().__init__(config, deps, voice=config.voice, sample_rate=config.sample_rate)
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

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        """The audio of one sentence."""
        async with self._pool.request(voice=sentence.voice, language=sentence.language) as request:
            request.send(Speak(request.number, sentence.text))
            async with aclosing(request.answers()) as answers:
                async for answer in answers:
                    if isinstance(answer, Spoken):
                        yield Piece(answer.pcm, sentence.words.all_spoken(*_split(answer.words)))

    def unreadable(self) -> DependencyError:
        """The error for audio that is none."""
        return DependencyError(f"{self.vendor.name} sent what is no audio", code="provider_bad_answer")


def create(config: Config, deps: Deps) -> Synthesiser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return Synthesiser(config, deps)


def _split(words: list[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [word for word, _ in words], [at_s for _, at_s in words]
