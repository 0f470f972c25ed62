"""Who speaks when: pauses in mid-sentence, whole sentences, barge-ins, coughs and short words of agreement."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.conversation.questions import Judge
from bench.conversation.scoring import percentile, targets_of
from bench.conversation.sound import cough, joined
from bench.conversation.speakers import Speaker
from bench.conversation.voice import ANSWER, GREETING, CallRunner, Condition, answered_turn, conditions

from vox.clients.audio_files import Recording
from vox.clients.script import Say, Step
from vox.clients.simulated_call import SILENT_RMS, TICK_S, CallReport
from vox.media.levels import rms

KINDS = ("pause", "whole", "barge_in", "cough", "backchannel")
LONG_QUESTION = "What is on the menu?"
INTO_ANSWER_S = 1.2
MOST_HELD_S = 0.3
MOST_SILENCED_S = 0.25
TALKED_OVER, SPLIT, MISUNDERSTOOD = "talked over", "taken for two turns", "not answered"
_SHORTER_S = 0.3


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One case: whether it went as it should, and its time (answer, silence, or how long the agent held back)."""

    kind: str
    what: str
    condition: str
    is_right: bool
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was heard of the agent in a part of a call, in seconds: sound, and the silence between its first and last sound."""

    sounding_s: float
    silent_s: float


def audible(track: bytes, sample_rate: int) -> list[bool]:
    """For each 20 ms of a track, whether something can be heard."""
    size = int(sample_rate * TICK_S) * 2
    return [rms(track[at : at + size]) > SILENT_RMS for at in range(0, len(track) - size + 1, size)]


def is_heard_between(frames: Sequence[bool], from_s: float, to_s: float) -> bool:
    """Whether anything can be heard in these seconds."""
    return any(frames[round(from_s / TICK_S) : round(to_s / TICK_S)])


def stretch(frames: Sequence[bool], from_s: float, to_s: float) -> Stretch:
    """What was heard in these seconds."""
    part = frames[round(from_s / TICK_S) : round(to_s / TICK_S)]
    loud = [index for index, one in enumerate(part) if one]
    if not loud:
        return Stretch(0.0, 0.0)
    return Stretch(len(loud) * TICK_S, (loud[-1] - loud[0] + 1 - len(loud)) * TICK_S)


async def take_turns(
    runner: CallRunner, cases: Sequence[Mapping[str, Any]], pause_s: float, judge: Judge, speakers: Sequence[Speaker]
) -> list[TurnResult]:
    """Plays each case in a call of its own."""
    chosen = zip(enumerate(cases), conditions(speakers, runner.seed + 2), strict=False)
    return list(
        await asyncio.gather(
            *(_Case(runner, case, number, pause_s, judge, condition).run() for (number, case), condition in chosen)
        )
    )


@dataclass(slots=True)
class _Case:
    runner: CallRunner
    case: Mapping[str, Any]
    number: int
    pause_s: float
    judge: Judge
    condition: Condition

    async def run(self) -> TurnResult:
        match self.case["kind"]:
            case "pause":
                return await self._pause()
            case "whole":
                return await self._whole()
            case "barge_in":
                return await self._barge_in()
            case _:
                return await self._listens_on()

    async def _pause(self) -> TurnResult:
        first, second = [await self._speak(part) for part in _unfinished(self.case["parts"])]
        counts = list[int]()
        report, call = await self._place([Say(joined(first, self.pause_s, second)), ANSWER], counts)
        turn = answered_turn(report.turns, 0)
        frames = audible(report.agent_track, report.sample_rate)
        events = self.runner.log.of(call)
        is_talked_over = is_heard_between(frames, turn.began_s + first.duration_s, turn.ended_s)
        is_split = len(set(events.answers[counts[0] :])) > 1
        texts = events.agent[counts[0] :]
        acceptable = targets_of(self.case["topics"], self.judge.topics)
        said = self.judge.table.read(texts)
        is_answered = any(not one.targets.isdisjoint(acceptable) for one in said)
        note = TALKED_OVER if is_talked_over else SPLIT if is_split else "" if is_answered else MISUNDERSTOOD
        return self._result(not is_talked_over and not is_split, turn.response_s, note)

    async def _whole(self) -> TurnResult:
        report, _ = await self._place([Say(await self._speak(self.case["text"])), ANSWER])
        waited = answered_turn(report.turns, 0).response_s
        return self._result(waited is not None, waited)

    async def _barge_in(self) -> TurnResult:
        question, words = await self._speak(LONG_QUESTION), await self._speak(self.case["text"])
        report, call = await self._place([Say(question), Say(words, into_agent_s=INTO_ANSWER_S), ANSWER])
        turn = answered_turn(report.turns, 1)
        events = self.runner.log.of(call)
        acceptable = targets_of(self.case["topics"], self.judge.topics)
        said = self.judge.table.read(events.agent)
        is_answered = any(not one.targets.isdisjoint(acceptable) for one in said)
        is_answered = is_answered if acceptable else turn.response_s is None
        note = "" if is_answered else f"then: {' '.join(events.agent[-2:])}"
        return self._result(is_answered, turn.silenced_s, note)

    async def _listens_on(self) -> TurnResult:
        """The same question twice: once undisturbed, then with the sound in the middle of its answer."""
        question = await self._speak(LONG_QUESTION)
        seconds = self.case.get("seconds")
        sound = (
            await self._speak(self.case["text"]) if seconds is None else cough(seconds, self.runner.seed + self.number)
        )
        counts = list[int]()
        disturbed = Say(sound, into_agent_s=INTO_ANSWER_S)
        report, _ = await self._place([Say(question), ANSWER, Say(question), disturbed, ANSWER], counts)
        turns = [answered_turn(report.turns, number) for number in range(len(report.turns) - 1)]
        if len(turns) < 3 or turns[0].response_s is None:
            return self._result(False, None, "the question was not answered")
        frames = audible(report.agent_track, report.sample_rate)
        usual = stretch(frames, turns[0].ended_s, turns[1].began_s)
        now = stretch(frames, turns[1].ended_s, report.duration_s)
        held_s = max(0.0, now.silent_s - usual.silent_s)
        before, between, after = counts[0], counts[1], counts[-1]
        note = "went silent" if now.sounding_s < usual.sounding_s - _SHORTER_S else ""
        note = "answered it" if after - between > between - before else note
        return self._result(not note and held_s <= MOST_HELD_S, held_s, note)

    async def _place(self, steps: Sequence[Step], counts: list[int] | None = None) -> tuple[CallReport, str]:
        call = self.runner.new_call()

        def script() -> Generator[Step]:
            yield GREETING
            for step in steps:
                if counts is not None and isinstance(step, Say) and step.into_agent_s is None:
                    counts.append(len(self.runner.log.of(call).agent))
                yield step

        outcome = await self.runner.place(call, script(), self.condition)
        if counts is not None:
            counts.append(len(self.runner.log.of(call).agent))
        return outcome.report, call

    async def _speak(self, text: str) -> Recording:
        return await self.runner.recordings.speak(self.condition.speaker, text)

    def _result(self, is_right: bool, seconds: float | None, note: str = "") -> TurnResult:
        case = self.case
        what = case.get("text") or " … ".join(case.get("parts", ())) or f"{case['seconds']} s"
        return TurnResult(case["kind"], what, self.condition.name, is_right, seconds, note)


def _unfinished(parts: Sequence[str]) -> list[str]:
    """The first part with a comma, so that the voice does not fall as at the end of a sentence."""
    return [parts[0] if parts[0].endswith(",") else f"{parts[0]},", *parts[1:]]


def percentiles(results: Sequence[TurnResult], kind: str) -> tuple[float | None, float | None]:
    """p50 and p95 of the times of a kind."""
    times = [one.seconds for one in results if one.kind == kind and one.seconds is not None]
    return percentile(times, 0.5), percentile(times, 0.95)
