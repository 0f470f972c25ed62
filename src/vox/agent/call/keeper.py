"""What a call tells of itself where its state is kept for other processes."""

from typing import Protocol


class Keeper(Protocol):
    """Keeps one call's state."""

    def changed(self) -> None:
        """The call has changed; called often."""
        ...

    def lose_line(self) -> None:
        """The line broke: the call ends here, and another process may go on with it."""
        ...

    async def finish(self) -> None:
        """The call is over: nothing is gone on with."""
        ...
