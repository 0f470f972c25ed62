"""Makes a call's record out of the RTVI messages that an agent sends: words as heard, tools, tokens, interruptions.

Pure: every message comes with its time. Before changing it: a voice makes the agent pause (`bot-interrupted`), and it may go on
afterwards; only a pause behind which another answer follows, or none, was an interruption. The words of an answer that was cut
off count as far as they were spoken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from vox.clients.evals.record import CallRecord, Line, ToolUse

MAX_ENTRIES: Final = 10_000
"""Of each kind that are remembered; an agent that sends more is broken."""

BEFORE_ALL_S: Final = -1.0
"""A time before the first message of a call."""


@dataclass(slots=True)
class _Segment:
    at_s: float
    text: str
    spoken: str
    is_voiced: bool


class RtviObserver:
    """One call's messages.

    Attributes:
        is_ready: the agent has answered `client-ready`.
        reacted_at_s: when the first sign of an answer came since `expect_answer`.
    """

    def __init__(self) -> None:
        self.is_ready = False
        self.reacted_at_s: float | None = None
        self.failure = ""
        self._segments: dict[str, _Segment] = {}
        self._understood: list[Line] = []
        self._tools: dict[str, ToolUse] = {}
        self._unfinished_tools = 0
        self._prompt_tokens = self._completion_tokens = 0
        self._interruptions = 0
        self._paused_run: str | None = None
        self._run = self._answered_run = ""
        self._cut_runs: set[str] = set()
        self._is_generating = self._is_voicing = False
        self._has_begun = True

    @property
    def has_words(self) -> bool:
        """Whether the agent has said, or is about to say, anything."""
        return bool(self._segments)

    @property
    def is_busy(self) -> bool:
        """Whether the agent is at work on an answer: the model writes, a tool runs, or the voice speaks."""
        return self._is_generating or self._is_voicing or self._unfinished_tools > 0

    def expect_answer(self) -> None:
        """What comes from now on answers something new; the rest of an answer that is under way does not."""
        self.reacted_at_s = None
        self._answered_run, self._has_begun = self._run, False

    def receive(self, envelope: Mapping[str, Any], at_s: float) -> bool:
        """Takes one message; returns whether audio that was not played yet is void."""
        kind, given = envelope.get("type"), envelope.get("data")
        data = cast("Mapping[str, Any]", given if isinstance(given, Mapping) else {})
        match kind:
            case "bot-ready":
                self.is_ready = True
            case "bot-llm-started":
                self._is_generating = self._has_begun = True
            case "bot-llm-stopped":
                self._is_generating = False
            case "bot-tts-started":
                self._is_voicing = True
            case "bot-tts-stopped":
                self._is_voicing = False
            case "bot-llm-text":
                if self._has_begun:
                    self._react(at_s)
            case "bot-output":
                self._output(data, at_s)
            case "user-transcription":
                if data.get("final") and len(self._understood) < MAX_ENTRIES:
                    self._understood.append(Line(at_s, "caller", str(data.get("text", ""))))
            case "llm-function-call-started" | "llm-function-call-in-progress" | "llm-function-call-stopped":
                self._react(at_s)
                self._tool(str(kind), data, at_s)
            case "metrics":
                self._metrics(data)
            case "error":
                self._error(data)
            case "bot-interrupted":
                self._paused_run = self._run
                return True
            case "bot-started-speaking":
                self._paused_run = None
            case _:
                pass
        return False

    def words_since(self, at_s: float) -> str:
        """What the agent said after that time."""
        return " ".join(line.text for line in self._lines() if line.at_s > at_s)

    def fill(self, record: CallRecord) -> None:
        """Writes what was seen into a call's record."""
        record.lines = sorted([*record.lines, *self._lines()], key=lambda line: line.at_s)
        record.understood = list(self._understood)
        record.tools = list(self._tools.values())
        record.interruptions = self._interruptions + (self._paused_run is not None)
        record.prompt_tokens, record.completion_tokens = self._prompt_tokens, self._completion_tokens
        record.failure = record.failure or self.failure

    def _lines(self) -> list[Line]:
        cut = self._cut_runs | ({self._paused_run} if self._paused_run is not None else set[str]())
        lines: list[Line] = []
        for name, segment in self._segments.items():
            is_cut = segment.is_voiced and _run_of(name) in cut
            if text := segment.spoken if is_cut else segment.text:
                lines.append(Line(segment.at_s, "agent", text))
        return lines

    def _react(self, at_s: float) -> None:
        if self.reacted_at_s is None:
            self.reacted_at_s = at_s

    def _output(self, data: Mapping[str, Any], at_s: float) -> None:
        name = str(data.get("segment_id", ""))
        segment = self._segments.get(name)
        if segment is None:
            if len(self._segments) >= MAX_ENTRIES:
                return
            segment = self._segments[name] = _Segment(at_s, "", "", is_voiced=False)
            if _run_of(name) != self._answered_run:
                self._react(at_s)
            self._begin_run(_run_of(name))
        segment.text = str(data.get("text", ""))
        segment.is_voiced = bool(data.get("will_be_spoken"))
        progress = data.get("spoken_progress")
        if isinstance(progress, Mapping):
            segment.spoken = str(cast("Mapping[str, Any]", progress).get("accumulated_text", ""))

    def _begin_run(self, run: str) -> None:
        """An answer begins, perhaps after one that was paused and is not gone on with."""
        if self._paused_run is not None and run != self._paused_run:
            self._interruptions += 1
            self._cut_runs.add(self._paused_run)
            self._paused_run = None
        self._run = run

    def _tool(self, kind: str, data: Mapping[str, Any], at_s: float) -> None:
        if kind == "llm-function-call-started":
            self._unfinished_tools += 1
            return
        call_id = str(data.get("tool_call_id", ""))
        name = str(data.get("function_name", ""))
        use = self._tools.get(call_id)
        if use is None and len(self._tools) < MAX_ENTRIES:
            use = self._tools[call_id] = ToolUse(at_s, name)
        if use is None:
            return
        if kind == "llm-function-call-in-progress":
            arguments = data.get("arguments")
            use.arguments = cast("Mapping[str, Any]", arguments) if isinstance(arguments, Mapping) else {}
        else:
            self._unfinished_tools = max(0, self._unfinished_tools - 1)
            use.result = data.get("result")

    def _metrics(self, data: Mapping[str, Any]) -> None:
        listed = data.get("tokens")
        if not isinstance(listed, list):
            return
        for entry in cast("list[Any]", listed):
            if isinstance(entry, Mapping):
                usage = cast("Mapping[str, Any]", entry)
                self._prompt_tokens += _count(usage.get("prompt_tokens"))
                self._completion_tokens += _count(usage.get("completion_tokens"))

    def _error(self, data: Mapping[str, Any]) -> None:
        if not self.failure:
            self.failure = f"the agent reported: {data.get('error') or data.get('message') or 'an error'}"


def _run_of(segment: str) -> str:
    return segment.partition(".")[0]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
