from typing import Any

import pytest
from livekit.protocol import models, rtc

from tests.fakes.relay_client import PlayedRelay
from vox.errors import DependencyError, UsageError
from vox.media.rooms.contract import MAX_EVENTS, RoomVoice
from vox.protocols import relay_voices as wire
from vox.relay.rooms.admission import Admission
from vox.relay.voices.local import LocalVoices
from vox.relay.voices.member import VoiceMember
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

KEY = RoomKey("key", "secret-secret-secret-secret-secret")
MICROPHONE = models.TrackSource.MICROPHONE


def token(relay: PlayedRelay, identity: str = "bot", kind: str = "agent", **grant: Any) -> str:
    said: dict[str, Any] = {"room_join": True, "room": "room", "can_update_own_metadata": True} | grant
    video = VideoGrant(**said)
    claims = RoomClaims(sub=identity, name="Bot", kind=kind, video=video)
    return sign_room_token(KEY, claims, now=relay.clock.unix(), lifetime_s=60)


async def enter(relay: PlayedRelay, identity: str = "bot", kind: str = "agent", **grant: Any) -> RoomVoice:
    voices = LocalVoices(relay.rooms, Admission({KEY.key: KEY.secret}, relay.clock))
    voice = await voices.join(token(relay, identity, kind, **grant))
    relay.settle()
    return voice


async def happened(voice: RoomVoice, relay: PlayedRelay) -> list[Any]:
    """All that has happened to a voice; it leaves to bring its events to their end."""
    relay.settle()
    await voice.leave()
    return [event async for event in voice.events()]


def of(events: list[Any], kind: type) -> list[Any]:
    return [one for one in events if isinstance(one, kind)]


async def test_a_voice_is_a_member_like_any_other_and_is_heard():
    relay = PlayedRelay()
    ann = relay.join("ann")
    voice = await enter(relay)
    seen = ann.sees("bot")
    assert (seen.kind, seen.name, seen.state) == (models.ParticipantInfo.AGENT, "Bot", models.ParticipantInfo.ACTIVE)
    assert seen.tracks[0].sid == voice.place.track
    assert seen.tracks[0].source == MICROPHONE
    assert ann.receives() == {voice.place.track}
    voice.speak(bytes(640), 16_000)
    assert voice.queued_ms() == 20
    voice.flush()
    assert voice.queued_ms() == 0
    assert (voice.place.room, voice.place.identity, voice.place.sid) == ("room", "bot", seen.sid)
    assert isinstance((await happened(voice, relay))[-1], wire.Removed)
    assert ann.sees("bot").state == models.ParticipantInfo.DISCONNECTED
    assert not relay.engine.voices


async def test_who_is_there_and_who_comes_and_goes():
    relay = PlayedRelay()
    ann = relay.join("ann", name="Ann")
    ann.publish(encryption=models.Encryption.GCM)
    voice = await enter(relay)
    bob = relay.join("bob", kind="sip")
    bob.publish()
    bob.ask(mute=rtc.MuteTrackRequest(sid=bob.last("track_published").track.sid, muted=True))
    bob.ask(leave=rtc.LeaveRequest())
    events = await happened(voice, relay)
    first = events[0]
    assert isinstance(first, wire.MemberJoined)
    assert (first.member.identity, first.member.name, first.member.is_encrypted) == ("ann", "Ann", True)
    joined = of(events, wire.MemberJoined)[1].member
    assert (joined.identity, joined.kind, joined.has_audio) == ("bob", "sip", False)
    assert [one.member.has_audio for one in of(events, wire.MemberChanged)] == [True, False]
    assert of(events, wire.MemberLeft) == [wire.MemberLeft("bob")]


async def test_hearing_one_apart_over_their_tracks():
    relay = PlayedRelay()
    voice = await enter(relay)
    voice.listen("ann", on=True)
    ann = relay.join("ann")
    ann.publish()
    (tap,) = relay.engine.taps
    assert relay.engine.taps[tap][2] == 16_000
    relay.engine.heard[tap].append(b"\1\0" * 320)
    relay.engine.happens("taps", [tap, 999])
    relay.settle()
    voice.listen("ann", on=False)
    assert not relay.engine.taps
    events = await happened(voice, relay)
    assert of(events, wire.Heard) == [wire.Heard("ann", b"\1\0" * 320)]


async def test_neither_encrypted_nor_withheld_audio_is_heard():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.publish(encryption=models.Encryption.GCM)
    bob.publish()
    voice = await enter(relay)
    voice.listen("ann", on=True)
    voice.listen("bob", on=True)
    assert len(relay.engine.taps) == 1
    bob.ask(subscription_permission=rtc.SubscriptionPermission())
    assert not relay.engine.taps
    bob.ask(subscription_permission=rtc.SubscriptionPermission(all_participants=True))
    assert len(relay.engine.taps) == 1


async def test_the_mix_is_everyone_but_oneself_and_the_encrypted():
    relay = PlayedRelay()
    ann = relay.join("ann")
    voice = await enter(relay)
    own = next(iter(relay.engine.voices))
    voice.mix(8_000)
    (tap,) = relay.engine.taps
    assert relay.engine.taps[tap][0] == "mix"
    assert relay.engine.excluded == [(tap, own)]
    ann.publish(encryption=models.Encryption.GCM)
    assert relay.engine.excluded[1:] == [(tap, next(iter(relay.engine.tracks)))]
    relay.engine.heard[tap].append(bytes(320))
    relay.engine.happens("taps", [tap])
    relay.settle()
    voice.mix(None)
    assert not relay.engine.taps
    assert of(await happened(voice, relay), wire.Heard) == [wire.Heard("", bytes(320))]


async def test_what_is_not_permitted_comes_back_as_refused():
    relay = PlayedRelay()
    voice = await enter(relay, can_publish=False, can_subscribe=False, can_update_own_metadata=False)
    assert voice.place.track == ""
    voice.speak(bytes(640), 16_000)
    voice.listen("ann", on=True)
    voice.mix(8_000)
    voice.mix(7_000)
    voice.send_data(b"x")
    voice.set_attributes({"a": "b"})
    refused = of(await happened(voice, relay), wire.Refused)
    assert [(one.command, one.code) for one in refused] == [
        ("speech", "publish_denied"),
        ("listen", "subscribe_denied"),
        ("mix", "subscribe_denied"),
        ("mix", "audio_invalid"),
        ("send_data", "data_denied"),
        ("set_attributes", "metadata_denied"),
    ]


async def test_audio_that_waits_is_bounded():
    relay = PlayedRelay()
    voice = await enter(relay)
    for _ in range(40):
        voice.speak(bytes(32_000), 16_000)
    assert voice.queued_ms() == 30_000
    assert {one.code for one in of(await happened(voice, relay), wire.Refused)} == {"audio_queue_full"}


async def test_data_and_texts_both_ways():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    voice = await enter(relay)
    voice.send_data(b"hi", topic="t", to=["ann"])
    assert not bob.packets()
    packet = ann.packets()[0]
    assert (packet.user.payload, packet.user.topic, packet.participant_identity) == (b"hi", "t", "bot")
    ann.peer.received.clear()
    voice.send_text("Grüße " * 5_000)
    header, *chunks, trailer = ann.packets()
    assert header.stream_header.topic == "lk.chat"
    assert header.stream_header.total_length == len(("Grüße " * 5_000).encode())
    assert b"".join(one.stream_chunk.content for one in chunks).decode() == "Grüße " * 5_000
    assert all(one.stream_chunk.content.decode() for one in chunks)
    assert trailer.stream_trailer.stream_id == header.stream_header.stream_id
    for one in (header, *chunks, trailer):
        ann.data(one)
    ann.data(models.DataPacket(user=models.UserPacket(payload=b"yo", topic="t")))
    ann.data(models.DataPacket(sip_dtmf=models.SipDTMF(code=5, digit="5")))
    ann.data(models.DataPacket(chat_message=models.ChatMessage(message="old chat")))
    events = await happened(voice, relay)
    assert of(events, wire.DataReceived) == [wire.DataReceived(b"yo", "t", "ann")]
    assert of(events, wire.DigitsReceived) == [wire.DigitsReceived("5", "ann")]
    assert of(events, wire.TextReceived) == [
        wire.TextReceived("Grüße " * 5_000, "lk.chat", "ann"),
        wire.TextReceived("old chat", "lk.chat", "ann"),
    ]


async def test_transcripts_go_out_as_stream_and_as_packet_in_the_speakers_name():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    track = ann.publish()
    voice = await enter(relay)
    voice.transcribe("seg", "hello", speaker="ann", is_final=True, language="en")
    header, chunk, _, old = bob.packets()
    assert (header.participant_identity, header.participant_sid) == ("ann", voice.place.sid)
    assert dict(header.stream_header.attributes) == {
        "lk.segment_id": "seg",
        "lk.transcription_final": "true",
        "lk.transcribed_track_id": track,
        "lk.language": "en",
    }
    assert chunk.stream_chunk.content == b"hello"
    assert old.transcription.transcribed_participant_identity == "ann"
    assert (old.transcription.track_id, old.transcription.segments[0].text) == (track, "hello")
    voice.send_digits("1#x")
    assert [one.sip_dtmf.digit for one in bob.packets()[4:]] == ["1", "#"]


async def test_attributes_mute_and_a_moderators_mute():
    relay = PlayedRelay()
    ann = relay.join("ann")
    voice = await enter(relay)
    voice.set_attributes({"lk.agent.state": "listening"})
    voice.set_metadata("m")
    assert (dict(ann.sees("bot").attributes), ann.sees("bot").metadata) == ({"lk.agent.state": "listening"}, "m")
    voice.mute(on=True)
    assert ann.sees("bot").tracks[0].muted
    relay.rooms.mute_track("room", "bot", voice.place.track, False)
    assert of(await happened(voice, relay), wire.Muted) == [wire.Muted(False)]


async def test_speakers_come_loudest_first():
    relay = PlayedRelay()
    ann, bob = relay.join("ann"), relay.join("bob")
    ann.publish()
    bob.publish()
    voice = await enter(relay)
    first, second = relay.engine.tracks
    relay.engine.happens("speakers", next(iter(relay.engine.rooms)), [(first, 0.2, True), (second, 0.9, True)])
    speakers = of(await happened(voice, relay), wire.SpeakersChanged)[0].speakers
    assert [one.identity for one in speakers] == ["bob", "ann"]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda relay: relay.rooms.remove("room", "bot"), "removed"),
        (lambda relay: relay.rooms.delete("room"), "room_deleted"),
        (lambda relay: relay.rooms.drain(), "server_shutdown"),
        (lambda relay: relay.join("bot"), "duplicate_identity"),
    ],
)
async def test_the_end_has_a_reason(end, reason):
    relay = PlayedRelay()
    voice = await enter(relay)
    end(relay)
    assert [event async for event in voice.events()][-1] == wire.Removed(reason)
    voice.speak(bytes(640), 16_000)
    await voice.leave()
    assert not relay.engine.taps


async def test_a_reader_who_does_not_read_is_taken_out_of_the_room():
    relay = PlayedRelay()
    ann = relay.join("ann")
    voice = await enter(relay)
    for number in range(MAX_EVENTS + 10):
        ann.data(models.DataPacket(user=models.UserPacket(payload=str(number).encode())))
    assert ann.sees("bot").state == models.ParticipantInfo.DISCONNECTED
    assert [event async for event in voice.events()] == [wire.Removed("too_slow")]


async def test_tokens_are_checked():
    relay = PlayedRelay(participants_in_all=1)
    voices = LocalVoices(relay.rooms, Admission({KEY.key: KEY.secret}, relay.clock))
    with pytest.raises(UsageError) as caught:
        await voices.join("nonsense")
    assert caught.value.code == "room_token_invalid"
    with pytest.raises(UsageError) as caught:
        await voices.join(token(relay, kind="standard"))
    assert caught.value.code == "room_join_refused"
    relay.join("ann")
    with pytest.raises(DependencyError) as refused:
        await voices.join(token(relay))
    assert refused.value.code == "relay_full"


async def test_what_members_say_of_themselves_fits_into_what_the_internal_socket_carries():
    relay = PlayedRelay()
    relay.join("loud", attributes={"k" * 300: "v", "kind": "v"})
    for number in range(40):
        relay.join(f"big-{number}", attributes={f"a{one}": "v" * 4_000 for one in range(14)})
    claims = RoomClaims(sub="bot", kind="agent", video=VideoGrant(room_join=True, room="room"))
    joined = VoiceMember(relay.rooms, claims, lambda _event: None).join()
    read = wire.decode_server(wire.encode(joined))
    assert isinstance(read, wire.Joined)
    assert len(read.members) == 41
    assert read.members[0].attributes == {"kind": "v"}
    assert read.members[1].attributes
