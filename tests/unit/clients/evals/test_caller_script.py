from dataclasses import dataclass

from vox.clients.audio_files import Recording
from vox.clients.evals.caller_script import THINKING_S, CallerScript, PreparedTurn
from vox.clients.evals.scenario import Scenario, ScriptedTurn
from vox.clients.script import Press, Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import CallReport, Turn, TurnKind

SPEECH = Recording(b"", 8000)
SCENARIO = Scenario(
    name="a",
    transport="ws",
    turns=(ScriptedTurn(say="x"),),
    greeting_s=2,
    answer_timeout_s=7,
    silence_s=0.5,
    timeout_s=60,
)


@dataclass
class Thought:
    """A turn that takes a while to think of."""

    turn: PreparedTurn | None
    looks: int = 2

    def done(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def result(self) -> PreparedTurn | None:
        return self.turn


def say(label: str, into_agent_s: float | None = None) -> PreparedTurn:
    return PreparedTurn(label, Say(SPEECH, into_agent_s))


def kinds(steps: list[Step]) -> list[str]:
    return [type(step).__name__ for step in steps]


def test_a_caller_listens_after_each_turn_but_not_before_a_barge_in():
    script = CallerScript(SCENARIO, lambda: 3.0)
    turns = [say("a"), say("b", 1.0), PreparedTurn("c", Press("1")), PreparedTurn("d", Wait(2.0))]
    steps = list(script.scripted(turns))
    assert kinds(steps) == [
        "WaitForAgent", "Say", "Say", "WaitForAgent", "Press", "WaitForAgent", "Wait", "WaitForAgent",
    ]  # fmt: skip
    assert steps[0] == WaitForAgent(0.5, 2.0, 60.0)
    assert steps[3] == WaitForAgent(0.5, 7.0, 60.0)
    assert script.is_finished


def test_what_was_begun_is_found_in_the_report():
    script = CallerScript(SCENARIO, lambda: 3.0)
    list(script.scripted([say("a"), PreparedTurn("w", Wait(1.0)), say("b")]))
    report = CallReport("ws", 16_000, turns=[Turn(TurnKind.GREETING, 0.0), Turn(TurnKind.SPEECH, 3.5)])
    assert [(one.label, one.turn) for one in script.begun] == [("a", 1), ("w", None), ("b", 2)]
    assert [one.began_s(report) for one in script.begun] == [3.5, 3.0, 3.0]


def test_a_caller_who_was_cut_off_has_not_finished():
    script = CallerScript(SCENARIO, lambda: 0.0)
    steps = script.scripted([say("a"), say("b")])
    for _ in range(3):
        next(steps)
    assert not script.is_finished
    assert [one.label for one in script.begun] == ["a"]


def test_a_caller_who_thinks_is_silent_meanwhile():
    thoughts = [Thought(say("a")), Thought(None, looks=0)]
    script = CallerScript(SCENARIO, lambda: 0.0)
    steps = list(script.thought_of(lambda: thoughts.pop(0)))
    assert kinds(steps) == ["WaitForAgent", "Wait", "Wait", "Say", "WaitForAgent"]
    assert steps[1] == Wait(THINKING_S)
    assert script.is_finished
