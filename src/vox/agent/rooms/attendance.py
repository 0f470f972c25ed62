"""The agents of one server that are in rooms: invited, listed, sent away."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vox.agent.admission import Busy
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Agent
from vox.agent.rooms.feed_reports import FeedReports
from vox.agent.rooms.member import Invitation, RoomAgent
from vox.agent.rooms.metrics import JOINS, MEMBERS
from vox.agent.rooms.relays import Relays
from vox.agent.rooms.room_tools import fetch_person_tool
from vox.agent.server import AgentServer
from vox.agent.tools.contract import Tool
from vox.errors import DependencyError, UsageError, VoxError
from vox.runtime.clock import new_id
from vox.runtime.logging import get_logger
from vox.security.room_tokens import RoomClaims, read_room_token

log = get_logger(__name__)

JOIN_TIMEOUT_S: Final = 4.0
"""Who invites waits for 5 s."""
AGENT: Final = "agent"
TRANSPORT: Final = "room"


@dataclass(frozen=True, slots=True)
class Invite:
    """What is asked of this server.

    Attributes:
        media_url: of the relay; empty for that of this process.
        token: of the member that the agent becomes.
        agent: a configured agent; empty for the default one.
        language: that it listens and speaks in at first; empty for its own.
        interrupted_by: identities that alone may cut in; empty for what the agent is set to.
        transcripts_url: where final utterances go; empty for nowhere.
    """

    media_url: str
    token: str = field(repr=False)
    agent: str = ""
    language: str = ""
    interrupted_by: tuple[str, ...] = ()
    transcripts_url: str = ""


@dataclass(frozen=True, slots=True)
class Attending:
    """An agent in a room."""

    call_id: str
    agent: str
    room: str
    identity: str
    people: int
    since_s: float


class Attendance:
    """All of them by the id of their call.

    Args:
        server: takes and keeps the calls.
        relays: where rooms are.
    """

    def __init__(self, server: AgentServer, relays: Relays) -> None:
        self._server = server
        self._relays = relays
        self._agents: dict[str, RoomAgent] = {}
        server.on_end.append(self.end)

    async def invite(self, invite: Invite) -> Attending:
        """Has an agent enter a room; it stays until it is sent away or leaves by itself.

        Raises:
            UsageError: the token is no agent's (`bad_room_token`, `room_token_expired`, `room_token_kind`), the relay refuses it,
                or there is no such agent (`agent_not_found`).
            DependencyError: there is no place (`at_capacity`), or the relay cannot be reached.
        """
        server = self._server
        claims = read_agent_token(server, invite.token)
        changes = {"stt_language": invite.language} if invite.language else {}
        agent = await server.resources.changed_agent(invite.agent, changes)
        if agent.realtime is not None:
            raise UsageError(
                f"the agent {agent.name} has a realtime model, which hears one caller only",
                code="room_agent_unsuited",
                hint="invite an agent with a recogniser, a model and a voice",
            )
        if invite.transcripts_url:
            self._relays.guard.check_url(invite.transcripts_url)
        place = server.admission.reserve(server.clock.now())
        if isinstance(place, Busy):
            raise DependencyError(
                f"this server takes no more calls: {place.reason}",
                code="at_capacity",
                retryable=True,
                retry_after_s=place.retry_after_s,
            )
        try:
            found = await self._enter(invite, agent, claims)
        except BaseException as error:
            place.release()
            if isinstance(error, VoxError):
                server.metrics.counter(JOINS, AGENT, error.code).inc()
            raise
        room_agent, reports = found
        server.metrics.counter(JOINS, AGENT, "joined").inc()
        self._agents[room_agent.info.call_id] = room_agent
        server.spawn(self._stay(room_agent, reports, place.release), f"agent in a room {room_agent.info.call_id}")
        return self._attending(room_agent)

    def all(self) -> Iterator[Attending]:
        """The agents that are in rooms now."""
        return map(self._attending, tuple(self._agents.values()))

    def remove(self, call_id: str) -> bool:
        """Sends an agent away; False where it is in no room."""
        found = self._agents.get(call_id)
        if found is None:
            return False
        found.leave("removed")
        return True

    def end(self) -> None:
        """Has all of them leave, because the server ends."""
        for agent in tuple(self._agents.values()):
            agent.leave("server_stopping")

    async def _enter(self, invite: Invite, agent: Agent, claims: RoomClaims) -> "tuple[RoomAgent, FeedReports | None]":
        server, reports = self._server, None
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                voice = await self._relays.at(invite.media_url).join(invite.token)
        except TimeoutError:
            raise DependencyError("the relay does not answer", code="relay_unreachable", retryable=True) from None
        if invite.transcripts_url:
            reports = FeedReports(
                invite.transcripts_url, invite.token, self._relays.guard, server.clock, server.metrics
            )
        variables = {"room": claims.video.room, "identity": claims.sub}
        info = CallInfo(new_id("call"), TRANSPORT, variables=variables)
        on_said = reports.add if reports is not None else None
        try:
            invitation = Invitation(agent, info, invite.interrupted_by, on_said, self._tools(invite))
            return RoomAgent(server.resources, invitation, voice), reports
        except BaseException:
            await voice.leave()
            raise

    def _tools(self, invite: Invite) -> dict[str, Tool]:
        chat_url = self._server.settings.rooms_chat_url
        if not chat_url:
            return {}
        tool = fetch_person_tool(chat_url, invite.token, self._relays.guard)
        return {tool.spec.name: tool}

    async def _stay(self, agent: RoomAgent, reports: FeedReports | None, release: Callable[[], None]) -> None:
        server = self._server
        server.metrics.gauge(MEMBERS, AGENT).inc()
        try:
            with server.lifecycle.hold():
                async with asyncio.TaskGroup() as tasks:
                    server.keep(agent.session, tasks)
                    if reports is not None:
                        tasks.create_task(reports.run(), name="reports of a room")
                    await agent.run()
                    if reports is not None:
                        reports.close()
        except* Exception:  # the top of a stay: the others go on
            log.exception("agent in a room failed", call_id=agent.info.call_id)
        finally:
            del self._agents[agent.info.call_id]
            server.metrics.gauge(MEMBERS, AGENT).dec()
            release()

    def _attending(self, agent: RoomAgent) -> Attending:
        place, session = agent.voice.place, agent.session
        since_s = self._server.clock.now() - session.started_at
        return Attending(agent.info.call_id, session.agent.name, place.room, place.identity, agent.people, since_s)


def read_agent_token(server: AgentServer, token: str) -> RoomClaims:
    """What an agent's token says, by the key that this server shares.

    Raises:
        UsageError: it is not one (`bad_room_token`, `room_token_expired`, `room_token_kind`), or there is no key (`rooms_not_configured`).
    """
    settings = server.settings
    if not settings.media_key:
        raise UsageError(
            "this server is in no rooms", code="rooms_not_configured", hint="set media_key and media_secret"
        )
    keys = {settings.media_key: settings.media_secret.get_secret_value()}
    claims = read_room_token(token, keys, now=server.clock.wall().timestamp())
    if claims.kind != AGENT or not claims.video.room_join or not claims.video.room:
        raise UsageError(
            "the token is not an agent's for one room",
            code="room_token_kind",
            hint="sign one of kind agent with roomJoin",
        )
    return claims
