"""A member of a room over the relay's internal socket: joining, what is told and said, and what a lost socket costs."""

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from tests.fakes.loop import VirtualClock
from vox.clients.relay_voices import RECONNECT_S, RelayVoices
from vox.errors import DependencyError, UsageError
from vox.http.sockets import SocketListener
from vox.http.websocket import UpgradeRefusedError
from vox.media.rooms.contract import MAX_EVENTS, RoomVoice
from vox.protocols import relay_voices as wire
from vox.protocols.relay_voices import (
    Flush,
    Heard,
    Joined,
    Leave,
    Listen,
    Member,
    MemberJoined,
    MemberLeft,
    Mix,
    Removed,
    SetAttributes,
    SpeakersChanged,
    Speech,
    Transcribe,
)

pytestmark = pytest.mark.usefixtures("virtual_loop")
ANNA, BERT = Member("anna", "Anna"), Member("bert", "Bert")


class PlayedSocket:
    """The relay's end of one socket, and the member's."""

    def __init__(self, relay: "PlayedRelay", listener: SocketListener) -> None:
        self.is_open = True
        self.backlog_bytes = 0
        self.write_frames = None
        self.said: list[Any] = []
        self._relay = relay
        self._listener = listener

    def send(self, message: str | bytes) -> None:
        read = wire.decode_client(message)
        self.said.append(read)
        if isinstance(read, Leave) and self._relay.answers_leave:
            self.tell(Removed("left"))
            self.drop()

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.drop()

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None

    def tell(self, message: Any) -> None:
        self._listener.received(wire.encode(message) if not isinstance(message, str | bytes) else message)

    def drop(self) -> None:
        if self.is_open:
            self.is_open = False
            self._listener.closed(1006, "")


class PlayedRelay:
    """Takes sockets; `error` refuses them, and what is in `members` is there when somebody joins."""

    def __init__(self) -> None:
        self.sockets: list[PlayedSocket] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.members = [ANNA]
        self.error: Exception | None = None
        self.says_joined = True
        self.answers_leave = True
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(
        self, url: str, listener: SocketListener, *, headers: Iterable[tuple[str, str]] = (), **_options: Any
    ) -> PlayedSocket:
        self.asked.append((url, dict(headers)))
        if self.error is not None:
            raise self.error
        socket = PlayedSocket(self, listener)
        self.sockets.append(socket)
        listener.opened(socket)
        if self.says_joined:
            socket.tell(Joined("lobby", "agent-1", "PA_1", "TR_1", members=list(self.members)))
        return socket

    async def join(self, url: str = "ws://relay.example:7880") -> RoomVoice:
        def spawn(work: Any, name: str) -> None:
            self.tasks.append(asyncio.create_task(work, name=name))

        async def check(asked: str) -> str:
            return asked

        clock = VirtualClock(asyncio.get_running_loop())
        voices = RelayVoices(url, spawn=spawn, clock=clock, random=Random(1), check=check, connect=self.connect)
        return await voices.join("token")

    @property
    def socket(self) -> PlayedSocket:
        return self.sockets[-1]


async def read(voice: RoomVoice, count: int) -> list[Any]:
    events = voice.events()
    return [await anext(events) for _ in range(count)]


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("ws://relay.example:7880", "ws://relay.example:7880/internal/voices"),
        ("https://relay.example/", "wss://relay.example/internal/voices"),
    ],
)
async def test_a_member_joins_with_its_token_and_hears_who_is_there(url: str, opened: str):
    relay = PlayedRelay()
    voice = await relay.join(url)
    assert relay.asked == [(opened, {"Authorization": "Bearer token"})]
    assert (voice.place.room, voice.place.identity, voice.place.sid, voice.place.track) == (
        "lobby",
        "agent-1",
        "PA_1",
        "TR_1",
    )
    relay.socket.tell(Heard("anna", b"\x01\x02"))
    assert await read(voice, 2) == [MemberJoined(ANNA), Heard("anna", b"\x01\x02")]
    await voice.leave()
    await asyncio.gather(*relay.tasks)
    assert await read(voice, 1) == [Removed("left")]


async def test_what_the_member_does_goes_to_the_relay():
    relay = PlayedRelay()
    voice = await relay.join()
    voice.listen("anna", on=True)
    voice.mix(8_000)
    voice.speak(bytes(640), 16_000)
    voice.flush()
    voice.transcribe("s1", "hello", speaker="anna", is_final=True)
    voice.set_attributes({"a": "1"})
    assert relay.socket.said == [
        Listen("anna"), Mix(8_000), Speech(bytes(640), 16_000), Flush(),
        Transcribe("s1", "hello", "anna", is_final=True), SetAttributes({"a": "1"}),
    ]  # fmt: skip


async def test_how_much_is_still_to_be_heard_is_known_and_bounded():
    relay = PlayedRelay()
    voice = await relay.join()
    voice.speak(bytes(32_000), 16_000)
    assert voice.queued_ms() == 1_000
    await asyncio.sleep(0.4)
    assert voice.queued_ms() == 600
    voice.flush()
    assert voice.queued_ms() == 0
    voice.speak(bytes(32_000 * 40), 16_000)
    assert voice.queued_ms() == 30_000
    assert sum(len(said.pcm) for said in relay.socket.said if isinstance(said, Speech)) == 31 * 32_000


async def test_after_a_lost_socket_the_member_is_back_with_all_that_was_set():
    relay = PlayedRelay()
    voice = await relay.join()
    voice.listen("anna", on=True)
    voice.listen("bert", on=True)
    voice.listen("bert", on=False)
    voice.mix(16_000)
    voice.mute(on=True)
    voice.set_attributes({"a": "1"})
    relay.members = [BERT]
    relay.socket.drop()
    voice.speak(bytes(640), 16_000)  # lost, as on any line
    await asyncio.sleep(1)
    assert len(relay.sockets) == 2
    assert relay.socket.said == [Listen("anna"), Mix(16_000), wire.Mute(is_muted=True), SetAttributes({"a": "1"})]
    assert await read(voice, 3) == [MemberJoined(ANNA), MemberLeft("anna"), MemberJoined(BERT)]


async def test_a_relay_that_does_not_come_back_ends_the_stay():
    relay = PlayedRelay()
    voice = await relay.join()
    relay.error = DependencyError("no connection", code="connection_failed")
    relay.socket.drop()
    await asyncio.sleep(RECONNECT_S - 5)
    assert not relay.tasks[0].done()
    await asyncio.sleep(10)
    assert relay.tasks[0].done()
    assert await read(voice, 2) == [MemberJoined(ANNA), Removed("lost")]
    assert len(relay.asked) < 40
    voice.speak(bytes(640), 16_000)
    await voice.leave()


async def test_a_token_that_is_no_longer_taken_ends_the_stay_at_once():
    relay = PlayedRelay()
    voice = await relay.join()
    relay.error = UpgradeRefusedError("ws://relay", 401, {}, b"")
    relay.socket.drop()
    await asyncio.sleep(1)
    assert relay.tasks[0].done()
    assert await read(voice, 2) == [MemberJoined(ANNA), Removed("lost")]


async def test_once_removed_the_member_does_not_come_back():
    relay = PlayedRelay()
    voice = await relay.join()
    relay.socket.tell(Removed("room_deleted"))
    await asyncio.gather(*relay.tasks)
    assert len(relay.sockets) == 1
    assert await read(voice, 2) == [MemberJoined(ANNA), Removed("room_deleted")]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (UpgradeRefusedError("u", 401, {}, b""), UsageError, "room_token_invalid"),
        (UpgradeRefusedError("u", 403, {}, b""), UsageError, "room_join_refused"),
        (UpgradeRefusedError("u", 503, {}, b""), DependencyError, "relay_full"),
        (UpgradeRefusedError("u", 502, {}, b""), DependencyError, "relay_unreachable"),
        (DependencyError("x", code="connection_failed"), DependencyError, "relay_unreachable"),
    ],
)
async def test_a_join_that_is_refused_says_why(error: Exception, kind: type[Exception], code: str):
    relay = PlayedRelay()
    relay.error = error
    with pytest.raises(kind) as refused:
        await relay.join()
    assert refused.value.code == code  # type: ignore[attr-defined]
    assert not relay.tasks


async def test_a_relay_that_says_nothing_is_given_up():
    relay = PlayedRelay()
    relay.says_joined = False
    with pytest.raises(DependencyError) as failed:
        await relay.join()
    assert failed.value.code == "relay_unreachable"
    assert not relay.socket.is_open


async def test_garbage_is_passed_over_and_much_of_it_ends_the_socket():
    relay = PlayedRelay()
    voice = await relay.join()
    for _ in range(19):
        relay.socket.tell("garbage")
    assert relay.socket.is_open
    relay.socket.tell('{"type":"of_the_future"}')
    relay.socket.tell("garbage")
    assert not relay.sockets[0].is_open
    await asyncio.sleep(1)
    assert len(relay.sockets) == 2
    assert await read(voice, 1) == [MemberJoined(ANNA)]


async def test_who_does_not_read_loses_old_audio_first_and_is_then_removed():
    relay = PlayedRelay()
    voice = await relay.join()
    for number in range(MAX_EVENTS + 10):
        relay.socket.tell(Heard("anna", number.to_bytes(2, "little")))
    events = await read(voice, MAX_EVENTS)
    assert events[0] == MemberJoined(ANNA)
    assert events[-1] == Heard("anna", (MAX_EVENTS + 9).to_bytes(2, "little"))
    for _ in range(MAX_EVENTS + 1):
        relay.socket.tell(SpeakersChanged([]))
    assert await read(voice, 1) == [Removed("too_slow")]
    assert not relay.socket.is_open


async def test_a_relay_that_does_not_answer_the_good_bye_is_left_all_the_same():
    relay = PlayedRelay()
    relay.answers_leave = False
    voice = await relay.join()
    await voice.leave()
    await asyncio.gather(*relay.tasks)
    assert relay.socket.said == [Leave()]
    assert await read(voice, 2) == [MemberJoined(ANNA), Removed("left")]
