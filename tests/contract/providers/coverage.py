"""What the contract suite covers of each driver: `python -m tests.contract.providers.coverage` writes docs/contributing/provider-coverage.md.

A row is a driver, a cell says whether a test of that promise is collected for it. What a driver has no test for stands in `WITHOUT`, with
the reason; `test_coverage_page.py` fails where a cell is empty without one, and where the page and the suite differ.
"""

import importlib
import pkgutil
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from tests.contract.providers.stt_vendors import STREAMING
from tests.fakes.vendors.llm_wires import WIRES
from tests.reference import ROOT
from vox.providers import _openai, registry

PAGE = ROOT / "docs" / "contributing" / "provider-coverage.md"
SUITES = (
    "tests/contract/providers",
    "tests/contract/test_providers.py",
    "tests/contract/test_pocketsphinx.py",
    "tests/contract/test_whisper.py",
)
KINDS = {"stt": "Speech to text", "tts": "Text to speech", "llm": "Language models", "realtime": "Realtime models"}
PROMISES: Mapping[str, Mapping[str, str]] = {
    "answers": {
        "stt": "texts_stream_while|an_utterance_goes_up|stt_gives_a_final",
        "tts": "the_sentence_comes_back|tts_speaks_whole|a_sentence_is_spoken_whole",
        "llm": "text_streams_with|llm_answers_in_pieces|an_answer_streams",
        "realtime": "an_utterance_is_written_down",
    },
    "streams": {
        "stt": "texts_stream_while|a_pause_brings_the_text|comes_with_interim_texts|interim_texts_grow",
        "tts": "the_first_audio_comes|tts_can_be_stopped|a_cut_sentence",
        "llm": "the_first_words_come|llm_answers_in_pieces|an_answer_streams",
        "realtime": "an_utterance_is_written_down",
    },
    "is cut": {
        "stt": "a_cancel_ends|stt_begins_anew_after_a_cancel|a_cancelled_utterance",
        "tts": "a_cut_sentence|tts_can_be_stopped",
        "llm": "the_first_words_come|llm_can_be_stopped|an_answer_can_be_stopped",
        "realtime": "an_answer_that_is_cancelled",
    },
    "error": {
        "stt": "a_reported_error|failures_are_told.*error|recognisers_failure",
        "tts": "a_mistake_of_ours|synthesisers_failure",
        "llm": "a_wrong_request|models_failure",
        "realtime": "a_withheld_answer",
    },
    "429": {
        "stt": "a_rate_limit|failures_are_told.*rate|recognisers_failure.*limited",
        "tts": "a_rate_limit|synthesisers_failure",
        "llm": "a_rate_limit|models_failure",
        "realtime": "a_rate_limit",
    },
    "disconnects": {
        "stt": "a_connection_that_breaks|a_connection_lost|a_worker_that_dies",
        "tts": "a_connection_lost",
        "llm": "an_answer_broken_off",
        "realtime": "a_vendor_that_leaves",
    },
    "garbage": {
        "stt": "garbage",
        "tts": "garbage",
        "llm": "garbage",
        "realtime": "garbage",
    },
    "silence": {
        "stt": "silence_for_ever|says_nothing",
        "tts": "never_answers|falls_silent",
        "llm": "silence_for_ever|that_hangs_has_a_deadline",
        "realtime": "silence_for_ever",
    },
}
"""By column and kind, the tests that hold it."""
OF_ONE_DRIVER = {
    "test_pipecat_services.py": "pipecat",
    "test_pocketsphinx.py": "pocketsphinx",
    "test_whisper.py": "whisper",
}
PIPECAT_WORDS = {
    "stt": ("utterance", "texts_stream", "pause", "recogniser", "worker_that_dies"),
    "tts": ("sentence", "synthesiser", "voice"),
    "llm": ("answer", "model"),
}
LOCAL = {
    "stt": ("fake", "offline", "pocketsphinx", "whisper"),
    "tts": ("espeak", "fake", "flite", "kokoro", "offline"),
    "llm": ("fake", "flow"),
    "realtime": (),
}
NOT_OF_LOCAL = frozenset({"error", "429", "disconnects", "garbage", "silence"})
UNTESTED = {
    "stt": "accuracy, and the vendor's own latency",
    "tts": "how it sounds, and the vendor's own latency",
    "llm": "what its models say, and the vendor's own latency",
    "realtime": "how it sounds, what it says, and the vendor's own latency",
}
UNTESTED_LOCAL = "runs on this machine: there is no vendor"
_PIPECATS = "what a service of Pipecat makes of its vendor's wire is Pipecat's; that it fails is held by `error`"
WITHOUT: Mapping[tuple[str, str, str], str] = {
    ("stt", "fake", "streams"): "it says what it was told, at the end of an utterance",
    ("stt", "offline", "streams"): "it hears by `whisper` or `pocketsphinx`, whose rows hold it",
    ("stt", "pipecat", "garbage"): _PIPECATS,
    ("tts", "pipecat", "disconnects"): _PIPECATS,
    ("tts", "pipecat", "garbage"): _PIPECATS,
    ("llm", "pipecat", "disconnects"): _PIPECATS,
    ("llm", "pipecat", "garbage"): _PIPECATS,
}
"""What has no test, by kind, driver and column, and why."""


@cache
def collected() -> tuple[str, ...]:
    """The suite's tests by their node ids."""
    command = (sys.executable, "-m", "pytest", "--collect-only", "-q", *SUITES)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(line for line in done.stdout.splitlines() if "::" in line)


def covered(nodes: Iterable[str]) -> dict[tuple[str, str], set[str]]:
    """By kind and driver, the columns for which a test is collected."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    wires = {wire.__name__: wire.name for wire in WIRES}
    for node in nodes:
        file, _, test = node.rpartition("/")[2].partition("::")
        name, _, parameters = test.rstrip("]").partition("[")
        for column, by_kind in PROMISES.items():
            for kind, pattern in by_kind.items():
                if not _is_of(kind, file, name) or not re.search(pattern, test):
                    continue
                driver = OF_ONE_DRIVER.get(file) or _driver_of(parameters, {} if kind == "realtime" else wires)
                found[kind, driver].add(column)
    return found


def _is_of(kind: str, file: str, name: str) -> bool:
    if file in {"test_pocketsphinx.py", "test_whisper.py"}:
        return kind == "stt"
    if file == "test_pipecat_services.py":  # its tests name the kind in their words
        return any(word in name for word in PIPECAT_WORDS.get(kind, ()))
    return f"_{kind}_" in file or (file == "test_providers.py" and f"_{kind}_" in name)


def _driver_of(parameters: str, wires: Mapping[str, str]) -> str:
    """The driver that a test's parameters begin with; a number tells the two ways of a driver apart."""
    first = re.sub(r"\d$", "", parameters.partition("-")[0])
    name = wires.get(first, first)
    return "openai_compatible" if wires and name in {"openai", "groq"} else name


def page() -> str:
    """The page as the suite is."""
    found = covered(collected())
    untested = {row.driver: row.untested for row in STREAMING}
    lines = [
        "# What the contract suite covers of each driver",
        "",
        "Generated by `python -m tests.contract.providers.coverage` from the tests that are collected; `test_coverage_page.py` beside it fails when",
        "this page and the suite differ, or a driver has no test of a promise and no reason for it. Vendors are played by servers that speak their",
        "wire (`tests/fakes/vendors`); no vendor was called. The last column says what such a server cannot show.",
    ]
    for kind, heading in KINDS.items():
        lines += [
            "",
            f"## {heading}",
            "",
            f"| Driver | {' | '.join(PROMISES)} | Not shown |",
            "|---" * (len(PROMISES) + 2) + "|",
        ]
        for driver in drivers(kind):
            is_local = driver in LOCAL[kind]
            cells = [_cell(kind, driver, column, found[kind, driver], is_local=is_local) for column in PROMISES]
            gap = (
                UNTESTED_LOCAL
                if is_local
                else untested.get(driver, UNTESTED[kind])
                if kind == "stt"
                else UNTESTED[kind]
            )
            lines.append(f"| {title(kind, driver)} | {' | '.join(cells)} | {gap} |")
    reasons = [f"- `{kind}:{driver}`, {column}: {why}" for (kind, driver, column), why in WITHOUT.items()]
    return "\n".join([*lines, *(["", "## Without a test", "", *reasons] if reasons else []), ""])


def drivers(kind: str) -> list[str]:
    """The driver files of a kind."""
    package = importlib.import_module(f"vox.providers.{kind}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in registry.NOT_DRIVERS)


def _cell(kind: str, driver: str, column: str, columns: set[str], *, is_local: bool) -> str:
    if column in columns:
        return "yes"
    return "" if is_local and column in NOT_OF_LOCAL else "no" if (kind, driver, column) in WITHOUT else "?"


def title(kind: str, driver: str) -> str:
    """The names by which the configuration knows a driver."""
    names = sorted(_openai.vendors(kind)) if driver == "openai_compatible" else [driver]
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
