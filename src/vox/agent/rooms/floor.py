"""Who has the agent's listener in a room, and who comes next. Pure.

One member at a time holds the floor: their voice takes part in the turn, may stop the agent, and is answered. What others say
meanwhile waits, one entry a person in the order in which they began to wait, so that no member is heard twice before another once.
"""

from dataclasses import dataclass, field
from typing import Final

MAX_WAITING: Final = 32
"""Members whose words wait; of more than that those who came last are dropped."""
MAX_WORDS: Final = 2_000
"""Characters that wait of one member; the oldest are dropped."""


@dataclass(slots=True)
class Floor:
    """The floor of one agent in one room.

    Attributes:
        holder: identity of who holds it; empty for no member.
        answered: who the agent answers, or answered last.
    """

    holder: str = ""
    answered: str = ""
    _waiting: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def has_waiting(self) -> bool:
        """Whether any words wait."""
        return bool(self._waiting)

    def take(self, identity: str, *, is_agent_silent: bool, may_interrupt: bool) -> bool:
        """Gives the floor to who begins to speak; False where their words have to wait."""
        if self.holder:
            return self.holder == identity
        if self._waiting if is_agent_silent else not may_interrupt:
            return False
        self.holder = self.answered = identity
        return True

    def release(self) -> None:
        """Makes it free again."""
        self.holder = ""

    def wait(self, identity: str, text: str) -> bool:
        """Keeps what was said by a member who does not hold the floor; False where too many wait already."""
        before = self._waiting.get(identity, "")
        if not before and len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting[identity] = f"{before} {text}".strip()[-MAX_WORDS:]
        return True

    def next(self) -> tuple[str, str] | None:
        """Who is answered next, with all that they said while they waited; None where no member waits."""
        if self.holder or not self._waiting:
            return None
        identity = next(iter(self._waiting))
        self.answered = identity
        return identity, self._waiting.pop(identity)
