"""Which phone calls lead into voice rooms, and the callers of one server that are on their way there or inside."""

import asyncio

from vox.agent.call.transport import CallInfo, CallTransport
from vox.agent.config.resources import plain_number
from vox.agent.rooms.caller import LineParts, RoomCaller
from vox.agent.rooms.relays import Relays
from vox.agent.rooms.room_codes import RoomCodes
from vox.agent.server import AgentServer
from vox.errors import UsageError
from vox.security.room_tokens import RoomKey


class PhoneRooms:
    """All of them.

    Args:
        server: takes the calls.
        relays: where rooms are.
    """

    def __init__(self, server: AgentServer, relays: Relays) -> None:
        settings = server.settings
        if settings.room_line.numbers and not (settings.media_key and settings.rooms_chat_url):
            raise UsageError(
                "room_line.numbers lead nowhere",
                code="rooms_not_configured",
                hint="set media_key, media_secret and rooms_chat_url",
            )
        if self._agent_is_unknown(server):
            raise UsageError(
                f"room_line.agent {settings.room_line.agent!r} is not one of the agents",
                code="invalid_setting",
                hint="name one of the configuration, or leave it out",
            )
        self._server = server
        self._numbers = frozenset(map(plain_number, settings.room_line.numbers))
        self._callers: set[RoomCaller] = set()
        key = RoomKey(settings.media_key, settings.media_secret.get_secret_value())
        codes = RoomCodes(settings.rooms_chat_url, key, relays.guard, server.clock)
        self._parts = LineParts(server.resources, settings.room_line, codes, relays)
        server.on_end.append(self.end)

    @staticmethod
    def _agent_is_unknown(server: AgentServer) -> bool:
        name = server.settings.room_line.agent
        return bool(name) and name not in server.settings.profiles()

    def take(
        self, tasks: asyncio.TaskGroup, transport: CallTransport, info: CallInfo, input_rate: int
    ) -> RoomCaller | None:
        """Takes a call whose number leads into rooms; None for every other.

        Args:
            tasks: of the call's connection.
            transport: its stream.
            info: of the call.
            input_rate: of the caller's audio, in Hz.
        """
        if plain_number(info.callee) not in self._numbers:
            return None
        agent = self._server.resources.agent_for(self._parts.settings.agent)
        if agent is None:
            return None
        caller = RoomCaller(self._parts, agent, transport, info, input_rate=input_rate)
        self._callers.add(caller)
        tasks.create_task(caller.run(), name=info.call_id).add_done_callback(lambda _: self._callers.discard(caller))
        return caller

    def end(self) -> None:
        """Ends all calls, because the server ends."""
        for caller in tuple(self._callers):
            caller.end(1001, "server_stopping")
