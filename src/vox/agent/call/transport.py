"""What a call needs of the connection it came in by, and what it tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from vox.protocols.agent_events import AgentEvent
from vox.protocols.media_stream import Encoding


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Where a call comes from.

    Attributes:
        call_id: our own name of it.
        transport: how it comes in: `ws`, `webrtc`, or the carrier.
        caller: the caller's number; empty where there is none.
        callee: the number that was called.
        variables: the session's: the carrier's parameters, the query's, those of `POST /start`. A client may name them as it likes.
        session_id: of the session of `POST /start` that it came by; empty without one.
        carrier_call_id: the carrier's name of it.
        bot_id: of a bot that is configured elsewhere; empty for an agent of this server.
    """

    call_id: str
    transport: str
    caller: str = ""
    callee: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    session_id: str = ""
    carrier_call_id: str = ""
    bot_id: str = ""


class CallTransport(Protocol):
    """The way out of a call. Nothing here blocks; a peer that cannot keep up is closed by the socket's own bound.

    Attributes:
        encoding: of the agent's audio on the wire.
        sample_rate: of the agent's audio on the wire, in Hz.
        has_marks: whether `send_mark` comes back as `Session.mark_reached` once the audio before it was played.
        shows_progress: whether anybody looks at word-by-word progress.
        client_wait_s: how long the greeting waits for the first message of a client that says when it is ready; 0: not.
    """

    encoding: Encoding
    sample_rate: int
    has_marks: bool
    shows_progress: bool
    client_wait_s: float

    def send_audio(self, frame: bytes) -> None:
        """20 ms of the agent's audio in `encoding`."""
        ...

    def send_mark(self, name: str) -> None:
        """Asks to be told when the audio so far was played."""
        ...

    def clear_audio(self) -> None:
        """Has the other side throw away what it has not played yet."""
        ...

    def send_event(self, event: AgentEvent) -> None:
        """Tells the client; nothing happens where the transport has no words for it."""
        ...

    def send_digits(self, digits: str) -> bool:
        """Presses keys towards the caller's side; False where the wire cannot (tones are played instead)."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Ends the connection."""
        ...


@runtime_checkable
class PausesInput(Protocol):
    """A transport whose sender can be made to wait; the others lose what a call cannot take."""

    def pause_input(self) -> None:
        """Reads no more; a few messages may still come."""
        ...

    def resume_input(self) -> None:
        """Reads on."""
        ...


@runtime_checkable
class TransfersCalls(Protocol):
    """A transport whose calls can be put through elsewhere."""

    @property
    def can_transfer(self) -> bool:
        """Whether the carrier can, and this server may ask it to."""
        ...

    async def transfer(self, to: str, *, caller_id: str = "") -> None:
        """Puts the caller through to a number or SIP address; the call then ends here.

        Raises:
            VoxError: the carrier refused or did not answer.
        """
        ...
