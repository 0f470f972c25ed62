"""Many calls at once whose recordings and transcripts go to real stores, and what arrived there beside what the callers know.

Each caller says its number through the stream's parameters and is greeted with it, so the first row of a transcript tells whose
it is. The script has a question, its answer, and a second answer that the caller cuts.
"""

import asyncio
import contextlib
import statistics
from array import array
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.e2e.agents import FAKES
from tests.e2e.postgres import RunningPostgres
from tests.e2e.recorded_audio import channels_of, edges
from tests.fakes.s3_server import BUCKET
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.runtime.clock import SystemClock

Row = tuple[int, str, str]
"""Number, role and text."""
Said = tuple[str, str]
"""Role and text."""
QUESTIONS = ("what is new", "and what is old", "that is enough")
FIRST, CUT, LAST = (
    "nothing is new.",
    "one two three four five six seven eight nine ten eleven twelve.",
    "good bye then.",
)
FRAME_S = 0.02


def config(database: RunningPostgres) -> dict[str, Any]:
    """A server's configuration that stores everything; the S3 server is named by the environment."""
    return {
        **FAKES,
        "greeting": "you are caller {{number}} of today.",
        "stt_options": {"transcripts": list(QUESTIONS)},
        "llm_options": {"responses": [FIRST, CUT, LAST]},
        "tts_options": {"characters_per_s": 25.0},
        "turn_stop_secs": 0.3,
        "playout_lead_ms": 0,
        "max_calls_per_address": 0,
        "recording": {"enable": True, "layout": "stereo", "bucket": BUCKET},
        "transcripts": {"enable": True, "driver": "postgres", "dsn": database.url},
    }


def script() -> Iterator[Step]:
    """A caller who listens, asks, is answered, asks again, cuts the answer, and hears the last one out."""
    listen = WaitForAgent(silence_s=0.4)
    question = sample_question()
    yield from (listen, Say(question), listen, Say(question), Say(question, into_agent_s=1.0), listen, HangUp())


@dataclass(frozen=True, slots=True)
class HeardCall:
    """What the caller knows of a call; edges are where sound begins and ends, in seconds."""

    number: str
    duration_s: float
    caller_edges: Sequence[float]
    agent_edges: Sequence[float]


async def call(url: str, number: int) -> HeardCall:
    """Places one call."""
    outcome = await place_call(url, script(), SystemClock(), line="twilio", parameters={"number": str(number)})
    report = outcome.report
    assert outcome.failure is None, outcome.failure
    assert len(report.turns) == 4, f"caller {number} had {len(report.turns)} turns"
    sides = [edges(array("h", track), report.sample_rate) for track in (report.caller_track, report.agent_track)]
    return HeardCall(str(number), report.duration_s, *sides)


def rows(database: RunningPostgres) -> dict[str, list[Row]]:
    """What is in the table, by session, in the order of the rows' numbers."""
    found: dict[str, list[Row]] = {}
    with psycopg.connect(database.url) as connection:
        select = "SELECT session_id, seq, role, text FROM call_transcripts ORDER BY session_id, seq"
        for session_id, seq, role, text in connection.execute(select):
            found.setdefault(session_id, []).append((seq, role, text))
    return found


def row_count(database: RunningPostgres) -> int:
    """How many rows are in the table."""
    with psycopg.connect(database.url) as connection:
        found = connection.execute("SELECT count(*) FROM call_transcripts").fetchone()
        return found[0] if found else 0


@dataclass(slots=True)
class Comparison:
    """What the stores hold beside what the callers know; errors in seconds, one for each recording or sound's edge.

    `faults` are what is missing or wrong; `misplaced` are recordings with other sounds than the caller knows, which a caller
    that was late itself has heard in pieces.
    """

    length_errors: list[float] = field(default_factory=list[float])
    edge_errors: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])
    misplaced: list[str] = field(default_factory=list[str])

    @property
    def worst_length(self) -> float:
        """The largest error of a length."""
        return max(self.length_errors, default=0.0)

    @property
    def worst_edge(self) -> float:
        """The largest error of a sound's place."""
        return max(self.edge_errors, default=0.0)

    @property
    def typical_edge(self) -> float:
        """The middle one."""
        return statistics.median(self.edge_errors or [0.0])


def compare(
    heard: Sequence[HeardCall],
    recordings: Mapping[str, bytes],
    transcripts: Mapping[str, Sequence[Row]],
    conversations: Mapping[str, Sequence[Said]] | None = None,
) -> Comparison:
    """Looks each call up in both stores.

    Args:
        heard: the calls.
        recordings: by their key, which ends in the session's id.
        transcripts: by the session's id.
        conversations: what the server heard and said, by the session's id, on a machine so busy that it need not be the script.
    """
    found = Comparison()
    by_session = {key.rpartition("/")[2].removesuffix(".wav"): audio for key, audio in recordings.items()}
    sessions = {lines[0][2].split()[3]: session for session, lines in transcripts.items()}
    for what, many in (("recordings", by_session), ("transcripts", transcripts), ("callers' numbers", sessions)):
        if len(many) != len(heard):
            found.faults.append(f"{len(many)} {what} of {len(heard)} calls")
    for one in heard:
        session = sessions.get(one.number, "")
        if session not in by_session:
            found.faults.append(f"caller {one.number}: nothing is stored")
            continue
        lines = transcripts[session]
        expected = _by_the_script(one, lines) if conversations is None else conversations[session]
        if [row[1:] for row in lines] != expected or [row[0] for row in lines] != list(range(1, len(lines) + 1)):
            found.faults.append(f"caller {one.number}: the transcript is {lines}, not {expected}")
        _compare_recording(one, by_session[session], found)
    return found


def _by_the_script(one: HeardCall, lines: Sequence[Row]) -> list[Said]:
    """What each transcript holds; of the answer that was cut, whatever beginning of it stands there."""
    cut = (
        lines[4][2] if len(lines) > 4 and lines[4][2] != CUT and CUT.startswith(lines[4][2]) else "a part of the answer"
    )
    answers = (f"you are caller {one.number} of today.", FIRST, cut, LAST)
    said = [("assistant", answers[0])]
    for question, answer in zip(QUESTIONS, answers[1:], strict=True):
        said += [("user", question), ("assistant", answer)]
    return said


def _compare_recording(one: HeardCall, recording: bytes, found: Comparison) -> None:
    rate, channels = channels_of(recording)
    found.length_errors.append(abs(len(channels[0]) / rate - one.duration_s))
    for name, samples, expected in zip(("caller", "agent"), channels, (one.caller_edges, one.agent_edges), strict=True):
        recorded = edges(samples, rate)
        if len(recorded) != len(expected) or not expected:
            found.misplaced.append(f"caller {one.number}: the {name}'s sounds are at {recorded}, not at {expected}")
        else:
            found.edge_errors += [abs(a - b) for a, b in zip(recorded, expected, strict=True)]


@contextlib.asynccontextmanager
async def lag_meter() -> AsyncGenerator[list[float]]:
    """How late this process' event loop was at worst while the block ran: callers that are late are heard late."""
    worst = [0.0]

    async def watch() -> None:
        clock = SystemClock()
        while True:
            due = clock.now() + FRAME_S
            await asyncio.sleep(FRAME_S)
            worst[0] = max(worst[0], clock.now() - due)

    watching = asyncio.create_task(watch())
    try:
        yield worst
    finally:
        watching.cancel()
