"""The transcript of one call, as the call writes it: rows in order, numbered from 1."""

from collections.abc import Callable

from vox.agent.transcripts.rows import Role, TranscriptRow, storable
from vox.runtime.clock import Clock


class CallTranscript:
    """Numbers what is said in one session and hands it on. Nothing here waits.

    Args:
        session_id: whose rows they are.
        put: takes a finished row.
        clock: for the time of a row.
        on_closed: called once the call is over.
        rows: so many the call has already, written by another process.

    Attributes:
        redact: changes a text before it is kept, as while card numbers are spoken; None leaves it.
        on_row: is told of each row at once, as it is kept.
    """

    def __init__(
        self,
        session_id: str,
        put: Callable[[TranscriptRow], None],
        clock: Clock,
        *,
        redact: Callable[[str], str] | None = None,
        on_closed: Callable[["CallTranscript"], None] | None = None,
        rows: int = 0,
    ) -> None:
        self.session_id = session_id
        self.redact = redact
        self.on_row: Callable[[TranscriptRow], None] | None = None
        self._put = put
        self._clock = clock
        self._on_closed = on_closed
        self._seq = rows

    @property
    def rows(self) -> int:
        """How many there are so far."""
        return self._seq

    def user(self, text: str) -> None:
        """The caller said, typed or pressed this."""
        self._add("user", text)

    def assistant(self, text: str) -> None:
        """The agent said this: what was heard of it."""
        self._add("assistant", text)

    def close(self) -> None:
        """The call is over; idempotent."""
        if self._on_closed is not None:
            self._on_closed(self)
            self._on_closed = None

    def _add(self, role: Role, text: str) -> None:
        if self.redact is not None:
            text = self.redact(text)
        text = storable(text.strip())
        if text:
            self._seq += 1
            row = TranscriptRow(self.session_id, self._seq, role, text, self._clock.wall())
            self._put(row)
            if self.on_row is not None:
                self.on_row(row)
