"""What `RoomVoices` promises, of the relay of this process and over its internal socket: one suite, the real media engine below."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.require import require
from tests.time_limits import time_limit
from vox.clients.relay_voices import RelayVoices
from vox.errors import UsageError
from vox.http.dispatch import Dispatcher
from vox.http.routing import Router
from vox.http.server import Server
from vox.media.rooms.contract import RoomVoice, RoomVoices
from vox.protocols.relay_voices import (
    CHAT_TOPIC,
    TRANSCRIPTION_TOPIC,
    DataReceived,
    DigitsReceived,
    Heard,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    Muted,
    Removed,
    RoomEvent,
    SpeakersChanged,
    TextReceived,
)
from vox.relay.engine.events import events_taken
from vox.relay.opening import open_engine
from vox.relay.policy import RelayPolicy
from vox.relay.rooms.admission import Admission
from vox.relay.rooms.limits import RoomLimits
from vox.relay.rooms.registry import Rooms
from vox.relay.settings import Media
from vox.relay.voices.local import LocalVoices
from vox.relay.voices.sockets import VoiceSockets
from vox.runtime.clock import SystemClock
from vox.runtime.tasks import periodic
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

KEY = RoomKey("key", "s" * 32)
RATE = 16_000


def tone(hz: int, seconds: float, rate: int = RATE) -> bytes:
    at = np.arange(int(seconds * rate)) / rate
    return (np.sin(2 * np.pi * hz * at) * 8_000).astype("<i2").tobytes()


def loudest(pcm: bytes, rate: int) -> int:
    """The frequency that sounds, to 10 Hz; 0 where it is silent."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    if not len(samples) or float(np.abs(samples).max()) < 1_000:
        return 0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return round(int(spectrum.argmax()) * rate / len(samples) / 10) * 10


class Member:
    """A voice, and all that it was told."""

    def __init__(self, voice: RoomVoice, tasks: asyncio.TaskGroup) -> None:
        self.voice = voice
        self.events: list[RoomEvent] = []
        self._changed = asyncio.Condition()
        self.reading = tasks.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.voice.events():
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()

    async def until(self, accept: Callable[[Any], bool], *, since: int = 0) -> Any:
        """Waits for an event that is acceptable, among those that have come from `since` on."""

        def found() -> list[RoomEvent]:
            return [event for event in self.events[since:] if accept(event)]

        async with time_limit(), self._changed:
            await self._changed.wait_for(found)
        return found()[0]

    async def sees(self, event: RoomEvent) -> None:
        await self.until(lambda one: one == event)

    async def hears(self, identity: str, hz: int, rate: int = RATE) -> None:
        """Waits until that member's last 300 ms of sound are a tone."""

        def sounds(_: RoomEvent) -> bool:
            pcm = b"".join(one.pcm for one in self.events if isinstance(one, Heard) and one.identity == identity)
            return loudest(pcm[-int(0.3 * rate) * 2 :], rate) == hz

        await self.until(sounds)


class Relay:
    """The rooms, and how a member gets in."""

    def __init__(self, rooms: Rooms, voices: RoomVoices, tasks: asyncio.TaskGroup) -> None:
        self.rooms = rooms
        self._voices = voices
        self._tasks = tasks

    async def join(self, identity: str, *, kind: str = "sip", secret: str = KEY.secret, **grant: Any) -> Member:
        given: dict[str, Any] = {"room": "room", "room_join": True, "can_update_own_metadata": True, **grant}
        claims = RoomClaims(sub=identity, name=identity.title(), kind=kind, video=VideoGrant(**given))
        token = sign_room_token(RoomKey("key", secret), claims, now=time.time(), lifetime_s=60)
        return Member(await self._voices.join(token), self._tasks)


@asynccontextmanager
async def open_relay(by: str) -> AsyncGenerator[Relay]:
    require(find_spec("vox_native") is not None, "vox_native", "make native (needs cargo)")
    clock = SystemClock()
    engine = open_engine(Media(udp_port=0, tcp_port=-1), "127.0.0.1")
    spawned: list[asyncio.Task[None]] = []
    try:
        async with AsyncExitStack() as stack:
            rooms = Rooms(engine, clock, RoomLimits())
            stack.callback(rooms.close)
            stack.enter_context(events_taken(engine, rooms.take))
            await stack.enter_async_context(periodic(0.1, _beating(rooms), "beat"))
            admission = Admission({KEY.key: KEY.secret}, clock)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            voices: RoomVoices = LocalVoices(rooms, admission)
            if by == "socket":
                router = Router(VoiceSockets(rooms, admission).table())
                app: Any = Dispatcher(router, RelayPolicy(), clock, lifespan=_nothing)
                server = await stack.enter_async_context(Server(app, "127.0.0.1", 0))

                async def check(url: str) -> str:
                    return url

                def spawn(work: Any, name: str) -> None:
                    spawned.append(tasks.create_task(work, name=name))

                voices = RelayVoices(server.address, spawn=spawn, clock=clock, random=Random(1), check=check)
            yield Relay(rooms, voices, tasks)
            for room in rooms.list():
                rooms.delete(room.name)
    finally:
        engine.close()


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None]:
    yield


def _beating(rooms: Rooms) -> Callable[[], Any]:
    async def beat() -> None:
        rooms.beat()

    return beat


@pytest.fixture(params=["process", "socket"])
def by(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_members_see_one_another_come_change_and_go(by: str):
    async with open_relay(by) as relay:
        ann = await relay.join("ann")
        bot = await relay.join("bot", kind="agent")
        found = await bot.until(lambda one: isinstance(one, MemberJoined))
        assert (found.member.identity, found.member.name, found.member.kind) == ("ann", "Ann", "sip")
        await ann.until(lambda one: isinstance(one, MemberChanged) and one.member.has_audio)
        bot.voice.set_attributes({"lk.agent.state": "thinking"})
        await ann.until(
            lambda one: isinstance(one, MemberChanged) and one.member.attributes.get("lk.agent.state") == "thinking"
        )
        mark = len(ann.events)
        bot.voice.set_attributes({"lk.agent.state": ""})
        await ann.until(lambda one: isinstance(one, MemberChanged) and not one.member.attributes, since=mark)
        await bot.voice.leave()
        await ann.sees(MemberLeft("bot"))
        await bot.sees(Removed("left"))


async def test_each_hears_the_others_apart_and_mixed(by: str):
    async with open_relay(by) as relay:
        ann, bert, bot = await relay.join("ann"), await relay.join("bert"), await relay.join("bot", kind="agent")
        bot.voice.listen("ann", on=True)
        bot.voice.listen("bert", on=True)
        ann.voice.mix(8_000)
        ann.voice.speak(tone(440, 3), RATE)
        bert.voice.speak(tone(1_000, 3, 24_000), 24_000)
        await asyncio.gather(
            bot.hears("ann", 440), bot.hears("bert", 1_000), ann.hears("", 1_000, 8_000),
            bot.until(lambda one: isinstance(one, SpeakersChanged) and len(one.speakers) == 2),
        )  # fmt: skip
        ann.voice.flush()
        assert ann.voice.queued_ms() <= 100
        await bot.hears("ann", 0)


async def test_data_texts_digits_and_transcriptions_reach_the_others(by: str):
    async with open_relay(by) as relay:
        ann, bot = await relay.join("ann"), await relay.join("bot", kind="agent")
        await bot.until(lambda one: isinstance(one, MemberJoined))
        ann.voice.send_data(b"\x00\xff", topic="t")
        ann.voice.send_text("hello bot")
        ann.voice.send_digits("5#")
        await bot.sees(DataReceived(b"\x00\xff", "t", "ann"))
        await bot.sees(TextReceived("hello bot", CHAT_TOPIC, "ann"))
        await bot.sees(DigitsReceived("5", "ann"))
        await bot.sees(DigitsReceived("#", "ann"))
        bot.voice.transcribe("s1", "good day", speaker="bot", is_final=True)
        await ann.sees(TextReceived("good day", TRANSCRIPTION_TOPIC, "bot"))


async def test_a_moderator_mutes_and_removes(by: str):
    async with open_relay(by) as relay:
        ann, bot = await relay.join("ann"), await relay.join("bot", kind="agent")
        bot.voice.listen("ann", on=True)
        relay.rooms.mute_track("room", "ann", ann.voice.place.track, True)
        await ann.sees(Muted(is_muted=True))
        await bot.until(lambda one: isinstance(one, MemberChanged) and not one.member.has_audio)
        relay.rooms.remove("room", "ann")
        await ann.sees(Removed("removed"))
        await bot.sees(MemberLeft("ann"))
        relay.rooms.delete("room")
        await bot.sees(Removed("room_deleted"))


async def test_the_same_identity_again_takes_the_place(by: str):
    async with open_relay(by) as relay:
        first = await relay.join("bot", kind="agent")
        second = await relay.join("bot", kind="agent")
        await first.sees(Removed("duplicate_identity"))
        await second.voice.leave()


@pytest.mark.parametrize(
    ("options", "code"),
    [({"secret": "x" * 32}, "room_token_invalid"), ({"kind": "standard"}, "room_join_refused")],
)
async def test_who_may_not_come_in_is_told(by: str, options: dict[str, Any], code: str):
    async with open_relay(by) as relay:
        with pytest.raises(UsageError) as refused:
            await relay.join("bot", **{"kind": "agent", **options})
        assert refused.value.code == code


async def test_a_member_over_a_lost_socket_is_back_and_goes_on():
    async with open_relay("socket") as relay:
        ann, bot = await relay.join("ann"), await relay.join("bot", kind="agent")
        bot.voice.listen("ann", on=True)
        bot.voice.set_attributes({"a": "1"})
        await ann.until(lambda one: isinstance(one, MemberChanged) and one.member.attributes.get("a") == "1")
        cut(bot.voice)
        await ann.sees(MemberLeft("bot"))
        before = len(ann.events) - 1
        await ann.until(
            lambda one: isinstance(one, MemberJoined | MemberChanged) and one.member.attributes.get("a") == "1",
            since=before,
        )
        ann.voice.speak(tone(440, 3), RATE)
        await bot.hears("ann", 440)


def cut(voice: Any) -> None:
    """Loses the socket without a word."""
    voice._connection._socket.close(1001)
