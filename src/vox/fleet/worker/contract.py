"""What a worker needs of the agent server that carries its calls, and what it tells about one that has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call in progress; `began_at` is a time of the clock."""

    call_id: str
    began_at: float


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that is over.

    Attributes:
        transport: how it came in: `ws`, `webrtc`, or the carrier.
        reason: the agent server's word for why it ended.
        session_id: of the bot's configuration, where the bridge gave one.
        messages: the conversation.
        digits: the entries of keys that the caller pressed, in order.
    """

    call_id: str
    transport: str
    reason: str
    seconds: float
    caller: str = ""
    callee: str = ""
    carrier_call_id: str = ""
    session_id: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    messages: Sequence[Mapping[str, Any]] = ()
    digits: Sequence[str] = ()


class AgentCalls(Protocol):
    """The calls of the agent server in this process."""

    @property
    def active(self) -> int:
        """Calls in progress, those included that have yet to say what they are."""
        ...

    @property
    def limit(self) -> int:
        """How many there may be now."""
        ...

    @property
    def adaptive_limit(self) -> int | None:
        """The limit by load, where there is reason for one."""
        ...

    @property
    def frames(self) -> tuple[int, int]:
        """Audio frames sent so far, and those of them that were late."""
        ...

    def live(self) -> list[LiveCall]:
        """The calls in progress."""
        ...

    def hang_up(self, call_id: str) -> bool:
        """Ends a call; False where there is none of that id."""
        ...

    def inject(self, call_id: str, text: str) -> bool:
        """Has the agent say a text; False where there is no such call."""
        ...

    async def transfer(self, call_id: str, to: str) -> bool:
        """Hands a call over to another number; False where there is no such call, or its line cannot.

        Raises:
            VoxError: the carrier refused or did not answer.
        """
        ...
