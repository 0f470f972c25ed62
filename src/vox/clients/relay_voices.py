"""Members of rooms at a relay in another process, over its internal socket. Implements `vox.media.rooms.contract`.

A socket that is lost is opened again with the same token for `RECONNECT_S`; the relay then puts the member in place of the old one, and
what was set here (who is heard, attributes) is said again. Meanwhile what is spoken is lost, as on any line.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, Final, Literal, TypeAlias, assert_never, cast

from vox.errors import DependencyError, PeerError, UsageError, VoxError
from vox.http.sockets import Socket
from vox.http.websocket import UpgradeRefusedError, open_socket
from vox.media.rooms.contract import MAX_QUEUED_MS, Place, RoomVoice
from vox.media.rooms.event_queue import EventQueue
from vox.protocols import relay_voices as wire
from vox.protocols.relay_voices import RoomEvent
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

log = get_logger(__name__)

JOIN_TIMEOUT_S: Final = 10.0
LEAVE_TIMEOUT_S: Final = 3.0
RECONNECT_S: Final = 30.0
MAX_BACKLOG_BYTES: Final = 1 << 20
MAX_MALFORMED: Final = 20
_FIRST_RETRY_S, _LAST_RETRY_S = 0.2, 3.0
_REFUSALS: Final = (400, 401, 403, 404)
_FULL: Final = 503
_LEAVING: Final = 1000

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None], str], None]
Check: TypeAlias = Callable[[str], Awaitable[str]]
Connect: TypeAlias = Callable[..., Awaitable[Socket]]
"""As `vox.http.websocket.open_socket`."""
_Rate: TypeAlias = Literal[8_000, 16_000, 24_000, 48_000]


class RelayVoices:
    """One relay.

    Args:
        url: its media URL, `ws://` or `wss://`.
        spawn: runs a member's socket as a task of the process that joins.
        clock: of this process.
        random: spreads reconnections.
        check: the outgoing guard: gives the URL to connect to, or raises.
        connect: opens sockets.
    """

    def __init__(
        self, url: str, *, spawn: Spawn, clock: Clock, random: Random, check: Check, connect: Connect = open_socket
    ) -> None:
        self._url = url
        self._connect = connect
        self._spawn = spawn
        self._clock = clock
        self._chance = random
        self._check = check

    async def join(self, token: str) -> RoomVoice:
        """Enters the room of a token.

        Raises:
            UsageError: `room_token_invalid`, `room_join_refused`, or the URL is refused.
            DependencyError: `relay_unreachable`, `relay_full`.
        """
        voice = _Voice(self._address(), token, self._clock, self._chance, self._check, self._connect)
        connection = await voice.connect()
        self._spawn(voice.stay(connection), "member of a room at a relay")
        return voice

    def _address(self) -> str:
        base = self._url.rstrip("/")
        if base.startswith("http"):
            base = "ws" + base.removeprefix("http")
        return base + wire.PATH


class _Voice:
    """Implements `RoomVoice`; its socket may change."""

    def __init__(self, url: str, token: str, clock: Clock, random: Random, check: Check, connect: Connect) -> None:
        self._open = connect
        self.place = Place("", "", "", "")
        self._url = url
        self._token = token
        self._clock = clock
        self._chance = random
        self._check = check
        self._queue = EventQueue()
        self._members: dict[str, wire.Member] = {}
        self._connection: _Connection | None = None
        self._is_leaving = False
        self._plays_until = 0.0
        self._heard: set[str] = set()
        self._mix: _Rate | None = None
        self._is_muted = False
        self._attributes: dict[str, str] = {}
        self._metadata: str | None = None

    # The socket

    async def connect(self) -> "_Connection":
        """A socket whose relay has let the member in.

        Raises:
            VoxError: as `RelayVoices.join`.
        """
        connection = _Connection(self._notify)
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                url = await self._check(self._url)
                await self._open(
                    url,
                    connection,
                    headers=[("Authorization", f"Bearer {self._token}")],
                    connect_timeout_s=JOIN_TIMEOUT_S,
                    max_message_bytes=wire.MAX_MESSAGE_BYTES,
                    max_backlog_bytes=MAX_BACKLOG_BYTES,
                    ping_interval_s=wire.PING_INTERVAL_S,
                    ping_timeout_s=wire.LOST_AFTER_S - wire.PING_INTERVAL_S,
                )
                joined = await connection.joined
        except BaseException as error:
            connection.close()
            failure = _failure(error)
            if failure is None:
                raise
            raise failure from error
        self._enter(joined, connection)
        return connection

    async def stay(self, connection: "_Connection") -> None:
        """Keeps the member in the room until it leaves, is removed, or is lost for good."""
        try:
            while not self._queue.is_over:
                await connection.is_closed.wait()
                if self._queue.is_over or self._is_leaving:
                    break
                found = await self._reconnect()
                if found is None:
                    break
                connection = found
        finally:
            self._connection = None
            connection.close()
            self._queue.put(wire.Removed("left" if self._is_leaving else "lost"))

    async def _reconnect(self) -> "_Connection | None":
        self._connection = None
        deadline, delay_s = self._clock.now() + RECONNECT_S, _FIRST_RETRY_S
        log.info("a relay's socket was lost", room=self.place.room)
        while self._clock.now() < deadline and not self._is_leaving:
            await asyncio.sleep(delay_s * (0.5 + self._chance.random() / 2))
            delay_s = min(2 * delay_s, _LAST_RETRY_S)
            try:
                return await self.connect()
            except UsageError as error:
                log.warning("a relay does not take a member back", room=self.place.room, code=error.code)
                return None
            except VoxError:
                continue
        return None

    def _enter(self, joined: wire.Joined, connection: "_Connection") -> None:
        """Takes what the relay says of the room, and says again what was set before."""
        self._connection = connection
        self.place = Place(joined.room, joined.identity, joined.sid, joined.track, joined.metadata)
        there = {member.identity: member for member in joined.members}
        for identity in [one for one in self._members if one not in there]:
            self._notify(wire.MemberLeft(identity))
        for identity, member in there.items():
            if identity not in self._members:
                self._notify(wire.MemberJoined(member))
            elif self._members[identity] != member:
                self._notify(wire.MemberChanged(member))
        for identity in sorted(self._heard):
            self._send(wire.Listen(identity))
        if self._mix is not None:
            self._send(wire.Mix(self._mix))
        if self._is_muted:
            self._send(wire.Mute(is_muted=True))
        if self._attributes:
            self._send(wire.SetAttributes(dict(self._attributes)))
        if self._metadata is not None:
            self._send(wire.SetMetadata(self._metadata))
        connection.release()

    def _notify(self, event: RoomEvent) -> None:
        match event:
            case wire.MemberJoined(member=member) | wire.MemberChanged(member=member):
                self._members[member.identity] = member
            case wire.MemberLeft(identity=identity):
                self._members.pop(identity, None)
            case wire.Muted(is_muted=is_muted):
                self._is_muted = is_muted
            case (
                wire.Heard() | wire.SpeakersChanged() | wire.DataReceived() | wire.TextReceived() | wire.DigitsReceived()
                | wire.Refused() | wire.Removed()
            ):  # fmt: skip
                pass
            case _:
                assert_never(event)
        self._queue.put(event)
        if self._queue.is_over and self._connection is not None:
            self._connection.close()

    def _send(self, message: wire.ClientMessage) -> None:
        if self._connection is not None and not self._queue.is_over:
            self._connection.send(message)

    # What the member does

    def events(self) -> AsyncIterator[RoomEvent]:
        """What happens, in order."""
        return self._queue.events()

    def speak(self, pcm: bytes, rate: int) -> None:
        """Audio to the room; what would wait for longer than `MAX_QUEUED_MS` is dropped."""
        piece = rate * 2  # a second
        for start in range(0, len(pcm), piece):
            part = pcm[start : start + piece]
            if self.queued_ms() + 1_000 * len(part) // piece > MAX_QUEUED_MS:
                return
            self._plays_until = max(self._plays_until, self._clock.now()) + len(part) / piece
            self._send(wire.Speech(part, rate))

    def flush(self) -> None:
        """Throws away what the relay has not sent yet."""
        self._plays_until = 0.0
        self._send(wire.Flush())

    def queued_ms(self) -> int:
        """What is to be heard yet, by the time that has passed."""
        return max(0, round(1_000 * (self._plays_until - self._clock.now())))

    def listen(self, identity: str, *, on: bool) -> None:
        """Has a member's audio come apart, or no more."""
        if on:
            self._heard.add(identity)
        else:
            self._heard.discard(identity)
        self._send(wire.Listen(identity, on))

    def mix(self, rate: int | None) -> None:
        """Has the audio of all other members come in one signal at this rate."""
        self._mix = cast("_Rate | None", rate)
        self._send(wire.Mix(self._mix))

    def mute(self, *, on: bool) -> None:
        """Mutes its microphone."""
        self._is_muted = on
        self._send(wire.Mute(on))

    def send_data(self, payload: bytes, *, topic: str = "", is_reliable: bool = True, to: Sequence[str] = ()) -> None:
        """Sends a data packet."""
        self._send(wire.SendData(payload, topic, is_reliable, list(to)))

    def send_text(self, text: str, *, topic: str = wire.CHAT_TOPIC, to: Sequence[str] = ()) -> None:
        """Sends a text."""
        self._send(wire.SendText(text, topic, list(to)))

    def send_digits(self, digits: str) -> None:
        """Tells the room which keys were pressed."""
        self._send(wire.SendDigits(digits))

    def transcribe(self, segment: str, text: str, *, speaker: str, is_final: bool, language: str = "") -> None:
        """Tells the room what a member said."""
        self._send(wire.Transcribe(segment, text, speaker, is_final, language=language))

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Sets attributes of itself."""
        self._attributes.update(attributes)
        self._send(wire.SetAttributes(dict(attributes)))

    def set_metadata(self, metadata: str) -> None:
        """Sets its own metadata."""
        self._metadata = metadata
        self._send(wire.SetMetadata(metadata))

    async def leave(self) -> None:
        """Leaves the room."""
        if self._is_leaving or self._queue.is_over:
            return
        self._is_leaving = True
        connection = self._connection
        if connection is None:
            return
        self._send(wire.Leave())
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await connection.is_closed.wait()
        except TimeoutError:
            connection.close()


class _Connection:
    """One socket; implements `SocketListener`. What follows `Joined` waits until that was dealt with."""

    def __init__(self, notify: Callable[[RoomEvent], None]) -> None:
        self.joined: asyncio.Future[wire.Joined] = asyncio.get_running_loop().create_future()
        self.is_closed = asyncio.Event()
        self._notify = notify
        self._early: list[RoomEvent] | None = []
        self._socket: Socket | None = None
        self._malformed = 0

    def release(self) -> None:
        """The member is in: what came since is told."""
        early, self._early = self._early or [], None
        for event in early:
            self._notify(event)

    def opened(self, socket: Socket) -> None:
        """The upgrade is done."""
        self._socket = socket

    def received(self, message: wire.WireMessage) -> None:
        """One message of the relay; a few malformed ones are passed over."""
        try:
            read = wire.decode_server(message)
        except PeerError as error:
            self._malformed += 1
            if self._malformed == 1:
                log.warning("malformed message of a relay", code=error.code, error=str(error))
            if self._malformed >= MAX_MALFORMED:
                self.close()
            return
        if isinstance(read, wire.Joined):
            if not self.joined.done():
                self.joined.set_result(read)
        elif read is not None and self._early is None:
            self._notify(read)
        elif read is not None and self._early is not None and len(self._early) < wire.MAX_MEMBERS:
            self._early.append(read)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone."""
        del code, reason
        self._socket = None
        self.is_closed.set()
        if not self.joined.done():
            error = DependencyError("the relay closed the socket", code="relay_unreachable", retryable=True)
            self.joined.set_exception(error)
            self.joined.exception()  # it may be that no caller awaits it any more

    def send(self, message: wire.ClientMessage) -> None:
        """Sends a message, unless the socket is closed."""
        if self._socket is not None:
            self._socket.send(wire.encode(message))

    def close(self) -> None:
        """Ends the socket."""
        if self._socket is not None:
            self._socket.close(_LEAVING)


def _failure(error: BaseException) -> VoxError | None:
    """What a join that failed raises; None for what is raised as it is."""
    match error:
        case UpgradeRefusedError() if error.status in _REFUSALS:
            code = "room_join_refused" if error.status == 403 else "room_token_invalid"  # noqa: PLR2004
            return UsageError(
                f"the relay refuses the member with HTTP {error.status}",
                code=code,
                hint="check the token, and that relay and signer share the key",
            )
        case UpgradeRefusedError() if error.status == _FULL:
            return DependencyError("the relay takes no more members now", code="relay_full", retryable=True)
        case DependencyError() if error.code == "relay_unreachable":
            return None
        case TimeoutError() | DependencyError() | UpgradeRefusedError():
            return DependencyError(
                f"the relay cannot be reached: {type(error).__name__}", code="relay_unreachable", retryable=True
            )
        case _:
            return None
