"""The bridge's end of a worker's WebSocket: who may connect, the first message, and messages from then on.

The one thing to know: a token is checked before the upgrade, and whose token it is after the worker has said who it is. A worker that
is refused hears why in a `refused` message before its socket closes, so that its log can say what to do.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from starlette.websockets import WebSocket

from vox.errors import PeerError, VoxError
from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.dispatch.registry import Worker
from vox.http.websocket import Socket, refuse, serve_socket
from vox.protocols import fleet as wire
from vox.runtime.logging import get_logger
from vox.security.credentials import bearer_token

REGISTER_DEADLINE_S: Final = 10.0
MAX_BACKLOG_BYTES: Final = 4 << 20
"""A worker that reads nothing while this much waits for it is cut off; its lease then says what becomes of its calls."""
POLICY_VIOLATION: Final = 1008
NORMAL: Final = 1000
_CLEAN: Final = frozenset({NORMAL, 1001})

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """The workers that a token belongs to, by their ids; None for every worker of the fleet."""

    worker_ids: Collection[str] | None


class WorkerTokens(Protocol):
    """Knows the tokens of workers."""

    async def owner_of(self, token: str) -> TokenOwner | None:
        """Whose token this is; None for one that is unknown or revoked."""
        ...


class WorkerEndpoint:
    """What answers `WS /v1/fleet/connect`.

    Args:
        dispatcher: takes the workers in.
        tokens: say who may connect.
        register_deadline_s: how long a worker may take to say who it is.
    """

    def __init__(
        self, dispatcher: FleetDispatcher, tokens: WorkerTokens, *, register_deadline_s: float = REGISTER_DEADLINE_S
    ) -> None:
        self._dispatcher = dispatcher
        self._register_deadline_s = register_deadline_s
        self._tokens = tokens

    async def __call__(self, websocket: WebSocket) -> None:
        """Serves one worker until its socket is closed."""
        try:
            owner = await self._tokens.owner_of(bearer_token(websocket.headers.get("authorization", "")))
        except VoxError as error:  # the database is away; the worker tries again
            await _refuse(websocket, 503, error.code, str(error), "")
            return
        if owner is None:
            message, hint = (
                "The worker's token is missing, unknown or revoked.",
                "set VOX_WORKER_TOKEN to a key of the bridge with the scope worker",
            )
            await _refuse(websocket, 401, wire.BAD_TOKEN, message, hint)
            return
        connection = _Connection(self._dispatcher, owner)
        deadline = asyncio.get_running_loop().call_later(self._register_deadline_s, connection.expect_registered)
        try:
            await serve_socket(
                websocket,
                connection,
                max_message_bytes=wire.MAX_MESSAGE_BYTES,
                max_backlog_bytes=MAX_BACKLOG_BYTES,
                ping_interval_s=0,  # the status every two seconds is the sign of life
            )
        finally:
            deadline.cancel()


async def _refuse(websocket: WebSocket, status: int, code: str, message: str, hint: str) -> None:
    body = msgspec.json.encode({"error": {"code": code, "message": message, "hint": hint}})
    await refuse(websocket, status, body, {"content-type": "application/json"})


class _Connection:
    """One socket; implements `SocketListener` and `WorkerLink`."""

    def __init__(self, dispatcher: FleetDispatcher, owner: TokenOwner) -> None:
        self._dispatcher = dispatcher
        self._owner = owner
        self._socket: Socket | None = None
        self._worker: Worker | None = None

    def opened(self, socket: Socket) -> None:
        self._socket = socket

    def received(self, message: str | bytes) -> None:
        try:
            read = wire.read_worker(message)
        except PeerError as error:
            self.close(wire.Refused(wire.MALFORMED, str(error)))
            return
        if read is None:
            return
        if self._worker is not None:
            self._dispatcher.receive(self._worker, self, read)
        elif isinstance(read, wire.Register):
            taken = self._dispatcher.connect(read, self, self._owner.worker_ids)
            if isinstance(taken, wire.Refused):
                self.close(taken)
            else:
                self._worker = taken
        else:
            self.close(wire.Refused(wire.MALFORMED, "The first message of a worker has to be `register`."))

    def closed(self, code: int, reason: str) -> None:
        del reason
        self._socket = None
        if self._worker is not None:
            self._dispatcher.disconnect(self._worker, self, is_clean=code in _CLEAN)

    def send(self, message: wire.BridgeMessage) -> None:
        if self._socket is None:
            return
        try:
            text = wire.write(message)
        except PeerError as error:  # a call's metadata may be of any size
            _log.warning("a message for a worker was not sent", code=error.code, error=str(error))
            return
        self._socket.send(text)

    def close(self, refused: wire.Refused) -> None:
        self.send(refused)
        if self._socket is not None:
            self._socket.close(POLICY_VIOLATION, refused.code)

    def expect_registered(self) -> None:
        """Called when a worker has had the time to say who it is."""
        if self._worker is None:
            self.close(wire.Refused(wire.MALFORMED, "The message `register` did not come in time."))
