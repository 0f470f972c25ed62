"""Speech by the program flite: English, plain, understood well by recognisers, and in every Debian.

A sentence is one short process (about 30 ms for two seconds of speech). Its audio comes through a pipe of our own: behind
the sockets that uvloop gives to a process, flite cannot open /dev/stdout.
"""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from types import TracebackType
from typing import Self

from pydantic import Field

from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.tts._wav import WavReader
from vox.providers.tts.contract import SpeechChunk

MAX_TEXT = 2000
"""Characters of one sentence; the rest is not spoken."""

_READ_BYTES = 16_384
_VOICES = re.compile(r"Voices available:(.*)")
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


class Config(DriverConfig):
    """Options of flite."""

    voice: str = Field(default="slt", description="One of `flite -lv`")
    sample_rate: int = Field(default=16_000, description="Of the voice: 16000, and 8000 for `kal`")
    speed: float = Field(default=1.0, ge=0.25, le=4, description="1 is natural")
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="Longest synthesis of a sentence")
    max_processes: int = Field(default=4, ge=1, le=64, description="At a time; further sentences wait")


class Flite:
    """Speaks with flite's voices."""

    def __init__(self, config: Config) -> None:
        self.sample_rate = config.sample_rate
        self._config = config
        self._program = ""
        self._voices: frozenset[str] = frozenset()
        self._slots = asyncio.Semaphore(config.max_processes)

    async def __aenter__(self) -> Self:
        program = shutil.which("flite")
        if program is None:
            raise UsageError(
                "the tts provider 'flite' needs the program flite, which is not installed",
                code="provider_not_installed",
                hint="apt-get install flite, or tts_provider espeak",
            )
        self._program = program
        self._voices = await self._list_voices()
        self._check(self._config.voice)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: a sentence ends its own process."""

    async def synthesize(
        self, text: str, *, voice: str | None = None, language: str | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speaks one sentence. Closing the generator kills the process."""
        words = _UNSPEAKABLE.sub(" ", text).strip()[:MAX_TEXT]
        name = voice or self._config.voice
        self._check(name)
        if not words:
            return
        async with self._slots:
            stretch = f"duration_stretch={1 / self._config.speed:.3f}"
            arguments = ("-voice", name, "--setf", stretch, "-o", "/dev/stdout", "-t", words)
            process, audio, transport = await self._start(arguments)
            try:
                async for pcm in self._read(process, audio):
                    yield SpeechChunk(pcm)
            finally:
                transport.close()
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _start(self, arguments: tuple[str, ...]) -> tuple[Process, asyncio.StreamReader, asyncio.ReadTransport]:
        loop = asyncio.get_running_loop()
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader(limit=_READ_BYTES * 4)
        transport, _protocol = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
        )
        try:
            process = await asyncio.create_subprocess_exec(
                self._program, *arguments, stdin=DEVNULL, stdout=write_end, stderr=DEVNULL
            )
        except OSError as error:
            transport.close()
            raise DependencyError("flite does not start", code="provider_failed", retryable=True) from error
        finally:
            os.close(write_end)
        return process, reader, transport

    async def _read(self, process: Process, audio: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        wav = WavReader()
        odd = b""
        try:
            deadline = asyncio.get_running_loop().time() + self._config.timeout_s
            while True:
                async with asyncio.timeout_at(deadline):
                    data = await audio.read(_READ_BYTES)
                if not data:
                    break
                pcm = odd + wav.feed(data)
                self._check_rate(wav)
                odd = pcm[len(pcm) & ~1 :]
                if len(pcm) > 1:
                    yield pcm[: len(pcm) & ~1]
            async with asyncio.timeout_at(deadline):
                status = await process.wait()
        except TimeoutError:
            raise DependencyError("flite did not finish in time", code="provider_timeout", retryable=True) from None
        if status != 0 or not wav.sample_rate:
            raise DependencyError(f"flite failed with status {status}", code="provider_failed")

    def _check_rate(self, wav: WavReader) -> None:
        if wav.sample_rate not in {0, self.sample_rate}:
            raise DependencyError(
                f"the voice speaks with {wav.sample_rate} Hz, not {self.sample_rate}",
                code="provider_bad_audio",
                hint=f"set the option sample_rate to {wav.sample_rate}",
            )

    def _check(self, voice: str) -> None:
        """Only listed voices: flite would also open a file or an address of that name."""
        if voice not in self._voices:
            raise UsageError(
                f"flite has no voice {voice!r}", code="unknown_voice", hint=f"known: {', '.join(sorted(self._voices))}"
            )

    async def _list_voices(self) -> frozenset[str]:
        process = await asyncio.create_subprocess_exec(self._program, "-lv", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise DependencyError("flite does not list its voices", code="provider_timeout") from None
        found = _VOICES.search(output.decode("utf-8", "replace"))
        return frozenset(found[1].split()) if found else frozenset()


def create(config: Config, deps: Deps) -> Flite:
    """The driver."""
    return Flite(config)
