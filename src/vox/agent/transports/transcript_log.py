"""Writes what was said to the log, one line for each utterance, where the setting `log_transcripts` asks for it.

With `json_logs` each is one JSON object with `call_id`, `role` and `text`. The log's own filter hides what looks like a secret.
"""

from vox.protocols.agent_events import AgentEvent, SentenceProgress, UserTranscript
from vox.runtime.logging import get_logger

log = get_logger(__name__)


class TranscriptLog:
    """The log of one call.

    Args:
        call_id: the call that the lines name.
    """

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id

    def see(self, event: AgentEvent) -> None:
        """Logs a final transcript of the caller, and a sentence of the agent as far as it was heard."""
        match event:
            case UserTranscript(text=text, is_final=True) if text:
                log.info("utterance", call_id=self._call_id, role="user", text=text)
            case SentenceProgress(status="completed", spoken=spoken) if spoken:
                log.info("utterance", call_id=self._call_id, role="assistant", text=spoken)
            case _:
                pass
