"""Agents that are sent for: a dispatch says which agent a room wants. Who carries them out observes; the room's end ends them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.json_format import ParseDict, ParseError
from livekit.protocol.agent_dispatch import (
    AgentDispatch,
    AgentDispatchState,
    CreateAgentDispatchRequest,
    DeleteAgentDispatchRequest,
    ListAgentDispatchRequest,
    ListAgentDispatchResponse,
    RoomAgentDispatch,
)

from vox.errors import UsageError
from vox.relay.rooms.registry import Rooms
from vox.relay.service.grants import need_admin
from vox.relay.service.twirp import Method
from vox.runtime.clock import Clock, new_id
from vox.runtime.logging import get_logger
from vox.security.room_tokens import RoomClaims

SERVICE: Final = "livekit.AgentDispatchService"
MAX_PER_ROOM: Final = 32
MAX_METADATA_CHARS: Final = 64_000
MAX_NAME_CHARS: Final = 256
_NS_PER_S: Final = 1_000_000_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DispatchCreated:
    """A room wants an agent."""

    dispatch: AgentDispatch


@dataclass(frozen=True, slots=True)
class DispatchDeleted:
    """A room wants an agent no longer."""

    dispatch: AgentDispatch


DispatchEvent = DispatchCreated | DispatchDeleted


class Dispatches:
    """All dispatches of this relay, by room.

    Args:
        clock: for their times.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_room: dict[str, dict[str, AgentDispatch]] = {}
        self._observers: list[Callable[[DispatchEvent], None]] = []

    def observe(self, callback: Callable[[DispatchEvent], None]) -> None:
        """Calls back for every dispatch that is made or deleted, at once; the callback must neither block nor raise."""
        self._observers.append(callback)

    def create(
        self, room: str, agent_name: str, *, metadata: str = "", attributes: Mapping[str, str] | None = None
    ) -> AgentDispatch:
        """Sends for an agent.

        Raises:
            UsageError: too_many_dispatches, or request_invalid for a name or metadata that is too long.
        """
        if len(agent_name) > MAX_NAME_CHARS or len(metadata) > MAX_METADATA_CHARS:
            raise UsageError("The agent's name or the metadata is too long.", code="request_invalid")
        of_room = self._by_room.setdefault(room, {})
        if len(of_room) >= MAX_PER_ROOM:
            raise UsageError(f"The room has {MAX_PER_ROOM} dispatches already.", code="too_many_dispatches")
        made = AgentDispatch(
            id=new_id("AD"),
            agent_name=agent_name,
            room=room,
            metadata=metadata,
            attributes=attributes,
            state=AgentDispatchState(created_at=self._clock.unix_s() * _NS_PER_S),
        )
        of_room[made.id] = made
        self._tell(DispatchCreated(_copy(made)))
        return _copy(made)

    def create_configured(self, room: str, config: Mapping[str, Any]) -> None:
        """Sends for the agents that the token or request names which made the room; entries that are none are left out.

        Args:
            room: its name.
            config: a room's configuration as JSON, whose keys come in either of protobuf's two spellings.
        """
        named = config.get("agents")
        for one in cast("list[Any]", named)[:MAX_PER_ROOM] if isinstance(named, list) else ():
            try:
                agent = ParseDict(one, RoomAgentDispatch(), ignore_unknown_fields=True)
                self.create(room, agent.agent_name, metadata=agent.metadata, attributes=dict(agent.attributes))
            except (ParseError, UsageError) as error:
                _log.warning("an agent of a room's configuration is left out", error=str(error)[:200])

    def list(self, room: str, dispatch_id: str = "") -> list[AgentDispatch]:
        """The dispatches of a room, or the one with this id."""
        found = self._by_room.get(room, {}).values()
        return [_copy(one) for one in found if not dispatch_id or one.id == dispatch_id]

    def delete(self, room: str, dispatch_id: str) -> AgentDispatch:
        """Ends a dispatch.

        Raises:
            UsageError: dispatch_not_found.
        """
        of_room = self._by_room.get(room, {})
        found = of_room.pop(dispatch_id, None)
        if found is None:
            raise UsageError("There is no such dispatch in this room.", code="dispatch_not_found")
        if not of_room:
            del self._by_room[room]
        return self._deleted(found)

    def forget_room(self, room: str) -> None:
        """Ends all dispatches of a room that is gone."""
        for dispatch in self._by_room.pop(room, {}).values():
            self._deleted(dispatch)

    def _deleted(self, dispatch: AgentDispatch) -> AgentDispatch:
        dispatch.state.deleted_at = self._clock.unix_s() * _NS_PER_S
        self._tell(DispatchDeleted(_copy(dispatch)))
        return _copy(dispatch)

    def _tell(self, event: DispatchEvent) -> None:
        for callback in self._observers:
            callback(event)


class DispatchService:
    """AgentDispatchService: the same by remote call.

    Args:
        dispatches: of this relay.
        rooms: a dispatch makes the room that it is for.
    """

    def __init__(self, dispatches: Dispatches, rooms: Rooms) -> None:
        self._dispatches = dispatches
        self._rooms = rooms

    @property
    def methods(self) -> list[Method]:
        """The service as a table."""
        return [
            Method(
                "CreateDispatch", CreateAgentDispatchRequest, self.create, "roomAdmin", "Sends an agent into a room."
            ),
            Method("DeleteDispatch", DeleteAgentDispatchRequest, self.delete, "roomAdmin", "Ends a dispatch."),
            Method("ListDispatch", ListAgentDispatchRequest, self.list, "roomAdmin", "The dispatches of a room."),
        ]

    async def create(self, request: CreateAgentDispatchRequest, claims: RoomClaims) -> AgentDispatch:
        """Sends for an agent; makes the room where it is not there."""
        need_admin(claims, request.room)
        self._rooms.create(request.room)
        return self._dispatches.create(
            request.room, request.agent_name, metadata=request.metadata, attributes=dict(request.attributes)
        )

    async def delete(self, request: DeleteAgentDispatchRequest, claims: RoomClaims) -> AgentDispatch:
        """Ends a dispatch."""
        need_admin(claims, request.room)
        return self._dispatches.delete(request.room, request.dispatch_id)

    async def list(self, request: ListAgentDispatchRequest, claims: RoomClaims) -> ListAgentDispatchResponse:
        """The dispatches of a room."""
        need_admin(claims, request.room)
        return ListAgentDispatchResponse(agent_dispatches=self._dispatches.list(request.room, request.dispatch_id))


def _copy(dispatch: AgentDispatch) -> AgentDispatch:
    made = AgentDispatch()
    made.CopyFrom(dispatch)
    return made
