"""Any sequence of requests, as the protocol's types allow it: no exception, nothing left behind, the others go on."""

from random import Random
from typing import Any

import pytest
from google.protobuf import descriptor
from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay, sdp, section
from vox.relay.rooms.events import TrackPublished
from vox.relay.rooms.participant import JoinSettings
from vox.relay.signalling.join_request import Arrival

STEPS = 400
GRANT = {"can_update_own_metadata": True}
_Field = descriptor.FieldDescriptor
_KINDS = [field.name for field in rtc.SignalRequest.DESCRIPTOR.oneofs_by_name["message"].fields]


class Fuzz:
    """Fills messages with values that are odd, or known to the relay."""

    def __init__(self, random: Random, *, is_single: bool) -> None:
        self.random = random
        self.left_out = {"leave", "simulate", "answer"} if is_single else {"leave", "simulate"}
        self.texts = ["", "x", "mic", "cam", "\0", "é" * 300]
        self.sdps = [
            sdp(section("audio", 0, "mic")),
            sdp(section("audio", 0, "mic", "inactive"), section("video", 1, "cam")),
            sdp(section("audio", 0, direction="recvonly"), section("video", 1, direction="recvonly")),
            "",
            "m=",
        ]

    def fill(self, message: Any, depth: int = 0) -> Any:
        """The message, with some of its fields set."""
        for field in message.DESCRIPTOR.fields:
            if field.containing_oneof is not None or self.random.random() < 0.3 or depth > 4:
                continue
            is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
            if is_map:
                continue
            if field.message_type is not None:
                inner = getattr(message, field.name)
                self.fill(inner.add() if field.is_repeated else inner, depth + 1)
            elif field.is_repeated:
                getattr(message, field.name).extend(self.value(field) for _ in range(self.random.randrange(4)))
            else:
                setattr(message, field.name, self.value(field))
        return message

    def value(self, field: descriptor.FieldDescriptor) -> Any:
        if field.name == "sdp":
            return self.random.choice(self.sdps if self.random.random() < 0.05 else self.sdps[:3])
        if field.enum_type is not None:
            return self.random.choice(field.enum_type.values).number
        match field.type:
            case _Field.TYPE_STRING:
                return self.random.choice(self.texts)
            case _Field.TYPE_BYTES:
                return self.random.randbytes(self.random.randrange(9))
            case _Field.TYPE_BOOL:
                return self.random.random() < 0.5
            case _Field.TYPE_FLOAT | _Field.TYPE_DOUBLE:
                return self.random.random()
            case _:
                return self.random.choice([0, 1, 2, 2**31 - 1])

    def request(self) -> rtc.SignalRequest:
        """Any request but those that end the session; often one that publishes."""
        chance = self.random.random()
        if chance < 0.15:
            source = models.TrackSource.MICROPHONE
            return rtc.SignalRequest(add_track=rtc.AddTrackRequest(cid=self.random.choice(["mic", "x"]), source=source))
        if chance < 0.3:
            return rtc.SignalRequest(offer=rtc.SessionDescription(type="offer", sdp=self.random.choice(self.sdps[:3])))
        kind = self.random.choice([one for one in _KINDS if one not in self.left_out])
        request = rtc.SignalRequest()
        part = getattr(request, kind)
        if isinstance(part, int):
            request.ping = self.random.choice([-1, 0, 2**60])
        else:
            part.SetInParent()
            self.fill(part)
        return request

    def packet(self) -> models.DataPacket:
        """Any data packet."""
        packet = models.DataPacket()
        self.fill(packet)
        fields = models.DataPacket.DESCRIPTOR.oneofs_by_name["value"].fields
        part = getattr(packet, self.random.choice(fields).name)
        part.SetInParent()
        self.fill(part)
        return packet


@pytest.mark.parametrize("seed", range(12))
def test_whatever_two_clients_ask_for(seed: int):
    random = Random(seed)
    fuzz = Fuzz(random, is_single=bool(seed % 2))
    relay = PlayedRelay(tracks=6)
    witness = relay.join("witness")
    single = Arrival(JoinSettings(is_single=bool(seed % 2)))
    clients = [relay.join(f"client-{number}", arrival=single, grant=GRANT) for number in range(2)]
    for step in range(STEPS):
        number = random.randrange(2)
        client = clients[number]
        if not client.socket.is_open or random.random() < 0.01:
            clients[number] = client = relay.join(client.claims.sub, arrival=single, grant=GRANT)
        elif random.random() < 0.02:
            client.resume(sid=relay.rooms.participant("room", client.claims.sub).sid)
        fuzz.texts += [one.sid for one in relay.rooms.participants("room")]
        fuzz.texts += [track.sid for one in relay.rooms.participants("room") for track in one.tracks]
        del fuzz.texts[6:-12]
        if random.random() < 0.2 and client.is_here:
            client.data(fuzz.packet())
        else:
            client.raw(fuzz.request().SerializeToString())
        if step % 20 == 0:
            relay.pass_time(1)
            witness.answer_all()
            for one in clients:
                if one.is_here and random.random() < 0.7:
                    one.answer_all()
    for client in clients:
        if client.is_here:
            client.ask(leave=rtc.LeaveRequest())
    assert witness.socket.is_open
    witness.answer_all()
    assert witness.publish()
    assert [one.identity for one in relay.rooms.participants("room")] == ["witness"]
    assert len(relay.engine.peers) == 2
    assert len(relay.engine.tracks) == 1
    assert witness.receives() == set()
    assert sum(isinstance(one, TrackPublished) for one in relay.events) > 5
