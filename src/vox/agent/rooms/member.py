"""An agent in a room: its call, who is there, and when it leaves.

The call is an ordinary `Session` whose way out is `RoomTransport` and whose input is `RoomInput`. This module follows the room's
events, so it knows who may be heard at all: agents are left out unless asked for, and what is encrypted from end to end is not audio.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, assert_never, cast

from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Agent, Resources
from vox.agent.rooms.member_listener import RATE
from vox.agent.rooms.room_input import RoomInput
from vox.agent.rooms.transport import RoomTransport
from vox.agent.tools.contract import Tool
from vox.media.rooms.contract import RoomVoice
from vox.protocols.agent_events import ClientSpeak
from vox.protocols.relay_voices import (
    CHAT_TOPIC,
    DataReceived,
    DigitsReceived,
    Heard,
    Member,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    Muted,
    Refused,
    Removed,
    RoomEvent,
    SpeakersChanged,
    TextReceived,
)
from vox.providers.llm.contract import Declared
from vox.runtime.logging import get_logger

log = get_logger(__name__)

TICK_S: Final = 0.1
MIX: Final = ""
"""The identity under which the room's mix is heard."""
MAX_TEXT: Final = 2_000
"""Characters of a text to the agent that are read."""
_MANNERS: Final = (
    "\n\nYou are in a voice room with several people. What each of them says begins with their name and a colon. Answer the person who"
    " spoke last; say their name only where it is unclear who you mean, and do not begin your own answers with a name."
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an agent comes into a room with.

    Attributes:
        agent: who comes.
        info: of its call.
        interrupters: identities that alone may cut in; empty for what the agent's own settings say.
        on_said: takes each utterance of the room that is final: its name, the speaker's identity and the text.
        tools: further ones, for this room.
    """

    agent: Agent
    info: CallInfo
    interrupters: tuple[str, ...] = ()
    on_said: Callable[[str, str, str], None] | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict[str, Tool])

    def guest(self) -> Agent:
        """The agent as it is in this room: with its manners, and silent at first where it does not greet."""
        agent, rooms = self.agent, self.agent.profile.rooms
        if self.interrupters:
            rooms = rooms.model_copy(update={"interrupted_by": "none", "interrupters": list(self.interrupters)})
        prompt = agent.profile.system_prompt
        if not isinstance(agent.llm, Declared):
            prompt += _MANNERS
        profile = agent.profile.model_copy(update={"rooms": rooms, "system_prompt": prompt})
        guest = replace(agent, profile=profile, tools={**self.tools, **agent.tools})
        return guest if rooms.greets else replace(guest, greeting="", speaks_first=False)


class RoomAgent:
    """One agent in one room; `run` is its stay.

    Args:
        resources: what all calls share.
        invitation: who comes, and how.
        voice: the member that it is.
    """

    def __init__(self, resources: Resources, invitation: Invitation, voice: RoomVoice) -> None:
        agent = invitation.guest()
        self.info = invitation.info
        self.voice = voice
        self._rooms = agent.profile.rooms
        self._clock = resources.clock
        self.transport = RoomTransport(resources, voice, writes=self._rooms.transcripts, on_said=invitation.on_said)
        make = partial(RoomInput, room=self.transport)
        self.session = Session(resources, agent, self.transport, self.info, input_rate=RATE, make_input=make)
        self._input = cast("RoomInput", self.session.caller_input)
        self._input.follow(self.session.state.turns, self.session.conversation)
        self.transport.open(self.session)
        if self.session.recording.recorder is not None:
            voice.mix(RATE)
        self._members: dict[str, Member] = {}
        self._empty_since: float | None = self._clock.now()
        self._has_heard = False
        self._is_notified = False

    @property
    def people(self) -> int:
        """How many members are there that are neither agents nor recorders."""
        return sum(1 for one in self._members.values() if one.kind not in {"agent", "egress"})

    def leave(self, reason: str) -> None:
        """Ends the stay."""
        self.session.end(1000, reason)

    async def run(self) -> None:
        """Follows the room until the agent is removed, its call ends, or no member is left; the member is out then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                ticking = tasks.create_task(self._tick(), name="tick of a room")
                following = tasks.create_task(self._follow(), name="events of a room")
                await asyncio.wait((ticking, following), return_when=asyncio.FIRST_COMPLETED)
                ticking.cancel()
                await self.voice.leave()
                following.cancel()
        finally:
            self.session.hang_up(self.transport.reason or "left")

    async def _tick(self) -> None:
        """What is due, until the call is over."""
        while not self.transport.is_closed:
            await asyncio.sleep(TICK_S)
            now = self._clock.now()
            self.session.heard_from(now)  # the room is alive, however long all are silent
            self._input.tick()
            if self._empty_since is not None and now - self._empty_since >= self._rooms.empty_secs:
                self.leave("room_empty")

    async def _follow(self) -> None:
        async for event in self.voice.events():
            self._see(event)
            if isinstance(event, Removed):
                log.info("agent left a room", call_id=self.info.call_id, reason=event.reason)
                self.transport.close(1000, event.reason)
                self.session.hang_up(event.reason)
                return

    def _see(self, event: RoomEvent) -> None:
        match event:
            case Heard():
                self._hear(event)
            case MemberJoined(member=member) | MemberChanged(member=member):
                self._members[member.identity] = member
                self._consider(member)
                self._count()
            case MemberLeft(identity=identity):
                self._members.pop(identity, None)
                self._input.forget(identity)
                self._count()
                self._notice_encryption()
            case SpeakersChanged(speakers=speakers):
                for speaker in speakers:
                    if (member := self._members.get(speaker.identity)) is not None:
                        self._consider(member)
            case TextReceived(topic=topic, sender=sender, text=text):
                member = self._members.get(sender)
                if topic == CHAT_TOPIC and text.strip() and member is not None and self._is_listened_to(member):
                    self._input.wrote(sender, text.strip()[:MAX_TEXT])
            case DataReceived() | DigitsReceived() | Muted() | Removed():
                pass
            case Refused(command=command, code=code):
                log.warning("the relay refused a command", call_id=self.info.call_id, command=command, code=code)
            case _:
                assert_never(event)

    def _hear(self, event: Heard) -> None:
        if not self._has_heard:
            self._has_heard = True
            self.session.audio(b"")  # the call's length counts from its first audio
        if event.identity == MIX:
            self.session.audio(event.pcm)
        else:
            self._input.hear(event.identity, event.pcm)

    def _consider(self, member: Member) -> None:
        """Listens to a member, or no more, by what they are now."""
        if self._is_listened_to(member) and member.has_audio and not member.is_encrypted:
            self._input.attend(member.identity, member.name or member.identity)
        elif member.is_encrypted or not self._is_listened_to(member):
            self._input.forget(member.identity)
        self._notice_encryption()

    def _is_listened_to(self, member: Member) -> bool:
        is_other = member.identity != self.voice.place.identity
        return is_other and (member.kind != "agent" or self._rooms.hears_agents)

    def _notice_encryption(self) -> None:
        """Says once, and shows as long as it is so, that no member can be heard because of the encryption."""
        speaking = [one for one in self._members.values() if one.has_audio and self._is_listened_to(one)]
        is_deaf = bool(speaking) and all(one.is_encrypted for one in speaking)
        self.transport.cannot_hear("encrypted" if is_deaf else "")
        notice = self._rooms.encrypted_notice
        if is_deaf and not self._is_notified and notice:
            self._is_notified = True
            self.session.receive(ClientSpeak(notice))

    def _count(self) -> None:
        if self.people:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = self._clock.now()
