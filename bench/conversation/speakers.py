"""The callers' voices: flite's and espeak-ng's, and those of neural drivers where they are installed."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from bench.conversation.sound import prepared

from vox.clients.audio_files import Recording, read_wav, write_wav
from vox.errors import VoxError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.runtime.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of a program or of a driver."""

    program: str
    voice: str

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.program} {self.voice}"


SPEAKERS = (
    Speaker("flite", "slt"),
    Speaker("espeak-ng", "en-us"),
    Speaker("flite", "rms"),
    Speaker("espeak-ng", "en-gb"),
    Speaker("flite", "awb"),
    Speaker("espeak-ng", "en-gb-scotland"),
    Speaker("flite", "kal16"),
    Speaker("espeak-ng", "en-us-nyc"),
)
NEURAL = (Speaker("kokoro", "af_heart"), Speaker("kokoro", "bm_george"), Speaker("piper", ""))
"""Joined to the eight where the driver exists and its weights are there."""


class RecordingCache:
    """Speaks lines and keeps them in `folder`, so that each is synthesised once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = asyncio.Lock()  # two calls may want the same line

    async def speak(self, speaker: Speaker, text: str) -> Recording:
        """The line in this voice, without silence around it and at the common level."""
        key = hashlib.sha256(f"{speaker.name}\n{text}".encode()).hexdigest()[:24]
        path = self._folder / f"{key}.wav"
        async with self._turn:
            if not path.exists():
                made = prepared(await _synthesize(speaker, text, self._folder / f"{key}.raw.wav"))
                write_wav(path, [made.pcm], made.sample_rate)
        return read_wav(path)

    async def available(self) -> Sequence[Speaker]:
        """The eight voices, and the neural ones that speak here."""
        extra: list[Speaker] = []
        for speaker in NEURAL:
            if speaker.program in registry.names("tts"):
                try:
                    await self.speak(speaker, "Good evening.")
                except VoxError as error:
                    print(f"  without {speaker.name}: {error}")
                else:
                    extra.append(speaker)
        return (*SPEAKERS, *extra)


async def _synthesize(speaker: Speaker, text: str, path: Path) -> Recording:
    match speaker.program:
        case "flite":
            await _run("flite", "-voice", speaker.voice, "-t", text, "-o", str(path))
        case "espeak-ng":
            await _run("espeak-ng", "-v", speaker.voice, "-s", "160", "-w", str(path), "--", text)
        case _:
            return await _by_driver(speaker, text)
    made = read_wav(path)
    await asyncio.to_thread(path.unlink)
    return made


async def _by_driver(speaker: Speaker, text: str) -> Recording:
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment=os.environ)
        async with registry.create("tts", speaker.program, {}, deps) as driver:
            chunks = [chunk.pcm async for chunk in driver.synthesize(text, voice=speaker.voice or None)]
            return Recording(b"".join(chunks), driver.sample_rate)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0, f"{command[0]} failed; it is among the programs that this benchmark needs"
