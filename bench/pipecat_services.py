"""What hosting Pipecat's services costs: processor time in the worker and in the server's own process, and memory a call.

    python bench/pipecat_services.py            the calls below, with the services of tests/fakes/pipecat_services

Time is processor time, so that it means the same on a busy machine. The services do next to nothing themselves: what is
measured is Pipecat's pipeline, the pipe and the driver. Needs the environment that `.ci/pipecat` makes.
"""

import asyncio
import resource
import sys
from array import array
from pathlib import Path
from typing import Any

import httpx2
import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.pipecat_python import PYTHON, SERVICES  # noqa: E402  from the folder above

from vox.providers import registry  # noqa: E402
from vox.providers.contract import Deps  # noqa: E402
from vox.providers.llm.contract import LlmRequest  # noqa: E402
from vox.runtime.clock import SystemClock  # noqa: E402

CALLS = 40
SPEECH_S = 5
FRAME = array("h", [9000, -9000] * 160).tobytes()
FRAME_S = 0.02
SENTENCE = "Good morning, the restaurant opens at nine and closes at ten."
REPEATS = 100


def own_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Meter:
    """Processor time of the worker and of this process since it was made."""

    def __init__(self, driver: Any) -> None:
        host = driver._recogniser._host if hasattr(driver, "_recogniser") else driver._host  # noqa: SLF001
        self._worker = psutil.Process(host._workers[0].process.pid)  # noqa: SLF001
        self._worker_s, self._own_s, self._rss = self._times()

    def _times(self) -> tuple[float, float, int]:
        used = self._worker.cpu_times()
        return used.user + used.system, own_s(), self._worker.memory_info().rss

    def report(self, what: str, units: float, unit: str, calls: int = 0) -> None:
        """Prints what one unit cost."""
        worker_s, mine_s, rss = self._times()
        line = f"{what}: worker {1000 * (worker_s - self._worker_s) / units:.2f} ms, server {1000 * (mine_s - self._own_s) / units:.2f} ms a {unit}"
        print(line + (f"; memory {(rss - self._rss) / calls / 1e6:.2f} MB a call" if calls else ""))


async def recognise(deps: Deps, options: dict[str, Any]) -> None:
    async with registry.create(
        "stt", "pipecat", {**options, "service": "played_services.StreamingRecogniser"}, deps
    ) as stt:
        meter = Meter(stt)
        streams = [stt.open_stream(lambda _: None, language="en") for _ in range(CALLS)]
        for stream in streams:
            stream.start(None)
        for _ in range(int(SPEECH_S / FRAME_S)):
            for stream in streams:
                stream.push(FRAME)
            await asyncio.sleep(FRAME_S)
        await asyncio.gather(*(stream.finish() for stream in streams))
        meter.report("recognition", CALLS * SPEECH_S, "second of speech", CALLS)
        for stream in streams:
            await stream.aclose()


async def speak(deps: Deps, options: dict[str, Any]) -> None:
    async with registry.create("tts", "pipecat", {**options, "service": "played_services.ToneVoice"}, deps) as tts:
        meter = Meter(tts)
        seconds = 0.0
        for _ in range(REPEATS):
            seconds += sum([len(chunk.pcm) async for chunk in tts.synthesize(SENTENCE)]) / 2 / tts.sample_rate
        meter.report("speech (the tone included)", seconds, "second")


async def answer(deps: Deps, options: dict[str, Any]) -> None:
    async with registry.create("llm", "pipecat", {**options, "service": "played_services.ParrotModel"}, deps) as llm:
        meter = Meter(llm)
        for _ in range(REPEATS):
            async for _ in llm.respond(LlmRequest(({"role": "user", "content": SENTENCE},))):
                pass
        meter.report("answer of eleven words", REPEATS, "answer")


async def main() -> None:
    if not PYTHON.exists():
        sys.exit("run .ci/pipecat first")
    options = {"python": str(PYTHON), "folder": str(SERVICES)}
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http)
        await recognise(deps, options)
        await speak(deps, options)
        await answer(deps, options)


if __name__ == "__main__":
    asyncio.run(main())
