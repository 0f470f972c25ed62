"""Measures the offline voices side by side: what speech costs, how soon it begins, how it sounds by what can be measured.

CPU seconds are the figures (of this process and all its workers), so that a machine that does other things gives the same ones.
Voices are judged by level, clipping, clicks, and the words that Whisper hears. Run it as `python bench/speech_voice.py`; it needs
`vox models install kokoro-82m whisper-tiny.en` for the rows of Kokoro and for the words.
"""

import argparse
import asyncio
import os
import re
import resource
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from vox.errors import VoxError
from vox.media import g711
from vox.media.resample import resample
from vox.providers import registry
from vox.providers.contract import Deps
from vox.runtime.clock import SystemClock

SENTENCES = (
    "Good evening, thank you for calling the Golden Fork.",
    "I would like to book an appointment for next Tuesday at half past three.",
    "Your table for four people is booked for Friday at half past seven.",
    "Our opening hours are from nine in the morning to ten in the evening.",
    "Is there anything else I can do for you?",
    "Sorry, I did not understand that.",
    "Please tell me your name and your telephone number.",
    "All right, from the beginning.",
    "The kitchen closes at ten, but the bar stays open until midnight.",
    "We have a vegetarian menu, and all of our bread is free of gluten.",
    "An agent will call you back within the hour.",
    "Unfortunately we are closed on Mondays.",
    "It is the second door on the left, behind the church.",
    "Would you like to sit inside or on the terrace?",
    "Yes, dogs are welcome in the garden.",
    "Thank you very much, and have a pleasant evening.",
)
_CLICK_STEP = 0.004
_CLICK_RATIO = 4.0


@dataclass(slots=True)
class Row:
    """What was measured of one voice."""

    name: str
    audio_s: float = 0.0
    cpu_s: float = 0.0
    first_cpu_s: list[float] = field(default_factory=list[float])
    levels: list[float] = field(default_factory=list[float])
    clipped: int = 0
    clicks: int = 0
    words: int = 0
    wrong_wide: int = 0
    wrong_phone: int = 0


def cpu_s() -> float:
    """CPU seconds of this process and of its children, those that run included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def clicks(samples: np.ndarray) -> int:
    """Sudden steps: second differences that stand far above those of the 2 ms on either side, as speech's never do."""
    step = np.abs(np.diff(samples, 2))
    count = last = 0
    for at in np.flatnonzero(step > _CLICK_STEP):
        around = np.concatenate([step[max(0, at - 48) : max(0, at - 4)], step[at + 5 : at + 49]])
        if at - last > 48 and len(around) and step[at] > _CLICK_RATIO * around.max():
            count, last = count + 1, int(at)
    return count


def active_dbfs(samples: np.ndarray, rate: int) -> float:
    """The level of speech without its pauses."""
    size = rate // 100
    levels = np.sqrt(np.mean(samples[: len(samples) // size * size].reshape(-1, size) ** 2, axis=1))
    active = levels[levels > levels.max() * 10 ** (-30 / 20)]
    return float(10 * np.log10(np.mean(active**2)))


def errors(said: str, heard: str) -> tuple[int, int]:
    """Words of a sentence, and how many of them were heard wrongly (substituted, lost, added)."""
    left, right = (re.findall(r"[a-z']+", text.lower()) for text in (said, heard))
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return len(left), row[-1]


async def measure(name: str, options: dict[str, Any], deps: Deps, hear: Any) -> Row:
    """Speaks all sentences with one voice."""
    row = Row(f"{name} {options.get('voice', '')}".strip())
    async with registry.create("tts", name, options, deps) as tts:
        for sentence in SENTENCES:
            began = cpu_s()
            pcm = bytearray()
            speech = tts.synthesize(sentence)
            async for chunk in speech:
                if not pcm:
                    row.first_cpu_s.append(cpu_s() - began)
                pcm += chunk.pcm
            row.cpu_s += cpu_s() - began
            row.audio_s += len(pcm) / 2 / tts.sample_rate
            samples = np.frombuffer(bytes(pcm), "<i2").astype(np.float64) / 32768
            row.levels.append(active_dbfs(samples, tts.sample_rate))
            row.clipped += int(np.sum(np.abs(samples) >= 32767 / 32768))
            row.clicks += clicks(samples)
            if hear is not None:
                wide = resample(bytes(pcm), tts.sample_rate, 16_000)
                line = g711.decode(g711.encode(resample(wide, 16_000, 8_000), "mulaw"), "mulaw")
                words, wrong = errors(sentence, await transcript(hear, wide))
                row.words += words
                row.wrong_wide += wrong
                row.wrong_phone += errors(sentence, await transcript(hear, resample(line, 8_000, 16_000)))[1]
    return row


async def transcript(stt: Any, pcm: bytes) -> str:
    """What a recogniser hears."""
    stream = stt.open_stream(lambda _: None, language="en")
    stream.start(None)
    stream.push(bytes(9600) + pcm + bytes(9600))
    try:
        return (await stream.finish()).text
    finally:
        await stream.aclose()


def table(rows: Sequence[Row]) -> str:
    """The measurements as Markdown."""
    lines = [
        "| voice | speech (s) | CPU-s / s of speech | first audio, median / worst (CPU-s) | level (dBFS), spread | clipped | clicks | WER 16 kHz | WER telephone |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first = sorted(row.first_cpu_s)
        words = [f"{wrong / row.words:.1%}" if row.words else "" for wrong in (row.wrong_wide, row.wrong_phone)]
        lines.append(
            f"| {row.name} | {row.audio_s:.1f} | {row.cpu_s / row.audio_s:.3f} | {first[len(first) // 2]:.2f} / {first[-1]:.2f} "
            f"| {np.mean(row.levels):.1f}, {max(row.levels) - min(row.levels):.1f} | {row.clipped} | {row.clicks} "
            f"| {words[0]} | {words[1]} |"
        )
    return "\n".join(lines)


async def main() -> None:
    """Measures each voice that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voices", default="af_heart,af_bella,am_michael,bf_emma", help="of Kokoro, by comma")
    parser.add_argument("--stt", default="whisper", help="the recogniser of the round trip; empty for none")
    chosen = parser.parse_args()
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient())
        deps = Deps(SystemClock(), http, environment=os.environ)
        hear = None
        if chosen.stt:
            try:
                hear = await stack.enter_async_context(registry.create("stt", chosen.stt, {}, deps))
            except VoxError as missing:
                print(f"no round trip: {missing}")
        voices = [("kokoro", {"voice": voice, "cache_mb": 0}) for voice in chosen.voices.split(",") if voice]
        for name, options in [*voices, ("espeak", {}), ("flite", {})]:
            try:
                rows.append(await measure(name, options, deps, hear))
            except VoxError as missing:
                print(f"no {name}: {missing}")
    print(table(rows))


if __name__ == "__main__":
    asyncio.run(main())
