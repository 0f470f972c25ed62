"""What a vendor's voice costs on this machine: CPU time for each second of its speech, through each HTTP driver.

The vendor's answer is made beforehand and comes out of memory, so what is measured is the driver and the HTTP client's own work: no
socket, no TLS. Run: `.venv/bin/python -m bench.speech_vendors`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator

import httpx2
from tests.fakes.vendors.speech_vendor import KEY, Seen, SpeechVendor
from tests.fakes.vendors.speech_vendors import VENDORS

from vox.providers import registry
from vox.providers.contract import Deps
from vox.runtime.clock import SystemClock

TEXT = "Thank you for calling, we are open every day from nine in the morning until ten at night except on Mondays."
SENTENCES = 200


class _Answer(httpx2.AsyncByteStream):
    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for frame in self._frames:
            yield frame


async def measure(vendor: SpeechVendor) -> tuple[float, float]:
    """CPU seconds, and seconds of speech."""
    frames: list[bytes] = []

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json={"Ana": {"speaker_embedding": [0.5], "gpt_cond_latent": [[0.5]]}})
        if not frames:
            seen = Seen(request.url.path, dict(request.url.params), dict(request.headers), request.content)
            frames.extend(vendor.frames(vendor.sounds(TEXT), seen))
        return httpx2.Response(200, headers={"Content-Type": vendor.media_type}, stream=_Answer(frames))

    places = {**vendor.more_environment, vendor.key_variable: KEY}
    options = {**vendor.options, "base_url": "http://vendor.example"}
    if vendor.provider == "aws":
        options["word_times"] = False
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        deps = Deps(SystemClock(), http, environment=places)
        async with registry.create("tts", vendor.provider, options, deps) as tts:
            await speak(tts)
            began = time.process_time()
            size = sum([await speak(tts) for _ in range(SENTENCES)])
            return time.process_time() - began, size / 2 / vendor.sample_rate


async def speak(tts) -> int:
    return sum([len(chunk.pcm) async for chunk in tts.synthesize(TEXT)])


async def main() -> None:
    print(f"{'provider':<12} {'µs CPU for a second of speech':>30} {'calls that speak at once on a core':>36}")
    for kind in VENDORS:
        if not kind.is_socket:
            cpu_s, speech_s = await measure(kind())
            print(f"{kind.provider:<12} {cpu_s / speech_s * 1e6:>30.0f} {speech_s / cpu_s:>36.0f}")


if __name__ == "__main__":
    asyncio.run(main())
