"""What one call keeps of itself: whether it is recorded, and whether numbers said in it may be written down.

While the recording is paused, digits and number words are redacted wherever the call's text is stored or logged (`redacted`), also
where no audio is recorded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from vox.agent.call.checkpoint import Checkpoint
from vox.agent.call.transport import CallInfo, CallTransport
from vox.agent.config.resources import Agent, Resources
from vox.agent.recording.recorder import Recorder
from vox.agent.recording.recordings import Continued
from vox.agent.recording.tools import PAUSE_RECORDING, RECORDING_TOOLS, RESUME_RECORDING
from vox.agent.tools.contract import Tool
from vox.agent.transcripts.call_transcript import CallTranscript
from vox.providers.llm.contract import Declared, Message, ToolCall, ToolCallMessage
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.text.redaction import redact_numbers

log = get_logger(__name__)

LEAVE_S: Final = 2.0
REDACTED_AFTER_S: Final = 5.0
"""After the pause: what was said in it may become text a little later."""


class CallRecording:
    """Pauses and resumes one call's recording.

    Args:
        recorder: of the call's audio; None where it is not recorded.
        clock: the call's.
        call_id: for the log.

    Attributes:
        was_redacted: whether anything in this call had to be redacted.
    """

    def __init__(self, recorder: Recorder | None, clock: Clock, call_id: str) -> None:
        self.recorder = recorder
        self.was_redacted = False
        self._clock = clock
        self._call_id = call_id
        self._left = asyncio.Event()
        self._is_paused = False
        self._redacted_until = float("-inf")

    @property
    def is_recorded(self) -> bool:
        """Whether the call's audio goes to a file, paused or not."""
        return self.recorder is not None and self.recorder.is_recording

    @property
    def is_paused(self) -> bool:
        """Whether silence is recorded instead of the call."""
        return self._is_paused

    @property
    def is_redacted(self) -> bool:
        """Whether numbers in text of this moment must not be written down."""
        return self._is_paused or self._clock.now() < self._redacted_until

    def redacted(self, text: str) -> str:
        """A text of this moment as it may be written down."""
        return redact_numbers(text) if self.is_redacted else text

    def loggable(self, messages: Sequence[Message]) -> Sequence[Message]:
        """A conversation as it may be logged: without numbers where any of it had to be redacted."""
        return [_without_numbers(message) for message in messages] if self.was_redacted else messages

    def pause(self) -> None:
        """Records silence from now on, and has numbers redacted; idempotent."""
        if not self._is_paused:
            self._is_paused = self.was_redacted = True
            if self.recorder is not None:
                self.recorder.pause()
            log.info("recording paused", call_id=self._call_id)

    def resume(self) -> None:
        """Records the call again; idempotent."""
        if self._is_paused:
            self._is_paused = False
            self._redacted_until = self._clock.now() + REDACTED_AFTER_S
            if self.recorder is not None:
                self.recorder.resume()
            log.info("recording resumed", call_id=self._call_id)

    @property
    def part(self) -> str:
        """The name of the recording's file, for a process that goes on with the call; empty where there is none."""
        return self.recorder.part if self.recorder is not None else ""

    def restore(self, *, is_paused: bool, was_redacted: bool) -> None:
        """Goes on as another process left it."""
        if is_paused:
            self.pause()
        self.was_redacted = self.was_redacted or was_redacted

    def begin_to_leave(self) -> None:
        """Gives the file up, for another process to go on with."""
        if self.recorder is not None:
            self.recorder.leave(self._left.set)

    async def left(self) -> None:
        """Returns once another process may go on with the file, or after `LEAVE_S`."""
        if self.recorder is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self._left.wait()

    def close(self) -> None:
        """Ends the recording; idempotent."""
        if self.recorder is not None:
            self.recorder.close()

    def tools(self) -> dict[str, Tool]:
        """What the model may call."""
        return {
            PAUSE_RECORDING.name: Tool(PAUSE_RECORDING, self._run_pause),
            RESUME_RECORDING.name: Tool(RESUME_RECORDING, self._run_resume),
        }

    async def _run_pause(self, _call: ToolCall, _arguments: Mapping[str, Any]) -> dict[str, str]:
        self.pause()
        return {"recording": "paused"}

    async def _run_resume(self, _call: ToolCall, _arguments: Mapping[str, Any]) -> dict[str, str]:
        self.resume()
        return {"recording": "resumed"}


def begin_recording(
    resources: Resources, info: CallInfo, transport: CallTransport, delay_s: float, resume: Checkpoint | None
) -> CallRecording:
    """The recording of a call that begins, or that another process began; of nothing where calls are not recorded."""
    recorder = None
    if resources.recordings is not None:
        recorder = resources.recordings.begin(
            info.call_id,
            agent_rate=transport.sample_rate,
            agent_encoding=transport.encoding,
            agent_delay_s=delay_s,
            continued=Continued(resume.recording_part, resume.began_at) if resume is not None else None,
        )
    recording = CallRecording(recorder, resources.clock, info.call_id)
    if resume is not None:
        recording.restore(is_paused=resume.is_recording_paused, was_redacted=resume.was_redacted)
    return recording


def begin_transcript(
    resources: Resources, info: CallInfo, recording: CallRecording, resume: Checkpoint | None
) -> CallTranscript | None:
    """The transcript of a call; None where there is none. It goes on behind the rows that another process wrote."""
    rows = resume.rows if resume is not None else 0
    return resources.begin_transcript(info.call_id, info.session_id, recording.redacted, rows=rows)


def _without_numbers(message: Message) -> Message:
    redacted, content = message.copy(), message["content"]
    if content:
        redacted["content"] = redact_numbers(content)
    if calls := message.get("tool_calls"):
        redacted["tool_calls"] = [_call_without_numbers(call) for call in calls]
    return redacted


def _call_without_numbers(call: ToolCallMessage) -> ToolCallMessage:
    function = call["function"]
    return {**call, "function": {**function, "arguments": redact_numbers(function["arguments"])}}


def has_recording_tools(agent: Agent, resources: Resources) -> bool:
    """Whether this agent's model may pause recordings: something of the call is kept, or its flow does it in any case."""
    settings = resources.settings
    if settings.recording.enable or settings.transcripts.enable:
        return True
    return isinstance(agent.llm, Declared) and any(spec.name in agent.llm.tool_names for spec in RECORDING_TOOLS)
