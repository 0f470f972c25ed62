"""What happened in a scenario's call, whatever its transport: turns, words, tools, tokens, and the audio of both sides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said, or typed; `at_s` counts from the beginning of the call."""

    at_s: float
    speaker: Literal["agent", "caller"]
    text: str


@dataclass(slots=True)
class ToolUse:
    """One call of a tool; `result` is None until it has answered."""

    at_s: float
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    result: Any = None


@dataclass(slots=True)
class TurnRecord:
    """One thing the caller did, and what came of it until the next one; the first stands for the greeting.

    `response_s` is None where the agent did not react; `silenced_s` is there for a barge-in.
    """

    label: str
    began_s: float
    response_s: float | None = None
    silenced_s: float | None = None
    answer: str = ""
    tools: list[ToolUse] = field(default_factory=list[ToolUse])


@dataclass(slots=True)
class CallAudio:
    """Both sides on one clock, s16le mono."""

    caller: bytes
    agent: bytes
    sample_rate: int


@dataclass(slots=True)
class CallRecord:
    """A call from beginning to end. `understood` is what the agent's recogniser made of the caller, where the wire says so.

    `failure` is why the call broke, empty where it did not.
    """

    turns: list[TurnRecord] = field(default_factory=list[TurnRecord])
    lines: list[Line] = field(default_factory=list[Line])
    understood: list[Line] = field(default_factory=list[Line])
    tools: list[ToolUse] = field(default_factory=list[ToolUse])
    interruptions: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ended_by: Literal["agent", "caller"] = "caller"
    duration_s: float = 0.0
    audio: CallAudio | None = None
    failure: str = ""

    def agent_words(self) -> str:
        """All that the agent said."""
        return " ".join(line.text for line in self.lines if line.speaker == "agent")

    def share_out(self) -> None:
        """Gives every line of the agent and every tool to the turn in which it fell; what came at its very beginning is older."""
        for turn, following in zip(self.turns, [*self.turns[1:], None], strict=False):
            end = float("inf") if following is None else following.began_s
            begin = turn.began_s if turn is not self.turns[0] else float("-inf")
            turn.answer = " ".join(
                line.text for line in self.lines if line.speaker == "agent" and begin < line.at_s <= end
            )
            turn.tools = [use for use in self.tools if begin < use.at_s <= end]
