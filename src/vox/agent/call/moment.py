"""When a call may change hands: best between two turns, else in an answer that is known to its end; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A call at one moment.

    Attributes:
        can_move: whether its state can be taken elsewhere at all.
        is_caller_silent: whether the caller is not in the middle of a turn.
        is_agent_silent: whether no answer is under way.
        is_answer_known: whether all of its text is there, and its tools are done.
    """

    can_move: bool
    is_caller_silent: bool
    is_agent_silent: bool
    is_answer_known: bool

    @property
    def is_between_turns(self) -> bool:
        """Whether neither side speaks."""
        return self.can_move and self.is_caller_silent and self.is_agent_silent

    def is_good(self, *, is_late: bool, is_last: bool) -> bool:
        """Whether to go now.

        Args:
            is_late: whether the call has waited long enough to move in the middle of an answer.
            is_last: whether any moment will do.
        """
        if not self.can_move:
            return False
        in_answer = self.is_caller_silent and self.is_answer_known
        return is_last or self.is_between_turns or (is_late and in_answer)
