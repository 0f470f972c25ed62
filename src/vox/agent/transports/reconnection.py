"""How a client that can come back is told where its call goes on: a server message with a one-time token.

A client says `resumable=1` when it connects. It is given a token for the case that it loses its connection, and when this server ends
one to come with at once: it opens another connection with it, goes over to that once it is ready, and closes the first.
"""

from collections.abc import Callable

from vox.protocols.agent_events import AgentEvent, ServerMessage

RESUMABLE = "resumable"
RESUME = "resume"
LEAVE_S = 1.0
"""A connection whose call is elsewhere is closed after this time, if its client has not done so."""
LOST_CODES = frozenset({1005, 1006, 1012, 1013, 1014})
"""How a connection ends that was not ended on purpose: no close frame, no code, or a proxy's."""


def teller(send: Callable[[AgentEvent], None]) -> Callable[..., None]:
    """Gives tokens to a client by its events."""

    def tell(token: str, *, is_urgent: bool) -> None:
        send(ServerMessage({"type": "reconnect" if is_urgent else "resumable", "token": token}))

    return tell
