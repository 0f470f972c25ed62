"""Feeds every codec damaged messages: only `PeerError` may come out, in bounded time and memory.

    python -m tests.fuzz.fuzz --inputs 1000000 --seed 1 [--target twilio-server] [--save]

A run is repeatable by its seed. `--save` keeps the shortest input of every new outcome in `corpus/<target>.json`, which later runs
start from.
"""

import argparse
import base64
import contextlib
import gc
import json
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.mutations import Message, mutate, random_message
from tests.fuzz.targets import Target, targets
from vox.errors import PeerError

CORPUS = Path(__file__).parent / "corpus"
SLOW_S = 0.25  # for one message of at most 20,000 characters; the usual one takes microseconds
MAX_HEAP_GROWTH = 4 << 20  # bytes that may stay after a traced stretch
MAX_RSS_GROWTH = 64 << 20  # bytes of peak memory after the first tenth of a run
LONG_SESSION = 1000  # messages that one codec must bear without growing
TRACED_INPUTS = 3000
SAVED_CHARS = 2000
SAVED_OUTCOMES = 60


@dataclass
class Failure:
    """An input that a codec did not take as it must."""

    target: str
    why: str
    messages: list[Message]

    def __str__(self) -> str:
        """Enough to repeat it."""
        return f"{self.target}: {self.why}\n  session: {[message[:300] for message in self.messages[-12:]]!r}"


@dataclass
class Report:
    """What became of the inputs of one target."""

    target: str
    inputs: int = 0
    timed_inputs: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    failures: list[Failure] = field(default_factory=list[Failure])
    found: dict[str, Message] = field(default_factory=dict[str, Message])
    heap_growth: int = 0


def fuzz(target: Target, *, inputs: int, seed: int) -> Report:
    """Runs one target, the kept inputs first; the last inputs are traced, and what stays in memory after them is measured."""
    rng = Random(f"{seed}/{target.name}")
    saved = load_corpus(target.name)
    report = replay(target)
    traced = min(TRACED_INPUTS, inputs // 4)
    replayed = report.inputs
    started = time.perf_counter()
    while report.inputs < inputs - traced:
        _session(target, saved, rng, report)
    report.seconds = time.perf_counter() - started
    report.timed_inputs = report.inputs - replayed
    if traced:
        _traced(target, saved, rng, report, until=inputs)
    return report


def replay(target: Target) -> Report:
    """Feeds the kept inputs once each, to a fresh codec and to one in the middle of a conversation."""
    report = Report(target.name)
    for message in load_corpus(target.name):
        _feed(target, [message], report)
        for conversation in target.conversations:
            _feed(target, [*conversation[:2], message], report)
    return report


def load_corpus(name: str) -> list[Message]:
    """The kept inputs of a target."""
    path = CORPUS / f"{name}.json"
    if not path.exists():
        return []
    kept: list[str | dict[str, str]] = json.loads(path.read_text())
    return [base64.b64decode(item["base64"]) if isinstance(item, dict) else item for item in kept]


def save_corpus(report: Report) -> None:
    """Keeps the shortest input of every outcome."""
    kept = sorted(
        (message for message in report.found.values() if len(message) <= SAVED_CHARS),
        key=lambda item: (len(item), repr(item)),
    )[:SAVED_OUTCOMES]
    written = [
        {"base64": base64.b64encode(message).decode()} if isinstance(message, bytes) else message for message in kept
    ]
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{report.target}.json").write_text(json.dumps(written, indent=1) + "\n")


def _session(target: Target, saved: Sequence[Message], rng: Random, report: Report) -> None:
    _feed(target, _messages(target, saved, rng), report)


def _messages(target: Target, saved: Sequence[Message], rng: Random) -> Iterator[Message]:
    """A conversation in which some messages are damaged, replaced or repeated."""
    conversation = rng.choice(target.conversations)
    length = LONG_SESSION if rng.randrange(2000) == 0 else rng.randrange(1, 12)
    known = [*conversation, *saved]
    is_polite = rng.randrange(4) > 0  # the first messages as they should be, so that later ones reach deeper
    for position in range(length):
        message = conversation[position] if position < len(conversation) else rng.choice(known)
        if is_polite and position < 2:
            yield message
            continue
        match rng.randrange(10):
            case 0:
                yield message
            case 1:
                yield random_message(rng)
            case 2:
                yield mutate(rng.choice(known), known, rng)
            case _:
                yield mutate(message, known, rng)


def _feed(target: Target, messages: Iterator[Message] | list[Message], report: Report) -> None:
    codec = target.make()
    session: list[Message] = []
    for message in messages:
        session.append(message)
        report.inputs += 1
        began = time.perf_counter()
        try:
            events = codec.receive(message)
        except PeerError as error:
            outcome, detail = error.code, f"{error.code}: {_plain(str(error))}"
        except BaseException as error:
            report.failures.append(Failure(target.name, f"{type(error).__name__}: {error}", session))
            report.found[f"failed {type(error).__name__}"] = message
            if isinstance(error, KeyboardInterrupt):
                raise
            return
        else:
            outcome = "taken" if events else "ignored"
            detail = ",".join(type(event).__name__ for event in events[:4]) or outcome
        took = time.perf_counter() - began
        report.outcomes[outcome] += 1
        if took > SLOW_S and _takes_long(target, session):
            report.failures.append(Failure(target.name, f"took {took:.3f} s", session))
        if detail not in report.found or len(message) < len(report.found[detail]):
            report.found[detail] = message
    try:
        target.probe(codec)
    except Exception as error:  # noqa: BLE001  that is what is looked for
        report.failures.append(Failure(target.name, f"afterwards {type(error).__name__}: {error}", session))


def _takes_long(target: Target, session: Sequence[Message]) -> bool:
    """Whether the last message is slow by itself, and not because the machine was busy."""
    for _ in range(3):
        codec, took = target.make(), 0.0
        for message in session:
            began = time.process_time()
            with contextlib.suppress(PeerError):
                codec.receive(message)
            took = time.process_time() - began
        if took <= SLOW_S:
            return False
    return True


def _traced(target: Target, saved: Sequence[Message], rng: Random, report: Report, *, until: int) -> None:
    """What a codec and its module keep of many messages: the sessions are over, so it must be next to nothing."""
    _session(target, saved, rng, report)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        while report.inputs < until:
            _session(target, saved, rng, report)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    report.heap_growth = after - before
    if report.heap_growth > MAX_HEAP_GROWTH:
        report.failures.append(Failure(target.name, f"kept {report.heap_growth} bytes after its sessions", []))


def _plain(text: str) -> str:
    """An error's text without its numbers and quotations, so that alike outcomes count as one."""
    return "".join(character for character in text.partition("'")[0] if not character.isdigit())[:80]


def _peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command's output


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs from the command line; 1 when anything but a `PeerError` came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="messages in all, spread over the targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", help="one target only")
    parser.add_argument("--save", action="store_true", help="keep the shortest input of every outcome in the corpus")
    options = parser.parse_args(arguments)
    chosen = {name: target for name, target in targets().items() if options.target in (None, name)}
    if not chosen:
        parser.error(f"no target {options.target!r}; there are {', '.join(targets())}")
    share = -(-options.inputs // len(chosen))
    reports: list[Report] = []
    warm_rss = 0
    for name, target in chosen.items():
        report = fuzz(target, inputs=share, seed=options.seed)
        reports.append(report)
        warm_rss = warm_rss or _peak_rss()
        rate = report.timed_inputs / report.seconds if report.seconds else 0
        outcomes = ", ".join(f"{outcome} {count}" for outcome, count in report.outcomes.most_common())
        _say(f"{name:16} {report.inputs:8} inputs {rate:9,.0f}/s  kept {report.heap_growth:7} B  {outcomes}")
        for failure in report.failures[:5]:
            _say(f"  FAILED {failure}")
        if options.save:
            save_corpus(report)
    growth = _peak_rss() - warm_rss
    total, seconds = sum(report.inputs for report in reports), sum(report.seconds for report in reports)
    failures = sum(len(report.failures) for report in reports)
    _say(f"{total} inputs in {seconds:.1f} s; {failures} failures; peak memory grew by {growth / 2**20:.1f} MiB")
    return 1 if failures or growth > MAX_RSS_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
