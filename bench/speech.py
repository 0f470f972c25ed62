"""Measures recognition without keys: words that are wrong, and CPU seconds, for every engine that is installed, in one run.

The utterances are made from what is installed: people's speech of Debian's pocketsphinx-testdata, and caller's sentences said by
Kokoro, flite and espeak-ng; each as it is, and through a telephone (8 kHz, G.711 mu-law). See README.md beside this file.
"""

import argparse
import asyncio
import os
import platform
import re
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import httpx2

from vox.errors import VoxError
from vox.media import g711
from vox.media.resample import Resampler
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.stt._whisper_worker import BYTES_PER_S, RequestQueue
from vox.providers.stt._worker_frames import Audio, Begin, Decode, Decoded
from vox.runtime.clock import SystemClock

ROOT = Path(__file__).parent.parent
RATE = 16_000
REAL = Path("/usr/share/pocketsphinx/test/data")
BREATH = bytes(RATE * 2 // 5)  # 0.2 s
SENTENCES = """
what are your opening hours
do you have a table for two tonight
i would like to book an appointment for next tuesday at half past three
can i speak to a human please
my phone number is five five five zero one four seven
is there a vegetarian menu
i want to cancel my reservation
could you repeat that more slowly
no that is not right
yes please
how much does it cost to park there
my name is robert miller
we will be six people and a dog
where exactly are you located
please change it to friday evening
do you take credit cards
i am calling about an order i placed last week
the package has not arrived yet
what time does the kitchen close on sunday
thank you that is all i needed
can you send me a confirmation by email
i forgot my password and cannot log in
is the building accessible by wheelchair
let me think about it and call you back
""".strip().splitlines()
VOICES = {
    "kokoro": [{"voice": voice} for voice in ("af_heart", "af_bella", "am_michael", "bf_emma")],
    "flite": [{"voice": voice} for voice in ("slt", "rms", "awb")],
    "espeak": [{"voice": voice} for voice in ("en-us", "en-gb-x-rp")],
}
PER_GROUP = {"kokoro": 24, "flite": 24, "espeak": 6}
UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
SHORT = {"mr": "mister", "i'd": "i would", "i'm": "i am", "it's": "it is", "that's": "that is", "ok": "okay"}


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said, by which kind of voice, as 16 kHz s16le."""

    group: str
    text: str
    pcm: bytes

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / 2 / RATE


@dataclass(slots=True)
class Row:
    """One engine on one band: errors and words by group, whole utterances right, CPU seconds."""

    engine: str
    band: str
    errors: dict[str, int] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    exact: int = 0
    count: int = 0
    cpu_s: float = 0.0
    audio_s: float = 0.0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, utterance: Utterance, heard: str, cpu_s: float) -> None:
        """Counts one utterance."""
        expected, got = words_of(utterance.text), words_of(heard)
        wrong = distance(expected, got)
        self.errors[utterance.group] = self.errors.get(utterance.group, 0) + wrong
        self.words[utterance.group] = self.words.get(utterance.group, 0) + len(expected)
        self.exact += wrong == 0
        self.count += 1
        self.cpu_s += cpu_s
        self.audio_s += utterance.seconds
        if wrong:
            self.wrong.append((utterance.group, utterance.text, heard))

    def wer(self, group: str = "") -> str:
        """Word error rate in per cent, of one kind of voice or of all."""
        errors = self.errors.get(group, 0) if group else sum(self.errors.values())
        words = self.words.get(group, 0) if group else sum(self.words.values())
        return f"{100 * errors / words:.1f}" if words else "-"


Engine = Callable[[bytes], str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every fourth utterance")
    parser.add_argument("--engines", help="some of them, by comma, such as whisper-tiny.en,pocketsphinx")
    parser.add_argument("--errors", action="store_true", help="print each utterance that was not understood")
    parser.add_argument("--output", type=Path, help="write the table here (results/speech.md for a full run)")
    args = parser.parse_args()
    store = ModelStore(models_folder(os.environ))
    utterances = asyncio.run(make_utterances(store))
    utterances = utterances[:: 4 if args.quick else 1]
    rows: list[Row] = []
    for name, engine in engines(store, args.engines.split(",") if args.engines else None):
        for band in ("16k", "8k"):
            row = Row(name, band)
            for utterance in utterances:
                pcm = by_telephone(utterance.pcm) if band == "8k" else utterance.pcm
                before = time.process_time()
                heard = engine(pcm)
                row.add(utterance, heard, time.process_time() - before)
            rows.append(row)
            print(line(row, groups_of(utterances)), flush=True)
            if args.errors:
                for group, text, heard in row.wrong:
                    print(f"    {group}: {text!r} -> {heard!r}")
    text = report(rows, utterances)
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    print(f"\n{text}")
    return 0


async def make_utterances(store: ModelStore) -> list[Utterance]:
    """Everything that can be said on this machine."""
    found = list(real_speech())
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment={**os.environ, "VOX_MODELS_FOLDER": str(store.folder)})
        for driver, voices in VOICES.items():
            for number, text in enumerate(SENTENCES[: PER_GROUP[driver]]):
                try:
                    pcm = await say(driver, voices[number % len(voices)], text, deps)
                except (VoxError, OSError) as error:
                    print(f"no utterances of {driver}: {error}", file=sys.stderr)
                    break
                found.append(Utterance(driver, text, BREATH + pcm + BREATH))
    return found


async def say(driver: str, options: dict[str, Any], text: str, deps: Deps) -> bytes:
    async with registry.create("tts", driver, options, deps) as tts:
        pcm = b"".join([chunk.pcm async for chunk in tts.synthesize(f"{text[0].upper()}{text[1:]}.")])
        return pcm if tts.sample_rate == RATE else Resampler(tts.sample_rate, RATE).process(pcm, last=True)


def real_speech() -> Iterator[Utterance]:
    """What people said, from `apt-get install pocketsphinx-testdata`."""
    if not REAL.exists():
        print("no people's speech: apt-get install pocketsphinx-testdata", file=sys.stderr)
        return
    for transcription in (REAL / "cards/cards.transcription", REAL / "librivox/transcription"):
        for said in transcription.read_text().splitlines():
            if match := re.fullmatch(r"<s>(.*)</s> \((.*)\)", said.strip()):
                yield Utterance("people", match[1].strip(), wav(transcription.parent / f"{match[2]}.wav"))
    yield Utterance("people", "go forward ten meters", (REAL / "goforward.raw").read_bytes())


def wav(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        pcm, rate = file.readframes(file.getnframes()), file.getframerate()
    return pcm if rate == RATE else Resampler(rate, RATE).process(pcm, last=True)


def by_telephone(pcm: bytes) -> bytes:
    line = g711.encode(Resampler(RATE, 8000).process(pcm, last=True), "mulaw")
    return Resampler(8000, RATE).process(g711.decode(line, "mulaw"), last=True)


def engines(store: ModelStore, only: Sequence[str] | None) -> Iterator[tuple[str, Engine]]:
    """Every engine that is installed; each is loaded when its turn comes."""
    if find_spec("ctranslate2") is not None:
        from vox.providers.stt._whisper_recogniser import Recogniser  # noqa: PLC0415  absent on some machines

        for model in ("whisper-tiny.en", "whisper-base"):
            files = store.files(model)
            names = (model, f"{model} with interim texts")
            if files is None or (only and not set(names) & set(only)):
                continue
            recogniser = Recogniser(files["model.bin"].parent, "en")
            if not only or names[0] in only:
                yield names[0], lambda pcm, recogniser=recogniser: recogniser.decode(pcm).text
            if not only or names[1] in only:
                yield names[1], lambda pcm, recogniser=recogniser: with_interim_texts(recogniser, pcm)
    if find_spec("pocketsphinx") is not None and (not only or "pocketsphinx" in only):
        from vox.providers.stt._pocketsphinx_recogniser import Recogniser as Sphinx  # noqa: PLC0415  as above

        sphinx = Sphinx(0.35)
        yield "pocketsphinx, free text", lambda pcm: free_text(sphinx, pcm)


def with_interim_texts(recogniser: Any, pcm: bytes) -> str:
    """What a worker does while a caller speaks: a decoding for every half second, then the last one."""
    sent: list[Any] = []
    queue = RequestQueue(recogniser, cast("Any", sent.append), partial_s=0.5)
    queue.take(Begin(1, None))
    for start in range(0, len(pcm), BYTES_PER_S // 2):
        queue.take(Audio(1, pcm[start : start + BYTES_PER_S // 2]))
        while queue.has_work:
            queue.work()
    queue.take(Decode(1, 1, is_final=True))
    queue.work()
    return next(message.text for message in reversed(sent) if isinstance(message, Decoded))


def free_text(sphinx: Any, pcm: bytes) -> str:
    sphinx.open_free_text()
    sphinx.begin_free_text()
    for start in range(0, len(pcm), 6400):
        sphinx.hear_free_text(pcm[start : start + 6400])
    return sphinx.end_free_text()


def words_of(text: str) -> list[str]:
    """The words as they count: lower case, without punctuation, numbers spelled out."""
    found: list[str] = []
    for raw in re.findall(r"[a-z']+|\d+(?:st|nd|rd|th)?", text.lower().replace("\u2019", "'")):
        word = raw.strip("'")
        if word[:1].isdigit():
            found += spelled(re.sub(r"\D", "", word))
        elif word:
            found += SHORT.get(word, word).split()
    return found


def spelled(digits: str) -> list[str]:
    """A number up to 99 as a number, longer ones digit by digit, as codes and telephone numbers are said."""
    value = int(digits)
    if len(digits) > 2 or (len(digits) > 1 and digits[0] == "0"):
        return [UNITS[int(digit)] for digit in digits]
    if value < len(UNITS):
        return [UNITS[value]]
    return [TENS[value // 10 - 2], *([UNITS[value % 10]] if value % 10 else [])]


def distance(expected: Sequence[str], got: Sequence[str]) -> int:
    """How many words have to be changed, added or left out."""
    row = list(range(len(got) + 1))
    for number, word in enumerate(expected, 1):
        last, row[0] = row[0], number
        for at, other in enumerate(got, 1):
            last, row[at] = row[at], min(last + (word != other), row[at] + 1, row[at - 1] + 1)
    return row[-1]


def groups_of(utterances: Sequence[Utterance]) -> list[str]:
    return list(dict.fromkeys(utterance.group for utterance in utterances))


def line(row: Row, groups: Sequence[str]) -> str:
    cells = [row.engine, row.band, row.wer(), *(row.wer(group) for group in groups), f"{row.exact}/{row.count}"]
    cells += [f"{row.cpu_s / row.count:.3f}", f"{row.cpu_s / row.audio_s:.3f}"]
    return f"| {' | '.join(cells)} |"


def report(rows: Sequence[Row], utterances: Sequence[Utterance]) -> str:
    groups = groups_of(utterances)
    counts = ", ".join(f"{sum(one.group == group for one in utterances)} {group}" for group in groups)
    words = sum(len(words_of(one.text)) for one in utterances)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    header = ["engine", "band", "WER %", *groups, "right", "CPU s / utterance", "CPU s / s"]
    loads = os.getloadavg()
    return "\n".join(
        [
            "# Recognition without keys",
            "",
            f"{len(utterances)} utterances ({counts}), {sum(one.seconds for one in utterances):.0f} s, {words} words. `bench/speech.py`,",
            f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load average {loads[0]:.1f} after the run. One thread,",
            "no prompt: nothing was said to the recogniser about what to expect. 8k is 8 kHz, G.711 µ-law and back.",
            "",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip()}:",
            "",
            f"| {' | '.join(header)} |",
            f"|{'---|' * len(header)}",
            *(line(row, groups) for row in rows),
            "",
            "- Word error rates are of the words after lower-casing and spelling numbers out; the columns behind are by who spoke.",
            "- A synthetic voice's own errors are in its column: a sentence that lost a word cannot be heard whole.",
            "- CPU seconds are of this process, for the utterance alone; with interim texts a decoding for every half second is in them.",
            "- The set is small: differences under two points are noise.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
