"""Spoken calls: questions and bookings by several voices, half of them by telephone, a third with noise."""

import asyncio
import itertools
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

from bench.conversation.admission import admitted
from bench.conversation.booking_caller import BookingCaller, BookingOutcome, BookingScript
from bench.conversation.event_log import EventLog
from bench.conversation.questions import Judge
from bench.conversation.scoring import Asked, Question
from bench.conversation.server import CALL_VARIABLE
from bench.conversation.sound import add_noise, pink_noise
from bench.conversation.speakers import RecordingCache, Speaker

from vox.clients.audio_files import Recording
from vox.clients.carrier_lines import open_line
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import Turn, TurnKind
from vox.runtime.clock import SystemClock

LINES = ("twilio", "protobuf")
QUESTIONS_PER_CALL = 4
GREETING = WaitForAgent(silence_s=0.7, begin_timeout_s=5.0)
ANSWER = WaitForAgent(silence_s=1.1, begin_timeout_s=6.0, timeout_s=40.0)
_MOST_CALLS = 6  # for one group of questions: each may be ended by the agent


@dataclass(frozen=True, slots=True)
class Condition:
    """How a caller sounds."""

    speaker: Speaker
    line: str
    is_noisy: bool

    @property
    def name(self) -> str:
        """What the report calls it."""
        line = "telephone" if self.line == "twilio" else "16 kHz"
        return f"{self.speaker.name}, {line}{', noise' if self.is_noisy else ''}"


def conditions(speakers: Sequence[Speaker], seed: int) -> Generator[Condition]:
    """Endlessly: one voice after the other, on both lines by turns, every third with noise; the seed orders the voices."""
    order = list(speakers)
    random.Random(seed).shuffle(order)  # noqa: S311  repeatable, not secret
    for count in itertools.count():
        round_, place = divmod(count, len(order))
        yield Condition(order[place], LINES[(place + round_) % 2], count % 3 == 0)


@dataclass(slots=True)
class CallRunner:
    """Places calls against the observed server, a few at a time.

    Args:
        address: `ws://HOST:PORT`.
        log: what the server writes.
        today: the day of the calls.
        calls: how many at once.
        seed: of the noise.
    """

    address: str
    log: EventLog
    recordings: RecordingCache
    today: date
    calls: int
    seed: int
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _noise: dict[int, bytes] = field(default_factory=dict[int, bytes])
    _limit: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._limit = asyncio.Semaphore(self.calls)

    def new_call(self) -> str:
        """A name for a call, under which its events are found."""
        return f"c{next(self._numbers)}"

    async def place(self, call: str, script: Generator[Step], condition: Condition) -> CallOutcome:
        """One call, once there is room for it; the script has not begun where the server refuses."""
        line = open_line(condition.line)
        if condition.is_noisy:
            rate = line.sample_rate
            add_noise(line, self._noise.setdefault(rate, pink_noise(rate, self.seed)))
        variables = {CALL_VARIABLE: call, "today": self.today.isoformat()}
        if condition.line == "twilio":
            url, parameters = f"{self.address}/telephony/ws", variables
        else:
            query = {"format": "protobuf", **{f"var.{name}": value for name, value in variables.items()}}
            url, parameters = f"{self.address}/ws?{urlencode(query)}", {}
        async with self._limit:
            return await admitted(lambda: place_call(url, script, SystemClock(), line=line, parameters=parameters))


async def ask_aloud(
    runner: CallRunner, questions: Sequence[Question], judge: Judge, speakers: Sequence[Speaker]
) -> list[Asked]:
    """Asks all questions, several in a call."""
    groups = [questions[at : at + QUESTIONS_PER_CALL] for at in range(0, len(questions), QUESTIONS_PER_CALL)]
    asked = await asyncio.gather(
        *(
            _ask_group(runner, group, judge, condition)
            for group, condition in zip(groups, conditions(speakers, runner.seed), strict=False)
        )
    )
    return [one for group in asked for one in group]


async def _ask_group(runner: CallRunner, group: Sequence[Question], judge: Judge, condition: Condition) -> list[Asked]:
    """A new call begins where the agent has ended one, or has been left with a question of its own."""
    speech = {question: await runner.recordings.speak(condition.speaker, question.text) for question in group}
    pending, done = list(group), list[Asked]()
    for _ in range(_MOST_CALLS):
        if not pending:
            break
        call = runner.new_call()
        marks = list[tuple[int, int]]()
        outcome = await runner.place(call, _questions(runner, call, pending, speech, judge, marks), condition)
        events = runner.log.of(call)
        spoken = [turn for turn in outcome.report.turns if turn.kind is TurnKind.SPEECH]
        ends = [*marks[1:], (len(events.agent), len(events.caller))]
        for question, turn, begin, end in zip(pending, spoken, marks, ends, strict=False):
            texts, heard = events.agent[begin[0] : end[0]], events.caller[begin[1] : end[1]]
            done.append(
                judge.asked(
                    question,
                    texts,
                    heard=" / ".join(heard),
                    response_s=turn.response_s,
                    condition=condition.name,
                )
            )
        pending = pending[len(spoken) :]
    return done + [judge.asked(question, [], condition=condition.name) for question in pending]


def _questions(
    runner: CallRunner,
    call: str,
    pending: Sequence[Question],
    speech: dict[Question, Recording],
    judge: Judge,
    marks: list[tuple[int, int]],
) -> Generator[Step]:
    """The call's script; `marks` gets how many sentences and transcripts there were before each question."""
    yield GREETING
    for question in pending:
        events = runner.log.of(call)
        marks.append((len(events.agent), len(events.caller)))
        yield Say(speech[question])
        yield ANSWER
        if judge.leaves_task_open(runner.log.of(call).agent[marks[-1][0] :]):
            return


async def book_aloud(
    runner: CallRunner, scripts: Sequence[BookingScript], judge: Judge, speakers: Sequence[Speaker]
) -> list[tuple[BookingScript, BookingOutcome, list[str]]]:
    """Plays each booking in a call of its own."""
    return list(
        await asyncio.gather(
            *(
                _book(runner, script, judge, condition)
                for script, condition in zip(scripts, conditions(speakers, runner.seed + 1), strict=False)
            )
        )
    )


async def _book(
    runner: CallRunner, script: BookingScript, judge: Judge, condition: Condition
) -> tuple[BookingScript, BookingOutcome, list[str]]:
    caller, call, said = BookingCaller(script, runner.today), runner.new_call(), list[str]()
    known = 0

    def answers() -> list[str]:
        nonlocal known
        texts = runner.log.of(call).agent[known:]
        known += len(texts)
        return texts

    def conversation() -> Generator[Step]:
        yield GREETING
        answers()
        line: str | None = caller.first_line()
        while line is not None:
            spoken = asyncio.ensure_future(runner.recordings.speak(condition.speaker, line))
            while not spoken.done():
                yield Wait(0.02)
            yield Say(spoken.result())
            yield ANSWER
            texts = answers()
            said.extend([f"caller: {line}", f"agent: {' '.join(texts)}"])
            line = caller.next_line(judge.table.read(texts))

    await runner.place(call, conversation(), condition)
    caller.hear(judge.table.read(answers()))
    heard = runner.log.of(call).caller
    return script, caller.outcome, [condition.name, *said, f"heard: {' / '.join(heard)}"]


def answered_turn(turns: Sequence[Turn], number: int) -> Turn:
    """The caller's turn of this number, the greeting not counted."""
    return [turn for turn in turns if turn.kind is not TurnKind.GREETING][number]
