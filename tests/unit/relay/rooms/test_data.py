import asyncio
from typing import Any

import pytest
from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay
from vox.errors import UsageError, VoxError


def user(payload: bytes = b"hello", **fields: Any) -> models.DataPacket:
    return models.DataPacket(user=models.UserPacket(payload=payload), **fields)


def test_packets_are_stamped_with_their_sender_and_go_to_everyone_else():
    relay = PlayedRelay()
    ann, bob, cid = relay.join("ann"), relay.join("bob"), relay.join("cid")
    ann.data(user(participant_identity="bob", participant_sid="PA_forged"))
    for client in (bob, cid):
        packet = client.packets()[0]
        assert (packet.participant_identity, packet.participant_sid) == ("ann", ann.sid)
        assert packet.user.participant_identity == "ann"
        assert packet.user.payload == b"hello"
    assert not ann.packets()


def test_lossy_packets_stay_lossy():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.data(user(), label="_lossy")
    assert bob.peer.received[0][0] == "_lossy"
    ann.data(user(), label="another")
    assert len(bob.peer.received) == 1


@pytest.mark.parametrize(
    "packet",
    [
        user(destination_identities=["cid"]),
        models.DataPacket(user=models.UserPacket(payload=b"x", destination_identities=["cid"])),
    ],
)
def test_destinations_are_honoured(packet):
    relay = PlayedRelay()
    ann, bob, cid = relay.join("ann"), relay.join("bob"), relay.join("cid")
    ann.data(packet)
    assert not bob.packets()
    assert len(cid.packets()) == 1


def test_destination_sids_and_absent_ones():
    relay = PlayedRelay()
    ann, bob, cid = relay.join("ann"), relay.join("bob"), relay.join("cid")
    ann.data(models.DataPacket(user=models.UserPacket(payload=b"x", destination_sids=[cid.sid])))
    ann.data(models.DataPacket(user=models.UserPacket(payload=b"y", destination_sids=["PA_gone"])))
    assert not bob.packets()
    assert len(cid.packets()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"rpc_request": models.RpcRequest(id="1", method="m", payload="p")},
        {"rpc_ack": models.RpcAck(request_id="1")},
        {"rpc_response": models.RpcResponse(request_id="1", payload="p")},
        {"transcription": models.Transcription(segments=[models.TranscriptionSegment(text="t")])},
        {"chat_message": models.ChatMessage(message="hi")},
        {"sip_dtmf": models.SipDTMF(code=1, digit="1")},
        {"stream_header": models.DataStream.Header(stream_id="s", topic="lk.chat")},
        {"stream_chunk": models.DataStream.Chunk(stream_id="s", content=b"c")},
        {"stream_trailer": models.DataStream.Trailer(stream_id="s")},
        {"encrypted_packet": models.EncryptedPacket(encrypted_value=b"secret")},
    ],
)
def test_every_kind_of_packet_passes_untouched(fields):
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.data(models.DataPacket(**fields))
    packet = bob.packets()[0]
    kind = next(iter(fields))
    assert packet.WhichOneof("value") == kind
    assert getattr(packet, kind) == fields[kind]
    assert packet.participant_identity == "ann"


def test_agents_alone_may_speak_for_who_is_in_the_room():
    relay = PlayedRelay()
    bot, ann, bob = relay.join("bot", kind="agent"), relay.join("ann"), relay.join("bob")
    header = models.DataStream.Header(stream_id="s", topic="lk.transcription")
    bot.data(models.DataPacket(stream_header=header, participant_identity="ann"))
    bot.data(models.DataPacket(stream_header=header, participant_identity="absent"))
    ann.data(models.DataPacket(stream_header=header, participant_identity="bob"))
    assert [one.participant_identity for one in bob.packets()] == ["ann", "bot", "ann"]


def test_hidden_senders_stay_unnamed():
    relay = PlayedRelay()
    spy, bob = relay.join("spy", grant={"hidden": True}), relay.join("bob")
    spy.data(user())
    assert (bob.packets()[0].participant_identity, bob.packets()[0].participant_sid) == ("", "")


def test_garbage_and_giants_are_dropped_and_counted():
    relay = PlayedRelay(data_bytes=64_000)
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.data(user(b"x" * 64_001))
    relay.engine.happens("data", ann.participant.publisher, "_reliable", b"\xff\xff\xff", True)
    ann.data(models.DataPacket(speaker=models.ActiveSpeakerUpdate()))
    ann.data(models.DataPacket())
    assert not bob.packets()
    assert relay.refused == ["data_too_large", "data_malformed", "data_malformed", "data_malformed"]


def test_a_repeated_reliable_packet_is_delivered_once():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    for sequence in (1, 2, 2, 1, 3):
        ann.data(user(str(sequence).encode(), sequence=sequence))
    assert [one.user.payload for one in bob.packets()] == [b"1", b"2", b"3"]
    ann.resume()
    assert ann.first("reconnect").last_message_seq == 3


def test_who_resumes_gets_the_reliable_packets_it_lacks():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    for sequence in (1, 2, 3):
        ann.data(user(str(sequence).encode(), sequence=sequence))
    ann.data(user(b"for ann", sequence=4, destination_identities=["cid"]))
    bob.resume()
    bob.peer.received.clear()
    state = rtc.DataChannelReceiveState(publisher_sid=ann.sid, last_seq=1)
    bob.ask(sync_state=rtc.SyncState(datachannel_receive_states=[state]))
    assert [one.user.payload for one in bob.packets()] == [b"2", b"3"]


def test_what_is_kept_for_resumes_is_bounded():
    relay = PlayedRelay(replay_bytes=1_000)
    ann = relay.join("ann")
    for sequence in range(1, 100):
        ann.data(user(b"x" * 100, sequence=sequence))
    assert sum(len(one.payload) for one in ann.participant.replay) <= 1_000


def test_a_full_channel_makes_reliable_data_wait_in_order():
    relay = PlayedRelay(backlog_bytes=1_000)
    ann, bob, cid = relay.join("ann"), relay.join("bob"), relay.join("cid")
    bob.peer.is_full = True
    for number in range(30):
        ann.data(user(f"{number:0100}".encode()))
    assert len(cid.packets()) == 30
    assert relay.refused.count("data_backlog_full") > 10
    waiting = len(bob.participant.backlog)
    bob.peer.is_full = False
    ann.data(user(b"last"))
    relay.engine.happens("channel", bob.participant.subscriber, "_reliable")
    relay.settle()
    payloads = [one.user.payload for one in bob.packets()]
    assert payloads[:waiting] == [f"{number:0100}".encode() for number in range(waiting)]
    assert bob.participant.backlog_bytes == 0


def test_a_server_sends_to_all_or_to_some():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    relay.rooms.send_data("room", b"all", reliable=True, topic="news")
    relay.rooms.send_data("room", b"one", reliable=False, destination_identities=["bob"])
    relay.rooms.send_data("room", b"sid", reliable=True, destination_sids=[ann.sid])
    assert [one.user.payload for one in ann.packets()] == [b"all", b"sid"]
    assert [one.user.payload for one in bob.packets()] == [b"all", b"one"]
    assert bob.packets()[0].user.topic == "news"
    with pytest.raises(UsageError) as caught:
        relay.rooms.send_data("room", b"x" * 100_000, reliable=True)
    assert caught.value.code == "data_too_large"


async def test_a_server_calls_a_method():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    async with asyncio.TaskGroup() as group:
        call = group.create_task(relay.rooms.perform_rpc("room", "ann", "greet", "hi", 5.0))
        await asyncio.sleep(0)
        request = ann.packets()[0].rpc_request
        assert (request.method, request.payload) == ("greet", "hi")
        ann.data(models.DataPacket(rpc_ack=models.RpcAck(request_id=request.id)))
        ann.data(models.DataPacket(rpc_response=models.RpcResponse(request_id=request.id, payload="hello")))
    assert call.result() == "hello"
    assert not bob.packets()


async def test_a_call_fails_with_the_participants_own_error():
    relay = PlayedRelay()
    ann = relay.join("ann")
    call = asyncio.ensure_future(relay.rooms.perform_rpc("room", "ann", "greet", "hi", 5.0))
    await asyncio.sleep(0)
    error = models.RpcError(code=1500, message="no")
    request = ann.packets()[0].rpc_request
    ann.data(models.DataPacket(rpc_response=models.RpcResponse(request_id=request.id, error=error)))
    with pytest.raises(VoxError) as caught:
        await call
    assert caught.value.code == "rpc_failed"
    assert not relay.rooms.find_room("room").replies


def test_a_sender_named_again_and_again_is_replayed_once():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    for sequence in (1, 2, 3):
        ann.data(user(str(sequence).encode(), sequence=sequence))
    bob.resume()
    bob.peer.received.clear()
    states = [rtc.DataChannelReceiveState(publisher_sid=ann.sid, last_seq=1)] * 100
    bob.ask(sync_state=rtc.SyncState(datachannel_receive_states=states))
    assert [one.user.payload for one in bob.packets()] == [b"2", b"3"]
