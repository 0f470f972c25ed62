"""Runs a scenario aloud, in real time: over `/ws` as a client does, or over a carrier's media stream.

A client is told the agent's words and tools. A carrier's wire carries audio alone, so a recogniser listens to the agent there.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vox.clients.audio_files import Recording, read_wav
from vox.clients.carrier_lines import open_line
from vox.clients.evals.caller_script import CallerScript, PreparedTurn
from vox.clients.evals.model_caller import CallerRole
from vox.clients.evals.record import CallAudio, CallRecord, Line, TurnRecord
from vox.clients.evals.rtvi_line import RtviLine
from vox.clients.evals.rtvi_observer import BEFORE_ALL_S, RtviObserver
from vox.clients.evals.scenario import ModelCaller, Scenario, ScriptedTurn
from vox.clients.evals.station import Station, client_url, phone_url
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import Press, Say, Step, Wait
from vox.clients.simulated_call import CallReport, SimulatedCall
from vox.protocols.media_stream import CarrierCodec

_NORMAL_CLOSURES: Final = (1000, 1001, 1005)


async def run_spoken(scenario: Scenario, station: Station) -> CallRecord:
    """Holds the conversation and returns what happened; raises what connecting, a recording or a speech driver raises."""
    turns = [await _prepare(turn, scenario, station) for turn in scenario.turns]
    call = _Call(scenario, station)
    async with asyncio.TaskGroup() as thinking:
        outcome = await call.place(turns, thinking)
    return await call.record(outcome)


@dataclass(slots=True)
class _Call:
    """One call: its line, its script, and what is known of the agent's words."""

    scenario: Scenario
    station: Station
    observer: RtviObserver = field(default_factory=RtviObserver)
    simulated: SimulatedCall | None = None
    sample_rate: int = 0
    script: CallerScript = field(init=False)

    def __post_init__(self) -> None:
        self.script = CallerScript(self.scenario, self.elapsed_s)

    def elapsed_s(self) -> float:
        """Seconds since the call began, on the clock of its tracks."""
        return 0.0 if self.simulated is None else self.simulated.elapsed_s

    async def place(self, turns: list[PreparedTurn], thinking: asyncio.TaskGroup) -> CallOutcome:
        """Dials, follows the script, and returns when the call is over."""
        scenario, station = self.scenario, self.station
        line: CarrierCodec = (
            open_line(scenario.transport) if scenario.is_by_phone else RtviLine(self.observer, self.elapsed_s)
        )
        self.sample_rate = line.sample_rate
        steps: Iterable[Step] = self.script.scripted(turns)
        if scenario.caller is not None:
            think = await self._thinking(scenario.caller)
            steps = self.script.thought_of(lambda: thinking.create_task(think()))
        url = (
            phone_url(station.url, scenario)
            if scenario.is_by_phone
            else client_url(station.url, scenario, format="protobuf")
        )
        return await place_call(
            url,
            steps,
            station.clock,
            line=line,
            headers=station.headers,
            parameters=dict(scenario.parameters),
            caller=scenario.from_number,
            callee=scenario.to_number,
            connect=station.connect,
            started=self._started,
        )

    async def record(self, outcome: CallOutcome) -> CallRecord:
        """What happened, with the agent's words heard by a recogniser where the wire did not carry them."""
        report = outcome.report
        record = CallRecord(turns=self._turns(report), duration_s=report.duration_s)
        record.audio = CallAudio(report.caller_track, report.agent_track, report.sample_rate)
        record.lines = [Line(turn.began_s, "caller", turn.label) for turn in record.turns[1:]]
        is_cut_off = report.stopped_by_agent or not self.script.is_finished
        record.ended_by = "agent" if is_cut_off else "caller"
        if outcome.failure is not None:
            record.failure = f"the server broke the protocol: {outcome.failure}"
        elif is_cut_off and not report.stopped_by_agent and outcome.close_code not in _NORMAL_CLOSURES:
            record.failure = (
                f"the server closed the connection with {outcome.close_code} {outcome.close_reason}".rstrip()
            )
        if not self.scenario.is_by_phone:
            self.observer.fill(record)
        else:
            record.interruptions = len(report.clears)
            if self.scenario.needs_words:
                heard = await self.station.recognise(report.agent_track, report.sample_rate)
                record.lines += [Line(at_s, "agent", text) for at_s, text in heard if text]
                record.lines.sort(key=lambda line: line.at_s)
        record.share_out()
        return record

    def _started(self, call: SimulatedCall) -> None:
        self.simulated = call

    def _turns(self, report: CallReport) -> list[TurnRecord]:
        turns = [TurnRecord("", 0.0, report.turns[0].response_s)] if report.turns else [TurnRecord("", 0.0)]
        for begun in self.script.begun:
            if begun.turn is None:
                turns.append(TurnRecord(begun.label, begun.at_s))
            elif begun.turn < len(report.turns):
                turn = report.turns[begun.turn]
                turns.append(TurnRecord(begun.label, turn.began_s, turn.response_s, turn.silenced_s))
        return turns

    async def _thinking(self, plan: ModelCaller) -> Callable[[], Coroutine[None, None, PreparedTurn | None]]:
        role = CallerRole(plan, await self.station.open_caller(plan.model))
        is_over = False

        async def think() -> PreparedTurn | None:
            nonlocal is_over
            if is_over:
                return None
            line = await role.next_line(await self._heard_lately())
            is_over = line.is_last
            if not line.text:
                return None
            return PreparedTurn(line.text, Say(await self.station.speak(line.text, self.scenario.voice)))

        return think

    async def _heard_lately(self) -> str:
        """What the agent has said since the caller's last turn began."""
        call, begun = self.simulated, self.script.begun
        if call is None:
            return ""
        since_s = begun[-1].began_s(call.report()) if begun else BEFORE_ALL_S
        if not self.scenario.is_by_phone:
            return self.observer.words_since(since_s)
        heard = await self.station.recognise(call.agent_audio_since(max(0.0, since_s)), self.sample_rate)
        return " ".join(text for _, text in heard if text)


async def _prepare(turn: ScriptedTurn, scenario: Scenario, station: Station) -> PreparedTurn:
    """The turn with its speech made or read."""
    if turn.wait_s is not None:
        return PreparedTurn(turn.label, Wait(turn.wait_s))
    if turn.press is not None:
        return PreparedTurn(turn.label, Press(turn.press))
    if turn.say is not None:
        speech = await station.speak(turn.say, scenario.voice)
    else:
        speech = await asyncio.to_thread(_read, turn.audio)
    return PreparedTurn(turn.label, Say(speech, turn.barge_in_s, scenario.answer_timeout_s))


def _read(path: Path | None) -> Recording:
    return read_wav(path or Path())
