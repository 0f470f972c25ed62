"""Results that the reports are made of."""

from vox.clients.evals.record import CallAudio, CallRecord, Line, ToolUse, TurnRecord
from vox.clients.evals.runner import EvalResult
from vox.clients.evals.scoring import Check

HOSTILE = "<script>alert('1')</script> & \x00\ud800\"quoted\""


def passed() -> EvalResult:
    return EvalResult("greets", "typed", 1.5, checks=[Check("greeting", "says 'hello'", passed=True, found="hello")])


def failed(text: str = "closed on Sunday") -> EvalResult:
    record = CallRecord(
        turns=[TurnRecord("", 0.0, 0.1, answer="Hello."), TurnRecord("when?", 2.0, 0.81234, answer=text)],
        lines=[Line(0.1, "agent", "Hello."), Line(2.0, "caller", "when?"), Line(2.9, "agent", text)],
        tools=[ToolUse(2.5, "look_up", {"day": text}, "ok")],
        interruptions=1,
        prompt_tokens=120,
        completion_tokens=8,
        ended_by="agent",
        duration_s=5.25,
        audio=CallAudio(b"\1\0" * 800, b"\2\0" * 1600, 8000),
    )
    record.share_out()
    checks = [Check("turn 1", "says 'noon'", passed=False, found=f"the agent said {text!r}")]
    return EvalResult("says the hours / aloud", "ws", 6.0, description=text, checks=checks, record=record, cost=0.00013)


def broken() -> EvalResult:
    return EvalResult("cannot connect", "twilio", 0.2, error="refused [upgrade_refused]")


def asked() -> EvalResult:
    return EvalResult("capital", "model", 0.3, output="Paris")
