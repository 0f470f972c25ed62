import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocols.pipecat_reference import official, text, to_official, u64
from vox.errors import PeerError
from vox.protocols.agent_events import (
    AgentReady,
    BotInterrupted,
    ClientAudio,
    ClientInterrupt,
    ClientReady,
    ClientRequest,
    ClientSpeak,
    ClientText,
    ErrorResponse,
    ResponseText,
    SentenceProgress,
    ServerMessage,
    ServerResponse,
    SpeakingChanged,
    UserTranscript,
)
from vox.protocols.agent_protobuf import (
    ProtobufCodec,
    decode_server_message,
    encode_client_audio,
    encode_client_message,
)
from vox.protocols.pipecat_frames import (
    AudioRawFrame,
    InterruptionFrame,
    MessageFrame,
    TextFrame,
    TranscriptionFrame,
    decode_frame,
    encode_frame,
)
from vox.protocols.rtvi import client_message


def codec(*, rtvi=False, **options) -> ProtobufCodec:
    made = ProtobufCodec(**options)
    if rtvi:
        made.receive(encode_client_message(client_message("client-ready", {"version": "2.1.0"}, id_="r1")))
    return made


def rtvi_messages(sent) -> list[dict[str, Any]]:
    found = []
    for message in sent:
        frame = decode_server_message(message)
        assert isinstance(frame, MessageFrame)
        found.append(json.loads(frame.data))
    return found


@given(st.binary(max_size=4000), st.sampled_from([8000, 16000, 24000, 48000]))
def test_agent_audio_is_what_the_protobuf_package_expects(pcm, rate):
    sender = codec()
    for number in (1, 2):
        audio = official().FromString(sender.audio(pcm, rate)).audio
        assert (audio.audio, audio.sample_rate, audio.num_channels) == (pcm, rate, 1)
        assert (audio.id, audio.name) == (number, f"TTSAudioRawFrame#{number}")


def test_audio_is_right_after_the_counter_needs_more_bytes():
    sender = codec()
    for number in range(1, 20_001):
        message = sender.audio(b"\x01\x02" * 320, 16000)
        if number in {127, 128, 9999, 16384, 20_000}:
            assert official().FromString(message).audio.name == f"TTSAudioRawFrame#{number}"
            assert official().FromString(message).audio.id == number


@given(
    st.binary(max_size=2000).map(lambda pcm: pcm[: len(pcm) // 2 * 2]), st.sampled_from([8000, 16000, 48000]), u64, text
)
def test_microphone_audio_arrives_from_any_encoder(pcm, rate, id_, name):
    expected = [ClientAudio(pcm, rate)] if pcm else []
    assert codec().receive(encode_client_audio(pcm, rate)) == expected
    theirs = to_official(AudioRawFrame(pcm, rate, 1, id_, name)).SerializeToString()
    assert codec().receive(theirs) == expected


def test_a_frame_with_presentation_time_and_no_rate_is_16_khz_mono():
    assert codec().receive(encode_frame(AudioRawFrame(bytes(640), 0, 0, pts=77))) == [ClientAudio(bytes(640), 16000, 1)]


def test_the_opcode_does_not_matter():
    assert codec().receive(encode_frame(TextFrame("hello")).decode()) == [ClientSpeak("hello")]


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_but_peer_errors(data):
    for message in (data, b"\x12" + data, b"\x22" + bytes((len(data) & 0x7F,)) + data, encode_frame(MessageFrame("{"))):
        try:
            codec().receive(message)
        except PeerError as error:
            assert error.code == "malformed_message"  # noqa: PT017  others are fine


@pytest.mark.parametrize("cut", range(1, 23))
def test_cut_off_frames_are_refused(cut):
    message = encode_frame(AudioRawFrame(b"\x01\x02\x03\x04", 16000, 1, 300, "audio"))
    assert len(message) == 23
    with pytest.raises(PeerError) as caught:
        codec().receive(message[:cut])
    assert caught.value.code == "malformed_message"


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a" + b"\xff" * 9 + b"\x02",  # a length over 64 bits
        b"\x0a" + b"\x80" * 11,  # a number that does not end
        b"\x0a\xff\xff\xff\xff\x0f",  # a length over the message's end
        b"\x02\x00",  # field number 0
        b"\x0b",  # a group
        b"\x0a\x03\x1a\x01\xff",  # text that is not UTF-8
        b"\x12\x03\x1a\x01\x00",  # half a sample
        encode_frame(AudioRawFrame(bytes(640), 700, 1)),
        encode_frame(AudioRawFrame(bytes(640), 16000, 9)),
        encode_frame(MessageFrame("no json")),
        encode_frame(MessageFrame("[]")),
    ],
)
def test_broken_messages_are_refused_with_a_code(message):
    with pytest.raises(PeerError) as caught:
        codec().receive(message)
    assert caught.value.code == "malformed_message"


def test_unknown_fields_are_skipped():
    extra = b"\x38\x05" + b"\x41" + bytes(8) + b"\x4d" + bytes(4) + b"\x52\x02hi"
    body = b"\x1a\x02ab" + extra
    assert decode_frame(extra + b"\x0a" + bytes((len(body),)) + body) == TextFrame("ab")
    assert codec().receive(extra) == []


def test_a_message_over_the_limit_is_refused():
    with pytest.raises(PeerError) as caught:
        codec(max_message_bytes=100).receive(encode_client_audio(bytes(640), 16000))
    assert caught.value.code == "message_too_large"


def test_a_plain_client_speaks_types_and_interrupts():
    plain = codec()
    assert plain.receive(encode_frame(TextFrame("say this"))) == [ClientSpeak("say this")]
    assert plain.receive(encode_frame(TranscriptionFrame("I said"))) == [ClientText("I said")]
    assert plain.receive(encode_frame(InterruptionFrame())) == [ClientInterrupt()]
    message = {"id": "7", "type": "order", "n": 1}
    assert plain.receive(encode_client_message(message)) == [ClientRequest("7", "order", message)]
    assert plain.receive(encode_client_message({"label": "other"})) == []


def test_a_plain_client_gets_the_originals_frames_and_nothing_else():
    plain = codec()
    said = plain.encode(UserTranscript("hi", is_final=True, timestamp="2026-01-01T00:00:00Z", user_id="u"))
    expected = TranscriptionFrame("hi", "u", "2026-01-01T00:00:00Z", 1, "TranscriptionFrame#1")
    assert [decode_server_message(m) for m in said] == [expected]
    sentence = plain.encode(SentenceProgress("1", "Hello there.", "new"))
    assert [decode_server_message(m) for m in sentence] == [TextFrame("Hello there.", 2, "TextFrame#2")]
    assert [decode_server_message(m) for m in plain.encode(BotInterrupted())] == [
        InterruptionFrame(3, "InterruptionFrame#3")
    ]
    assert rtvi_messages(plain.encode(ServerMessage({"a": 1}))) == [{"a": 1}]
    for silent in (
        UserTranscript("h", is_final=False, timestamp=""),
        ResponseText("x"),
        SpeakingChanged("bot", is_speaking=True),
        SentenceProgress("1", "Hello there.", "completed", "Hello there."),
        AgentReady("1"),
    ):
        assert plain.encode(silent) == []


def test_answers_reach_plain_clients_too():
    plain = codec()
    [answer] = rtvi_messages(plain.encode(ServerResponse("7", "order", {"ok": True})))
    assert (answer["type"], answer["id"], answer["data"]) == ("server-response", "7", {"t": "order", "d": {"ok": True}})
    [refusal] = rtvi_messages(plain.encode(ErrorResponse("8", "no")))
    assert (refusal["type"], refusal["id"]) == ("error-response", "8")


def test_after_its_first_rtvi_message_a_client_gets_only_audio_and_rtvi():
    client = codec()
    ready = client.receive(encode_client_message(client_message("client-ready", {"version": "2.1.0"}, id_="r1")))
    assert ready == [ClientReady("r1", "2.1.0")]
    [greeting] = rtvi_messages(client.encode(AgentReady("r1")))
    assert (greeting["type"], greeting["id"]) == ("bot-ready", "r1")
    for event, kind in (
        (UserTranscript("hi", is_final=True, timestamp=""), "user-transcription"),
        (BotInterrupted(), "bot-interrupted"),
        (ResponseText("x"), "bot-llm-text"),
        (ServerMessage([1]), "server-message"),
    ):
        assert [message["type"] for message in rtvi_messages(client.encode(event))] == [kind]
    audio = decode_server_message(client.audio(bytes(960), 24000))
    assert isinstance(audio, AudioRawFrame)
    assert audio.audio == bytes(960)
