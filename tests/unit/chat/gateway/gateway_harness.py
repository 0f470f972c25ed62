"""A hub with a community in memory and clients without sockets, on whatever event loop runs."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard

from tests.fakes.clock import FakeClock
from vox.chat.bus.memory import MemoryBus
from vox.chat.community import Community, Feed, Person, Role, State
from vox.chat.community.presence import OFFLINE_AFTER_S, PresenceRegistry
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import load_chat_settings
from vox.chat.errors import refuse
from vox.chat.events import CHANGES_ACCESS, Event, message_create
from vox.chat.events.ids import FeedId, LoginId, MessageId, RoleId, UserId
from vox.chat.events.permissions import EVERYONE_DEFAULT
from vox.chat.gateway import GatewayLimits, Hub
from vox.chat.gateway.connection import Connection
from vox.chat.identity.logins import Login
from vox.protocols.gateway import Passed
from vox.protocols.gateway_server import GatewayServer
from vox.runtime.metrics import Metrics

PEOPLE = 6


class NoSnapshots:
    """Gives an empty snapshot."""

    async def read(self, user_id: UserId) -> object:
        return user_id

    def encoded(self, user_id: UserId, found: Any, *, string_ids: bool) -> bytes:
        return b"{}"


class FakeSocket:
    """Takes frames as our server's socket does; `is_stuck` keeps them as backlog, unread."""

    def __init__(self, *, takes_frames: bool = True) -> None:
        self.messages: list[str | bytes] = []
        self.writes = 0
        self.verdict: tuple[int, str] | None = None
        self.is_stuck = False
        self.backlog_bytes = 0
        self.relayed: list[tuple[UserId, Passed]] = []
        self.stamp: Callable[[], int] = lambda: 0
        self.stamps: list[int] = []
        self.closed_at = 0
        self._unread: list[tuple[int, str | bytes]] = []
        self.write_frames: Callable[[bytes], None] | None = self._write_frames if takes_frames else None

    @property
    def is_open(self) -> bool:
        return self.verdict is None

    def send(self, message: str | bytes) -> None:
        if self.is_open and self.is_stuck:
            self._unread.append((self.stamp(), message))
        elif self.is_open:
            self.messages.append(message)
            self.stamps.append(self.stamp())

    def pause_reading(self) -> None:
        raise AssertionError("the gateway reads on")

    resume_reading = pause_reading

    def catch_up(self) -> None:
        """Reads what it was stuck on."""
        self.is_stuck = False
        self.messages += [text for _, text in self._unread]
        self.stamps += [stamp for stamp, _ in self._unread]
        self._unread, self.backlog_bytes = [], 0

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.verdict is None:
            self.verdict, self.closed_at = (code, reason), self.stamp()

    def _write_frames(self, frames: bytes) -> None:
        if not self.is_open:
            return
        self.writes += 1
        if self.is_stuck:
            self.backlog_bytes += len(frames)
            self._unread += [(self.stamp(), text) for text in texts(frames)]
        else:
            for text in texts(frames):
                self.send(text)


@dataclass(eq=False)
class Client:
    """A user's connection."""

    scene: "Scene"
    user_id: int
    socket: FakeSocket
    connection: Connection
    is_gone: bool = False
    _taken: int = 0
    ready: dict[str, Any] = field(default_factory=dict[str, Any])
    opening: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    last_seq: int = 0

    async def say(self, kind: str, d: Any = None) -> None:
        """Sends a message and lets everything settle."""
        self.connection.received(json.dumps({"type": kind} if d is None else {"type": kind, "d": d}))
        await settle()

    def stamped(self) -> list[tuple[int, dict[str, Any]]]:
        """What has come since the last time, each with the stamp of when it was written."""
        stamps = self.socket.stamps[self._taken :]
        return list(zip(stamps, self.frames(), strict=True))

    def frames(self) -> list[dict[str, Any]]:
        """What has come since the last time."""
        new = self.socket.messages[self._taken :]
        self._taken += len(new)
        found = [json.loads(_plain(message)) for message in new]
        for one in found:
            self.last_seq = one.get("seq", self.last_seq)
            if one["type"] == "ready":
                self.ready = one["d"]
        return found

    def events(self) -> list[tuple[str, Any]]:
        """Type and content of what has come since the last time."""
        return [(one["type"], one.get("d")) for one in self.frames()]

    def hangs_up_by_itself(self) -> None:
        """From now on the client answers a close at once."""
        close = self.socket.close

        def closing(code: int = 1000, reason: str = "") -> None:
            close(code, reason)
            self.connection.closed(code, reason)

        self.socket.close = closing

    async def drop(self, code: int = 1006) -> None:
        """The connection is lost; with 1000 the client has closed it."""
        if not self.is_gone:
            self.is_gone = True
            self.socket.verdict = self.socket.verdict or (code, "")
            self.connection.closed(code, "")
            await self.scene.hub._handshake.keep(self.connection)


class Scene:
    """A community of PEOPLE members in feeds 1 and 2, user 1 its administrator."""

    def __init__(
        self,
        bounds: GatewayLimits | None = None,
        *,
        people: int = PEOPLE,
        offline_after_s: float = OFFLINE_AFTER_S,
    ) -> None:
        self.clock = FakeClock()
        administrator = Role(RoleId(2), "Admin", None, 1, 1 << 62)
        state = State(
            users={
                UserId(n): Person(UserId(n), f"u{n}", f"U{n}", role_ids=frozenset({RoleId(2)} if n == 1 else ()))
                for n in range(1, people + 1)
            },
            roles={RoleId(1): Role(RoleId(1), "@everyone", None, 0, int(EVERYONE_DEFAULT)), RoleId(2): administrator},
            feeds={FeedId(1): Feed(FeedId(1), "one"), FeedId(2): Feed(FeedId(2), "two")},
        )
        self.community = Community(state)
        self.bus = MemoryBus(self.clock)
        self.config = Config(load_chat_settings({}, {}).settings)
        self.friendships: list[tuple[int, int]] = []
        self.known_tokens: set[str] = set()
        self.revocations = 0
        self.hub = Hub(
            self.community,
            self.bus,
            self.clock,
            config=self.config,
            logins=self,
            presence=PresenceRegistry(offline_after_s=offline_after_s),
            metrics=Metrics(),
            read=self._read,
            tell=lambda event: self.bus.publish((event,)),
            snapshots=NoSnapshots(),
            relay=self._relay,
            bounds=bounds or GatewayLimits(),
        )
        self.bus.subscribe(self.hub.publish)
        self.relayed: list[tuple[UserId, Passed]] = []
        self.stamp: Callable[[], int] = lambda: 0
        self._next_id = 100

    async def authenticate_member(self, token: str, source: str = "") -> Login:
        """Tokens are `t<user>` or `t<user>.<login>`."""
        user, _, login = token[1:].partition(".")
        if not token.startswith("t") or not user.isdigit():
            raise refuse("AUTH_EXPIRED", "no such token")
        person = self.community.users.get(UserId(int(user)))
        if person is None or not person.is_active:
            raise refuse("BANNED", "not a member")
        return Login(UserId(int(user)), LoginId(int(login or user)))

    def is_known(self, token: str) -> bool:
        """Whether the token was seen here lately."""
        return token in self.known_tokens

    def happen(self, *events: Event) -> None:
        """Events of one change, as the pipeline passes them on."""
        numbered: list[Event] = []
        for event in events:
            version = self.community.version + 1 if event.type in CHANGES_ACCESS else 0
            kept = Event(event.type, event.payload, event.audience, 1, version, event.facts)
            shift = self.community.apply(kept)
            if shift is not None:
                self.hub.on_access_changed(kept, shift)
            numbered.append(kept)
        self.bus.publish(numbered)

    def say(self, feed_id: int = 1, author_id: int = 1) -> int:
        """Somebody writes a message; its id."""
        self._next_id += 1
        self.happen(
            message_create(
                msg_id=MessageId(self._next_id),
                author_id=UserId(author_id),
                body="x",
                timestamp=1,
                feed_id=FeedId(feed_id),
            )
        )
        return self._next_id

    def open(self, user_id: int, *, address: str = "", takes_frames: bool = True, compressed: bool = False) -> Client:
        """A connection before identify."""
        socket = FakeSocket(takes_frames=takes_frames)
        bounds = self.hub.bounds
        connection = Connection(
            self.hub,
            address=address or f"10.0.{user_id >> 8}.{user_id & 255}",
            is_compressed=compressed,
            clock=self.clock,
            protocol=GatewayServer(
                self.clock.now(),
                messages=bounds.client_messages,
                identify_deadline_s=bounds.identify_deadline_s,
                heartbeat_deadline_s=bounds.heartbeat_deadline_s,
            ),
            spawn=asyncio.ensure_future,
        )
        client = Client(self, user_id, socket, connection)
        connection.opened(socket)
        return client

    async def join(self, user_id: int, *capabilities: str, **more: Any) -> Client:
        """A session behind its ready frame."""
        client = self.open(user_id, **more)
        client.socket.stamp = self.stamp
        await client.say("identify", {"token": f"t{user_id}", "capabilities": list(capabilities)})
        client.opening = client.frames()
        return client

    async def resume(self, before: Client, last_seq: int | None = None, **more: Any) -> Client:
        """Another connection that goes on with a client's session."""
        client = self.open(before.user_id, **more)
        client.socket.stamp = self.stamp
        d = {
            "token": f"t{before.user_id}",
            "session_id": before.ready["session_id"],
            "last_seq": before.last_seq if last_seq is None else last_seq,
        }
        await client.say("resume", d)
        client.ready = before.ready
        return client

    async def sweep(self, seconds: float) -> None:
        """Time passes, and the hub looks at its deadlines once."""
        self.clock.advance(seconds)
        for outbox in list(self.hub._outboxes.by_loop.values()):
            self.hub._sweep(outbox)
        await settle()

    async def _read(self, unit: Any) -> Any:
        return self.friendships

    async def _relay(self, user_id: UserId, asked: Passed) -> None:
        self.relayed.append((user_id, asked))


async def settle() -> None:
    """Lets tasks and ticks run."""
    for _ in range(4):
        await asyncio.sleep(0)


def texts(frames: bytes) -> list[str | bytes]:
    """The messages of whole, unmasked text frames."""
    found: list[str | bytes] = []
    while frames:
        assert frames[0] == 0x81
        size, start = frames[1], 2
        if size == 126:
            size, start = int.from_bytes(frames[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(frames[2:10], "big"), 10
        assert len(frames) >= start + size
        found.append(frames[start : start + size].decode())
        frames = frames[start + size :]
    return found


def _plain(message: str | bytes) -> str | bytes:
    return message if isinstance(message, str) else zstandard.ZstdDecompressor().decompress(message, 1 << 20)
