"""Messages of clients for other devices and about voice rooms, carried out one after the other for each connection.

The order matters: a client that sends two commits means the first one first. What is carried out is a feature's; here it is
measured, and waits.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vox.chat.errors import Refusal
from vox.chat.events.ids import UserId
from vox.chat.gateway.session import Session
from vox.errors import VoxError
from vox.protocols.gateway import CpaceRelay, MlsRelay, Passed, error_frame

MAX_WAITING: Final = 32
"""Messages of one connection that may wait."""

Relay = Callable[[UserId, Passed], Awaitable[None]]
"""Passes a message of a user on; it raises a Refusal for the client, or DependencyError."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Relays:
    """Who passes messages on, and how long one may be at present."""

    relay: Relay
    max_size: Callable[[], int]


class RelayQueue:
    """The messages of one connection.

    Args:
        session: the sender's.
        relays: passes them on.
        answer: sends a frame to the client.
        spawn: starts a task that ends before the connection's coroutine does.
    """

    __slots__ = ("_answer", "_is_running", "_relays", "_spawn", "_user_id", "_waiting")

    def __init__(
        self,
        session: Session,
        relays: Relays,
        answer: Callable[[bytes], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._user_id = session.user_id
        self._relays = relays
        self._answer = answer
        self._spawn = spawn
        self._waiting: deque[Passed] = deque()
        self._is_running = False

    def take(self, session: Session, asked: Passed) -> None:
        """Takes one more, unread; the client is told where that cannot be."""
        most = self._relays.max_size()
        if payload_size(asked) > most:
            self._refuse(asked, "PAYLOAD_TOO_LARGE", f"The data is longer than {most} characters.")
        elif session.is_keyless and isinstance(asked, MlsRelay | CpaceRelay):
            self._refuse(asked, "FORBIDDEN", "The device of this login was removed; register it again.")
        elif len(self._waiting) >= MAX_WAITING:
            self._refuse(asked, "RATE_LIMITED", "Too many messages wait: send the next after an answer.")
        else:
            self._waiting.append(asked)
            if not self._is_running:
                self._is_running = True
                self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting:
                asked = self._waiting.popleft()
                try:
                    await self._relays.relay(self._user_id, asked)
                except Refusal as refusal:
                    self._refuse(asked, refusal.wire_code, refusal.args[0], **refusal.extras)
                except VoxError:
                    self._refuse(asked, "UNAVAILABLE", "The server is busy; try again.")
        finally:
            self._is_running = False

    def _refuse(self, asked: Passed, code: str, message: str, **extras: object) -> None:
        request_id = getattr(asked, "request_id", None)
        named = {} if request_id is None else {"request_id": request_id}
        self._answer(error_frame(code, message, **extras, **named))


def payload_size(asked: Passed) -> int:
    """The size of what is passed on, in characters: of texts as they are, of all else as JSON."""
    match asked:
        case MlsRelay():
            parts = (asked.data,)
        case CpaceRelay():
            parts = (asked.data, asked.nonce)
        case _:
            parts = (asked,)
    return sum(len(one) if isinstance(one, str) else len(_encode(one)) for one in parts if one is not None)
