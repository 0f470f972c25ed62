"""The relay's internal socket: voices of other processes, over `vox.protocols.relay_voices`.

The upgrade is refused with 401 or 403 where the token is no good. A socket that is lost takes its member out of the room at once; the
other process joins again with the same token. Audio for a member that does not read is dropped, anything else closes the socket.
"""

from typing import Final

from starlette.websockets import WebSocket

from vox.errors import PeerError, UsageError, VoxError
from vox.http.routing import RouteTable
from vox.http.sockets import Socket
from vox.http.websocket import refuse, serve_socket
from vox.protocols import relay_voices as wire
from vox.relay.policy import TOKEN, Access
from vox.relay.rooms.admission import Admission
from vox.relay.rooms.flood import Allowance
from vox.relay.rooms.registry import Rooms
from vox.relay.voices.member import KINDS, VoiceMember
from vox.runtime.logging import get_logger
from vox.security.credentials import bearer_token
from vox.security.room_tokens import RoomClaims

MAX_BACKLOG_BYTES: Final = 4 << 20
AUDIO_BACKLOG_BYTES: Final = 256_000
_MESSAGES: Final = (500.0, 4_000)
_BROKEN: Final = 1008
_TRY_LATER: Final = 1013
_STATUS: Final = {
    "room_token_missing": 401,
    "bad_room_token": 401,
    "room_token_expired": 401,
    "join_denied": 403,
    "name_invalid": 403,
    "room_not_found": 404,
}

_log = get_logger(__name__)


class VoiceSockets:
    """The endpoint of voices of other processes.

    Args:
        rooms: what they join.
        admission: checks their tokens.
    """

    def __init__(self, rooms: Rooms, admission: Admission) -> None:
        self._rooms = rooms
        self._admission = admission

    def table(self) -> RouteTable[Access]:
        """The route, for the relay's application."""
        table: RouteTable[Access] = RouteTable()
        table.websocket(wire.PATH, access=TOKEN, label="voices")(self.serve)
        return table.grouped("voices")

    async def serve(self, websocket: WebSocket) -> None:
        """Serves one member."""
        try:
            claims = self._admission.claims(bearer_token(websocket.headers.get("authorization", "")))
            if claims.kind not in KINDS and not claims.video.agent:
                raise UsageError("The token is not one of an agent or a telephone call.", code="join_denied")
            self._rooms.check_join(claims)
        except VoxError as error:
            self._rooms.context.refused(error.code)
            await refuse(websocket, _STATUS.get(error.code, 503), str(error.args[0]).encode())
            return
        await serve_socket(
            websocket,
            VoiceSession(self._rooms, claims),
            max_message_bytes=wire.MAX_MESSAGE_BYTES,
            max_backlog_bytes=MAX_BACKLOG_BYTES,
            ping_interval_s=wire.PING_INTERVAL_S,
            ping_timeout_s=wire.LOST_AFTER_S - wire.PING_INTERVAL_S,
        )


class VoiceSession:
    """One socket and its member.

    Args:
        rooms: where to join.
        claims: of the checked token.
    """

    def __init__(self, rooms: Rooms, claims: RoomClaims) -> None:
        self._rooms = rooms
        self._member = VoiceMember(rooms, claims, self._notify)
        self._socket: Socket | None = None
        self._messages = Allowance(*_MESSAGES, rooms.context.clock.now())

    def opened(self, socket: Socket) -> None:
        """Joins; the first message is `Joined`, or the socket closes with the reason."""
        self._socket = socket
        try:
            joined = self._member.join()
        except UsageError as error:
            self._rooms.context.refused(error.code)
            socket.close(_TRY_LATER if error.retryable else _BROKEN, error.code)
            return
        socket.send(wire.encode(joined))

    def received(self, message: str | bytes) -> None:
        """One command; what cannot be read ends the session by name."""
        try:
            if not self._messages.take(self._rooms.context.clock.now()):
                raise PeerError("messages come too fast", code="too_many_messages")  # noqa: TRY301  ends the session like the others
            command = wire.decode_client(message)
        except PeerError as error:
            self._rooms.context.refused(error.code)
            _log.info("a voice's socket is broken", code=error.code, error=str(error))
            if self._socket is not None:
                self._socket.close(_BROKEN, error.code)
            self._member.leave()
            return
        if command is not None:
            self._member.take(command)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone, and the member with it."""
        del code, reason
        self._socket = None
        self._member.leave()

    def _notify(self, event: wire.RoomEvent) -> None:
        socket = self._socket
        if socket is None or (isinstance(event, wire.Heard) and socket.backlog_bytes > AUDIO_BACKLOG_BYTES):
            return
        socket.send(wire.encode(event))
        if isinstance(event, wire.Removed):
            socket.close(1000)
