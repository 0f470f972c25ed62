"""The relay as an object: what it consists of, and its life from the first room to the last participant who has moved."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Final, Self
from urllib.parse import urlsplit

from livekit.protocol.rtc import ICEServer, RegionInfo

from vox.clients.directory import DirectoryClient
from vox.relay.engine.contract import MediaEngine
from vox.relay.engine.events import events_taken
from vox.relay.metrics import REFUSALS, ROOM_EVENTS
from vox.relay.rooms.admission import Admission
from vox.relay.rooms.events import RoomEvent, RoomFinished, RoomStarted
from vox.relay.rooms.limits import RoomLimits
from vox.relay.rooms.registry import Rooms
from vox.relay.service.agent_calls import AgentCalls
from vox.relay.service.directory_link import DirectoryLink, Identity
from vox.relay.service.dispatch import Dispatches
from vox.relay.service.drain import Drain
from vox.relay.service.events import webhook_event
from vox.relay.service.load import Load, LoadMeter
from vox.relay.service.turn import IceServers
from vox.relay.service.webhooks import Webhooks
from vox.relay.settings import RelaySettings
from vox.relay.voices.local import LocalVoices
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import periodic
from vox.security.http_signatures import KeyPair
from vox.security.key_file import read_key_file
from vox.security.outbound import OutboundGuard
from vox.security.room_tokens import RoomClaims, RoomKey, sign_room_token

MEASURE_S: Final = 5.0
BEAT_S: Final = 0.25
FLUSH_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a relay stands on; tests hand in their own.

    Args:
        clock: for times and deadlines.
        metrics: counts.
        lifecycle: says whether new participants are taken.
        chance: spreads pauses.
        engine: moves the media; closed by who opened it.
    """

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    chance: Random
    engine: MediaEngine


class Relay:
    """Everything behind the routes, while the block runs."""

    def __init__(self, settings: RelaySettings, parts: Parts) -> None:
        self.settings = settings
        self.clock, self.metrics, self.lifecycle = parts.clock, parts.metrics, parts.lifecycle
        self.engine = parts.engine
        self.keys = settings.secrets()
        self.rooms = Rooms(self.engine, parts.clock, room_limits(settings), sign=self._sign, refused=self._refused)
        self.admission = Admission(self.keys, parts.clock)
        self.voices = LocalVoices(self.rooms, self.admission)
        """Lets agents and callers of this process in, without a connection of their own."""
        self.dispatches = Dispatches(parts.clock)
        self.address = ""
        """Where the relay listens, once it does."""
        self.agent_calls = AgentCalls(
            settings.agents.url,
            webhook_key(settings),
            OutboundGuard(
                allowed_private=[ip_network(network) for network in settings.agents.allowed_private],
                allowed_ports=None,
            ),
            self.rooms,
            self.media_url,
            parts.clock,
            parts.metrics,
        )
        turn = settings.turn
        self._ice_servers = IceServers(turn.urls, turn.secret.get_secret_value(), turn.ttl_s, turn.stun_urls)
        self.webhooks = Webhooks(
            settings.webhooks.urls,
            webhook_key(settings),
            OutboundGuard(
                allowed_private=[ip_network(network) for network in settings.webhooks.allowed_private],
                allowed_ports=None,
            ),
            parts.clock,
            parts.chance,
            parts.metrics,
            max_tries=settings.webhooks.max_tries,
            queue_size=settings.webhooks.queue_size,
        )
        self.load = LoadMeter(
            self.engine.stats,
            lambda: self.rooms.participants_count,
            lambda: self.rooms.rooms_count,
            settings.directory.capacity,
            parts.clock.now,
            parts.metrics,
        )
        self.directory: DirectoryLink | None = None
        self.is_open = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.webhooks.running())
            await stack.enter_async_context(self.agent_calls.running())
            self.dispatches.observe(self.agent_calls.take)
            self.rooms.observe(self._observe)
            stack.callback(self.rooms.close)
            stack.enter_context(events_taken(self.engine, self.rooms.take))
            await stack.enter_async_context(periodic(BEAT_S, self._beat, "relay-beat"))
            await stack.enter_async_context(periodic(MEASURE_S, self._measure, "relay-measure"))
            drain = Drain(self.lifecycle, self.rooms, self._leave, self._finish, self.metrics)
            await stack.enter_async_context(drain.running())
            self._stack = stack.pop_all()
        self.is_open = True
        self.lifecycle.ready()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_open = False
        await self._stack.aclose()

    @asynccontextmanager
    async def enrolled(self) -> AsyncGenerator[None]:
        """Keeps the relay in its directory while the block runs, where it has one; to be entered once it listens.

        Raises:
            UsageError: the key's file cannot be used (key_file_unsafe, key_file_unusable).
        """
        link = self.settings.directory
        if not link.url:
            yield
            return
        pair = await asyncio.to_thread(read_key_file, Path(link.key_file), is_made=True)
        api_key = link.api_key.get_secret_value()
        async with DirectoryClient(link.url, api_key=api_key, key_pair=pair, clock=self.clock) as client:
            self.directory = self._link(client, pair)
            async with self.directory.running():
                yield
        self.directory = None

    def answer_challenge(self, challenge: str) -> str:
        """The proof for the directory that this relay owns its address; empty without a directory."""
        return self.directory.answer_challenge(challenge) if self.directory is not None else ""

    async def check_engine(self) -> None:
        """Raises where the engine does not answer."""
        self.engine.stats()

    def media_url(self) -> str:
        """Where clients and agents reach this relay."""
        return self.settings.listen.public_url or self.address.replace("http", "ws", 1)

    def ice_servers_for(self, identity: str) -> Sequence[ICEServer]:
        """The STUN and TURN servers that a participant is told of."""
        return self._ice_servers.for_client(identity, self.clock.unix_s())

    def _sign(self, claims: RoomClaims) -> str:
        """A fresh token for who is in a room, by the key that signed the one before."""
        key = RoomKey(claims.iss, self.keys.get(claims.iss, ""))
        lifetime_s = self.rooms.context.limits.token_lifetime_s
        return sign_room_token(key, claims, now=self.clock.unix(), lifetime_s=lifetime_s)

    def _refused(self, code: str) -> None:
        self.metrics.counter(REFUSALS, code).inc()

    async def _beat(self) -> None:
        self.rooms.beat()

    async def _measure(self) -> None:
        self.measure()

    async def _leave(self) -> Sequence[RegionInfo]:
        return await self.directory.leave() if self.directory is not None else ()

    async def _finish(self) -> None:
        """Ends the rooms, and lets those who are told of it take the news while they are still there."""
        self.rooms.close()
        await self.webhooks.flush(FLUSH_S)

    def measure(self) -> Load:
        """The present load; sets the gauges."""
        self.webhooks.measure()
        return self.load.measure()

    def _observe(self, event: RoomEvent) -> None:
        webhook = webhook_event(event)
        self.metrics.counter(ROOM_EVENTS, webhook.event).inc()
        self.webhooks.submit(webhook)
        match event:
            case RoomStarted(room, config):
                self.dispatches.create_configured(room.name, config)
            case RoomFinished(room):
                self.dispatches.forget_room(room.name)
            case _:
                pass

    def _link(self, client: DirectoryClient, pair: KeyPair) -> DirectoryLink:
        link, url = self.settings.directory, self.settings.listen.public_url
        identity = Identity(
            link.name or (urlsplit(url).hostname or "relay")[:100],
            url,
            link.latitude,
            link.longitude,
            link.region,
            link.capacity,
            pair,
            link.join_token.get_secret_value(),
        )
        return DirectoryLink(client, identity, self.load.measure, link.heartbeat_ms / 1000, self.clock, self.metrics)


def room_limits(settings: RelaySettings) -> RoomLimits:
    """What the settings say of rooms."""
    rooms = settings.rooms
    return RoomLimits(
        rooms=rooms.max_rooms,
        participants=rooms.max_participants,
        participants_in_all=settings.directory.capacity,
        empty_timeout_s=rooms.empty_timeout_s,
        departure_timeout_s=rooms.departure_timeout_s,
        tracks=rooms.max_tracks,
        metadata_bytes=rooms.max_metadata_bytes,
        is_auto_create=rooms.auto_create,
        top_speakers=settings.media.top_speakers,
    )


def webhook_key(settings: RelaySettings) -> RoomKey:
    """The key that signs webhooks: the one that is named, else the first."""
    secrets = settings.secrets()
    name = settings.webhooks.api_key or next(iter(secrets), "")
    return RoomKey(name, secrets.get(name, ""))
