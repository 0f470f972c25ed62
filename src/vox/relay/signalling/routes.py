"""The paths that clients connect to: `/rtc` for the older signalling, `/rtc/v1` for the newer, and `validate` beside each.

A client whose upgrade failed asks `validate` why: 401 and 403 are final, a 404 that names the room too, any other 404 means that the
path is not spoken.
"""

from collections.abc import Callable, Sequence
from typing import Final

from livekit.protocol import rtc
from starlette.datastructures import Headers, QueryParams
from starlette.websockets import WebSocket

from vox.errors import VoxError
from vox.http.routing import Reply, RouteTable
from vox.http.websocket import refuse, serve_socket
from vox.relay.policy import TOKEN, Access, RelayCall
from vox.relay.rooms.admission import Admission
from vox.relay.rooms.registry import Rooms
from vox.relay.signalling.access import claims_of, status_of
from vox.relay.signalling.join_request import Arrival, arrival_v0, arrival_v1
from vox.relay.signalling.session import MAX_BACKLOG_BYTES, MAX_MESSAGE_BYTES, Session
from vox.security.room_tokens import RoomClaims

V0: Final = "/rtc"
V1: Final = "/rtc/v1"
_TEXT: Final = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}

IceServers = Callable[[str], Sequence[rtc.ICEServer]]
"""STUN and TURN servers for a participant, by identity."""


class Signalling:
    """The endpoints of clients.

    Args:
        rooms: what they join.
        admission: checks their tokens.
        ice_servers: STUN and TURN servers for each.
    """

    def __init__(self, rooms: Rooms, admission: Admission, ice_servers: IceServers) -> None:
        self._rooms = rooms
        self._admission = admission
        self._ice_servers = ice_servers

    def table(self) -> RouteTable[Access]:
        """The routes, for the relay's application."""
        table: RouteTable[Access] = RouteTable()
        table.websocket(V0, access=TOKEN, label="rtc")(self.rtc)
        table.websocket(V1, access=TOKEN, label="rtc_v1")(self.rtc_v1)
        table.get(f"{V0}/validate", access=TOKEN, label="rtc_validate", returns=str)(self.validate)
        table.get(f"{V1}/validate", access=TOKEN, label="rtc_v1_validate", returns=str)(self.validate_v1)
        return table.grouped("signalling")

    async def rtc(self, websocket: WebSocket) -> None:
        """Serves a client with a peer connection for each direction, or with one where it sends a join request."""
        await self._serve(websocket, is_v1=False)

    async def rtc_v1(self, websocket: WebSocket) -> None:
        """Serves a client with one peer connection."""
        await self._serve(websocket, is_v1=True)

    async def validate(self, call: RelayCall) -> Reply:
        """Says whether a connection with these parameters would be accepted."""
        return self._validated(call, is_v1=False)

    async def validate_v1(self, call: RelayCall) -> Reply:
        """Says whether a connection with these parameters would be accepted."""
        return self._validated(call, is_v1=True)

    def _validated(self, call: RelayCall, *, is_v1: bool) -> Reply:
        try:
            self._arrive(call.headers, call.query_params, is_v1=is_v1)
        except VoxError as error:
            return Reply(status_of(error), str(error.args[0]).encode(), _TEXT)
        return Reply(200, b"success", _TEXT)

    async def _serve(self, websocket: WebSocket, *, is_v1: bool) -> None:
        try:
            claims, arrival = self._arrive(websocket.headers, websocket.query_params, is_v1=is_v1)
        except VoxError as error:
            self._rooms.context.refused(error.code)
            await refuse(websocket, status_of(error), str(error.args[0]).encode(), _TEXT)
            return
        await serve_socket(
            websocket,
            Session(self._rooms, claims, arrival),
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_backlog_bytes=MAX_BACKLOG_BYTES,
        )

    def _arrive(self, headers: Headers, query: QueryParams, *, is_v1: bool) -> tuple[RoomClaims, Arrival]:
        claims = claims_of(self._admission, headers, query)
        servers = self._ice_servers(claims.sub)
        text = query.get("join_request", "")
        arrival = arrival_v1(text, servers) if is_v1 or text else arrival_v0(query, servers)
        if not arrival.is_resume:
            self._rooms.check_join(claims)
        return claims, arrival
