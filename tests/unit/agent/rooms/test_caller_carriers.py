"""A caller enters a room over each carrier's own media stream: keys, the caller's sound, the room's sound, and both ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.unit.agent.rooms.phone_world import PhoneWorld
from tests.unit.agent.transports.sockets import FakeSocket, opening
from vox.agent.call.transport import CallInfo
from vox.agent.rooms.caller import RoomCaller
from vox.agent.transports.telephony import TelephonyTransport
from vox.media import g711
from vox.media.levels import rms
from vox.protocols.carriers.detect import CARRIERS
from vox.protocols.media_stream import CarrierCodec, StreamAudio

pytestmark = pytest.mark.usefixtures("virtual_loop")
SOUND = b"\x00\x10\x00\xf0" * 8_000


class Line:
    """One carrier's stream with a caller in it."""

    def __init__(self, world: PhoneWorld, carrier: str) -> None:
        self.world = world
        self.socket = FakeSocket()
        self.codec: CarrierCodec
        self.codec, self.messages = opening(carrier)
        self.calls: list[RoomCaller] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.link = TelephonyTransport(
            world.resources, lambda _: world.caller.agent, lambda _: None, divert=self._divert
        )
        self.link.opened(self.socket)

    def _divert(self, link: TelephonyTransport, info: CallInfo, rate: int) -> RoomCaller:
        made = RoomCaller(self.world.parts, self.world.caller.agent, link, info, input_rate=rate)
        self.calls.append(made)
        self.tasks.append(asyncio.create_task(made.run()))
        return made

    def press(self, keys: str) -> None:
        for key in keys:
            self.link.received(self.codec.digit(key))

    def heard(self) -> bytes:
        """What the carrier got since this was asked last, s16le."""
        sent, self.socket.sent = self.socket.sent, []
        heard = b""
        for message in sent:
            for event in self.codec.receive(message):
                if isinstance(event, StreamAudio):
                    encoding = self.link.encoding
                    heard += event.payload if encoding == "s16le" else g711.decode(event.payload, encoding)
        return heard


@asynccontextmanager
async def line(carrier: str) -> AsyncGenerator[Line]:
    made = Line(PhoneWorld(), carrier)
    for message in made.messages:
        made.link.received(message)
    yield made
    made.link.closed(1000, "")
    await asyncio.gather(*made.tasks)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_of_any_carrier_enters_hears_is_heard_and_leaves(carrier: str):
    async with line(carrier) as phone:
        room = phone.world.room
        await asyncio.sleep(0.5)
        assert rms(phone.heard()) > 0.01  # the question for the code
        phone.press("1234#")
        await asyncio.sleep(3)
        phone.heard()
        assert room.mix_rate == phone.link.sample_rate
        room.sounds("", SOUND[: phone.link.sample_rate])
        await asyncio.sleep(0.2)
        assert rms(phone.heard()) > 0.05
        audio = SOUND if phone.codec.encoding == "s16le" else g711.encode(SOUND, phone.codec.encoding)
        phone.link.received(phone.codec.audio(audio[:320], timestamp_ms=0))
        assert rms(room.spoken[-1][1]) > 0.05
        assert room.spoken[-1][2] == phone.codec.sample_rate
        phone.press("*2")
        assert room.attributes["vox.hand_raised"] == "true"
        phone.press("#")
        await asyncio.sleep(3)
        assert room.has_left
        assert phone.socket.closed is not None


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_hangs_up_is_out_of_the_room(carrier: str):
    async with line(carrier) as phone:
        await asyncio.sleep(0.5)
        phone.press("1234#")
        await asyncio.sleep(3)
        phone.link.closed(1006, "")
        await asyncio.gather(*phone.tasks)
        assert phone.world.room.has_left
