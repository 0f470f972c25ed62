"""The speech of simulated callers: drivers opened when they are first needed, and the first offline one where none is named."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from vox.errors import UsageError, VoxError

if TYPE_CHECKING:
    from vox.cli.call_transcript import Utterance
    from vox.clients.audio_files import Recording
    from vox.providers.contract import Deps

RECOGNISERS: Final = ("whisper", "pocketsphinx")
SPEAKERS: Final = ("flite", "espeak")  # recognisers understand flite better
_MAX_REMEMBERED: Final = 1000


class OfflineSpeech:
    """Voices and a recogniser for callers; `async with` closes what was opened. A text is spoken once and then remembered."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._deps: Deps | None = None
        self._drivers: dict[tuple[str, str], Any] = {}
        self._spoken: dict[tuple[str, str], Recording] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def speak(self, text: str, voice: str = "") -> "Recording":
        """Speaks a text.

        Args:
            text: what to say.
            voice: `driver`, or `driver/voice`; empty for the first offline driver that works here.

        Raises:
            UsageError: no driver works (`no_speech_driver`), or the named one cannot be used.
        """
        async with self._lock:
            if (known := self._spoken.get((voice, text))) is not None:
                return known
            driver, _, name = voice.partition("/")
            spoken = await self._first("tts", [driver] if driver else SPEAKERS, partial(_synthesize, text, name))
            if len(self._spoken) < _MAX_REMEMBERED:
                self._spoken[voice, text] = spoken
            return spoken

    async def transcribe(self, tracks: Mapping[str, bytes], sample_rate: int) -> "list[Utterance]":
        """What is said in tracks (s16le mono, by speaker), with the first recogniser that works here.

        Raises:
            UsageError: none works (`no_speech_driver`).
        """
        from vox.cli.call_transcript import transcribe

        async with self._lock:
            return await self._first("stt", RECOGNISERS, partial(transcribe, dict(tracks), sample_rate))

    async def _first(self, kind: Any, names: Sequence[str], use: Any) -> Any:
        """What the first driver of these that works gives."""
        failures: list[str] = []
        for name in names:
            try:
                return await use(await self._driver(kind, name))
            except (VoxError, ImportError) as error:
                failures.append(f"{name}: {error}")
        what = "recogniser" if kind == "stt" else "speech driver"
        raise UsageError(f"no {what} works here", code="no_speech_driver", hint="; ".join(failures))

    async def _driver(self, kind: Any, name: str) -> Any:
        import httpx2

        from vox.providers import registry
        from vox.providers.contract import Deps
        from vox.runtime.clock import SystemClock

        if self._deps is None:
            http = await self._stack.enter_async_context(httpx2.AsyncClient())
            self._deps = Deps(SystemClock(), http, environment=self._environment)
        if (kind, name) not in self._drivers:
            driver = registry.create(kind, name, {}, self._deps)
            self._drivers[kind, name] = await self._stack.enter_async_context(driver)
        return self._drivers[kind, name]


async def _synthesize(text: str, voice: str, tts: Any) -> "Recording":
    from vox.clients.audio_files import Recording

    pcm = b"".join([chunk.pcm async for chunk in tts.synthesize(text, voice=voice or None)])
    return Recording(pcm, tts.sample_rate)
