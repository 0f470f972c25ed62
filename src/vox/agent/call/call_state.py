"""What of a call outlasts the process that has it: taken as a checkpoint there, and put back where the call goes on."""

from collections.abc import Callable
from dataclasses import dataclass

from vox.agent.call.call_language import CallLanguage
from vox.agent.call.call_recording import CallRecording
from vox.agent.call.checkpoint import Checkpoint
from vox.agent.call.conversation import Conversation
from vox.agent.call.limits import CallLimits
from vox.agent.call.moment import Moment
from vox.agent.call.responder import Responder
from vox.agent.call.transport import CallInfo
from vox.agent.transcripts.call_transcript import CallTranscript
from vox.agent.turns.events import BotState, UserState
from vox.agent.turns.machine import TurnMachine
from vox.runtime.clock import Clock


@dataclass(slots=True, eq=False)
class CallState:
    """The parts of one call that have something to remember.

    Attributes:
        began_at: wall time at which the call began, in whichever process, in Unix seconds.
        can_move: says whether the call's state can be taken elsewhere at all.
        is_greeted: whether the conversation has begun.
    """

    info: CallInfo
    agent_name: str
    clock: Clock
    began_at: float
    variables: dict[str, str]
    conversation: Conversation
    language: CallLanguage
    turns: TurnMachine
    responder: Responder
    limits: CallLimits
    recording: CallRecording
    transcript: CallTranscript | None
    can_move: Callable[[], bool]
    is_greeted: bool = False

    def checkpoint(self) -> Checkpoint:
        """All of it at this moment."""
        info, turns, recording = self.info, self.turns, self.recording
        answer, heard = self.responder.unfinished()
        return Checkpoint(
            call_id=info.call_id,
            transport=info.transport,
            agent=self.agent_name,
            began_at=self.began_at,
            saved_at=self.clock.wall().timestamp(),
            caller=info.caller,
            callee=info.callee,
            session_id=info.session_id,
            carrier_call_id=info.carrier_call_id,
            bot_id=info.bot_id,
            system_prompt=self.conversation.system_prompt,
            entries=self.conversation.saved(heard),
            answer=answer,
            variables=self.variables.copy(),
            language=self.language.language,
            is_greeted=self.is_greeted,
            is_caller_speaking=turns.user is not UserState.IDLE,
            digits=turns.digits,
            idle_count=turns.idle_count,
            turns=self.responder.number,
            rows=self.transcript.rows if self.transcript is not None else 0,
            talked_s=self.limits.talked_s,
            recording_part=recording.part,
            is_recording_paused=recording.is_paused,
            was_redacted=recording.was_redacted,
        )

    def restore(self, saved: Checkpoint) -> None:
        """Puts it back, but for the answer that was under way, which `Responder.resume` goes on with."""
        self.began_at, self.is_greeted = saved.began_at, saved.is_greeted
        self.variables.update(saved.variables)
        self.conversation.system_prompt = saved.system_prompt
        self.conversation.restore(saved.entries)
        self.language.restore(saved.language)
        self.responder.number = saved.turns
        self.limits.restore(saved.talked_s)
        self.turns.restore(saved.digits, saved.idle_count, self.clock.now())

    @property
    def moment(self) -> Moment:
        """How well the call could change hands now."""
        return Moment(
            can_move=self.can_move(),
            is_caller_silent=self.turns.user is UserState.IDLE and not self.turns.digits,
            is_agent_silent=self.turns.bot is BotState.SILENT,
            is_answer_known=self.responder.is_written,
        )
