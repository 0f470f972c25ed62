"""Writes what was said to the log, one line for each utterance, where the setting `log_transcripts` asks for it.

With `json_logs` each is one JSON object with `call_id`, `role` and `text`. The log's own filter hides what looks like a secret.
"""

from collections.abc import Callable

from vox.agent.call.session import Session
from vox.agent.config.settings import AgentSettings
from vox.protocols.agent_events import AgentEvent, SentenceProgress, UserTranscript
from vox.runtime.logging import get_logger

log = get_logger(__name__)


class TranscriptLog:
    """The log of one call.

    Args:
        call_id: the call that the lines name.
        written: a text as it may be written down at this moment.
    """

    def __init__(self, call_id: str, written: Callable[[str], str]) -> None:
        self._call_id = call_id
        self._written = written

    def see(self, event: AgentEvent) -> None:
        """Logs a final transcript of the caller, and a sentence of the agent as far as it was heard."""
        match event:
            case UserTranscript(text=text, is_final=True) if text:
                log.info("utterance", call_id=self._call_id, role="user", text=self._written(text))
            case SentenceProgress(status="completed", spoken=spoken) if spoken:
                log.info("utterance", call_id=self._call_id, role="assistant", text=self._written(spoken))
            case _:
                pass


def transcript_log(session: Session, settings: AgentSettings) -> TranscriptLog | None:
    """The log of a call where the settings ask for one; numbers are redacted while the call's recording is paused."""
    return TranscriptLog(session.info.call_id, session.recording.redacted) if settings.log_transcripts else None
