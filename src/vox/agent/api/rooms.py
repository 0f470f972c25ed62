"""`/rooms`: agents of this server in voice rooms. Who has the server's key, or an agent's token for a room, may send one there."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from vox.agent.api.policy import KEY, Access, has_key
from vox.agent.api.responses import error, json_reply
from vox.agent.rooms.attendance import Attendance, Attending, Invite
from vox.agent.server import AgentServer
from vox.errors import UsageError, VoxError
from vox.http.call import HttpCall
from vox.http.routing import Reply, RouteTable

TOKEN: Final = Access("anyone with an agent's room token in the body, signed with media_key")
MAX_BODY_BYTES: Final = 1 << 17
_STATUSES: Final[Mapping[str, tuple[int, str]]] = {
    "agent_not_found": (404, "UNKNOWN_AGENT"),
    "bad_room_token": (401, "BAD_ROOM_TOKEN"),
    "room_token_expired": (401, "ROOM_TOKEN_EXPIRED"),
    "room_token_kind": (400, "ROOM_TOKEN_KIND"),
    "room_agent_unsuited": (400, "ROOM_AGENT_UNSUITED"),
    "rooms_not_configured": (503, "ROOMS_NOT_CONFIGURED"),
    "room_token_invalid": (502, "RELAY_REFUSED"),
    "room_join_refused": (502, "RELAY_REFUSED"),
    "url_refused": (400, "URL_REFUSED"),
    "relay_unreachable": (502, "RELAY_UNREACHABLE"),
    "host_unresolvable": (502, "RELAY_UNREACHABLE"),
    "relay_full": (503, "RELAY_FULL"),
    "at_capacity": (503, "AT_CAPACITY"),
}
_ROOM: Final = {
    "type": "object",
    "required": ["call_id", "agent", "room", "identity", "people", "since_s"],
    "properties": {
        "call_id": {"type": "string"},
        "agent": {"type": "string"},
        "room": {"type": "string"},
        "identity": {"type": "string"},
        "people": {"type": "integer"},
        "since_s": {"type": "number"},
    },
}
_ROOMS: Final = {"type": "object", "required": ["rooms"], "properties": {"rooms": {"type": "array", "items": _ROOM}}}


class _Body(msgspec.Struct):
    token: str
    media_url: str = ""
    agent: str = ""
    language: str = ""
    interrupted_by: list[str] = []
    transcripts_url: str = ""


class RoomRoutes:
    """The routes of agents in rooms.

    Args:
        server: whose agents they are.
        attendance: has the agents that are in rooms.
    """

    def __init__(self, server: AgentServer, attendance: Attendance) -> None:
        self._server = server
        self._attendance = attendance

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them, with and without the version."""
        for prefix in ("", "/api/v1"):
            table.post(
                f"{prefix}/rooms/join",
                access=TOKEN,
                returns=_ROOM,
                status=202,
                label="rooms_join",
                errors=(400, 401, 404, 413, 502, 503),
            )(self.join)
            table.get(f"{prefix}/rooms", access=KEY, returns=_ROOMS, label="rooms", errors=(401,))(self.list)
            table.delete(f"{prefix}/rooms/{{call_id}}", access=KEY, label="rooms", errors=(401, 404))(self.remove)

    async def join(self, call: HttpCall) -> Reply:
        """Sends an agent into a room, as the member that `token` is for, and answers once it is in there."""
        raw = await call.read_body(MAX_BODY_BYTES)
        try:
            body = msgspec.json.decode(raw, type=_Body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
            why = str(wrong) if isinstance(wrong, msgspec.ValidationError) else "it is no JSON object"
            return error(call.scope, 400, "BAD_REQUEST", f"The body is not an invitation: {why}")
        invite = Invite(
            body.media_url,
            body.token,
            body.agent,
            body.language,
            tuple(body.interrupted_by[:100]),
            body.transcripts_url,
        )
        try:
            attending = await self._attendance.invite(invite)
        except VoxError as refused:
            return _refused(call, refused)
        return json_reply(_shown(attending), 202)

    async def list(self, call: HttpCall) -> Reply:
        """The agents of this server that are in rooms now."""
        if not has_key(call, self._server.settings):
            return error(call.scope, 401, "UNAUTHORIZED", "Unauthorized")
        return json_reply({"rooms": [_shown(one) for one in self._attendance.all()]})

    async def remove(self, call: HttpCall) -> Reply:
        """Sends an agent away."""
        if not has_key(call, self._server.settings):
            return error(call.scope, 401, "UNAUTHORIZED", "Unauthorized")
        if not self._attendance.remove(call.path["call_id"]):
            return error(call.scope, 404, "NOT_FOUND", "No agent is in a room by that call")
        return Reply(204)


def _shown(attending: Attending) -> dict[str, Any]:
    return {**msgspec.to_builtins(attending), "since_s": round(attending.since_s, 1)}


def _refused(call: HttpCall, refused: VoxError) -> Reply:
    status, code = _STATUSES.get(refused.code, (400 if isinstance(refused, UsageError) else 502, refused.code.upper()))
    headers = {"retry-after": str(max(1, round(refused.retry_after_s or 1)))} if refused.retryable else {}
    return error(call.scope, status, code, str(refused), headers=headers)
