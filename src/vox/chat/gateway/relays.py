"""Messages of clients for other devices, carried out one after the other for each connection.

The order matters: a client that sends two commits means the first one first. What is carried out is a feature's; here it waits.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from vox.chat.errors import Refusal
from vox.chat.events.ids import UserId
from vox.errors import VoxError
from vox.protocols.gateway import MlsRelay, Relayed, error_frame

MAX_WAITING: Final = 32
"""Messages of one connection that may wait."""

Relay = Callable[[UserId, Relayed], Awaitable[None]]
"""Passes a message of a user on; it raises a Refusal for the client, or DependencyError."""


_encode = msgspec.json.Encoder().encode


class RelayQueue:
    """The messages of one connection.

    Args:
        user_id: the sender.
        relay: carries one out.
        answer: sends a frame to the client.
    """

    __slots__ = ("_answer", "_relay", "_user_id", "_waiting", "is_running")

    def __init__(self, user_id: UserId, relay: Relay, answer: Callable[[bytes], None]) -> None:
        self._user_id = user_id
        self._relay = relay
        self._answer = answer
        self._waiting: deque[Relayed] = deque()
        self.is_running = False

    def add(self, asked: Relayed) -> bool:
        """Takes one more; False where too many wait already."""
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(asked)
        return True

    async def run(self) -> None:
        """Carries out everything that waits."""
        self.is_running = True
        try:
            while self._waiting:
                asked = self._waiting.popleft()
                try:
                    await self._relay(self._user_id, asked)
                except VoxError as error:
                    self._answer(relay_error(asked, error))
        finally:
            self.is_running = False


def payload_size(asked: Relayed) -> int:
    """The size of what is passed on, in characters: of texts as they are, of all else as JSON."""
    parts = (asked.data,) if isinstance(asked, MlsRelay) else (asked.data, asked.nonce)
    return sum(len(one) if isinstance(one, str) else len(_encode(one)) for one in parts if one is not None)


def relay_error(asked: Relayed, error: VoxError) -> bytes:
    """What a client is told whose message was not passed on; with the name that it gave the message."""
    request_id = getattr(asked, "request_id", None)
    extras = {} if request_id is None else {"request_id": request_id}
    if isinstance(error, Refusal):
        return error_frame(error.wire_code, error.args[0], **error.extras, **extras)
    return error_frame("UNAVAILABLE", "The server is busy; try again.", **extras)
