"""Speech for simulated callers: a text, spoken by the first speech driver that works on this machine."""

import os
from typing import TYPE_CHECKING

from vox.errors import UsageError, VoxError

if TYPE_CHECKING:
    from vox.clients.audio_files import Recording

_SPEAKERS = ("flite", "espeak")  # recognisers understand flite better


async def synthesize(text: str) -> "Recording":
    """Speaks a text.

    Raises:
        UsageError: `no_speech_driver`, with what each driver lacks.
    """
    import httpx2

    from vox.clients.audio_files import Recording
    from vox.providers import registry
    from vox.providers.contract import Deps
    from vox.runtime.clock import SystemClock

    failures: list[str] = []
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment=os.environ)
        for name in _SPEAKERS:
            try:
                async with registry.create("tts", name, {}, deps) as speaker:
                    pcm = b"".join([chunk.pcm async for chunk in speaker.synthesize(text)])
                    return Recording(pcm, speaker.sample_rate)
            except VoxError as error:
                failures.append(f"{name}: {error}")
    raise UsageError("no speech driver works here", code="no_speech_driver", hint="; ".join(failures))
