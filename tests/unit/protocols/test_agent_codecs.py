"""Which wire format a client of `/ws` gets: by its query, else by its first message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols.agent_codecs import MAX_HELD, FirstMessageCodec, make_codec
from vox.protocols.agent_events import (
    AgentReady,
    ClientAudio,
    ClientReady,
    ClientText,
    SentenceProgress,
    SpeakingChanged,
    UserIdle,
)
from vox.protocols.agent_json import JsonCodec, encode_client_frame
from vox.protocols.agent_protobuf import decode_server_message, encode_client_audio, encode_client_message
from vox.protocols.pipecat_frames import AudioRawFrame, MessageFrame, TextFrame
from vox.protocols.rtvi import RtviCodec, client_message

SPEAKING = SpeakingChanged("user", is_speaking=True)
SENTENCE = SentenceProgress("1", "Hello.", "new")


def codec(query=None) -> FirstMessageCodec:
    made = make_codec(query or {}, allow_context=False)
    assert isinstance(made, FirstMessageCodec)
    return made


def kinds(messages) -> list[str]:
    frames = [decode_server_message(one) if isinstance(one, bytes) else one for one in messages]
    return [
        json.loads(frame.data if isinstance(frame, MessageFrame) else frame)["type"]
        if isinstance(frame, (MessageFrame, str))
        else type(frame).__name__
        for frame in frames
    ]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"rtvi": "1"}, RtviCodec),
        ({"rtvi": "1", "format": "protobuf"}, RtviCodec),
        ({"format": "json"}, JsonCodec),
        ({"format": "other"}, JsonCodec),
        ({"audio": "base64"}, JsonCodec),
    ],
)
def test_the_query_chooses_the_format(query, kind):
    assert isinstance(make_codec(query, allow_context=False), kind)


def test_protobuf_in_the_query_stays_protobuf():
    chosen = codec({"rtvi": "", "format": " PROTOBUF "})
    chosen.settle()
    assert kinds(chosen.encode(SENTENCE)) == ["TextFrame"]


@pytest.mark.parametrize("query", [{}, {"rtvi": "1"}])
def test_base64_audio_is_opt_in(query):
    silent = make_codec(query, allow_context=False).audio(b"\x01\x00", 24000)
    assert silent is None or "audio" not in json.loads(silent)["data"]
    audible = make_codec({**query, "audio": "base64"}, allow_context=False).audio(b"\x01\x00", 24000)
    assert audible is not None
    assert json.loads(audible)["data"]["audio"] == "AQA="


@pytest.mark.parametrize(
    ("first", "inputs", "sent"),
    [
        (encode_client_message(client_message("client-ready", {"version": "2.1.0"})), [ClientReady("", "2.1.0")], ["user-started-speaking"]),
        (encode_client_audio(b"\x00\x00", 16_000), [ClientAudio(b"\x00\x00", 16_000)], []),
        (encode_client_frame("TranscriptionFrame", {"text": "hi"}), [ClientText("hi")], ["StartFrame", "UserStartedSpeakingFrame"]),
        (b' {"type": "TranscriptionFrame", "data": {"text": "hi"}}', [ClientText("hi")], ["StartFrame", "UserStartedSpeakingFrame"]),
        (client_message("send-text", {"content": "hi"}), [ClientText("hi")], ["user-started-speaking"]),
    ],
)  # fmt: skip
def test_the_first_message_chooses_the_format(first, inputs, sent):
    chosen = codec()
    assert chosen.encode(SPEAKING) == []
    assert chosen.take_held() == []
    assert chosen.receive(first) == inputs
    assert kinds(chosen.take_held()) == sent
    assert chosen.take_held() == []
    assert chosen.encode(SPEAKING) == [] if not sent else kinds(chosen.encode(SPEAKING)) == sent[-1:]


def test_a_silent_client_gets_json_in_order():
    chosen = codec()
    chosen.encode(SPEAKING)
    assert chosen.audio(b"\x00\x00", 24_000) is None
    chosen.call_id = "call_1"
    chosen.settle()
    held = chosen.take_held()
    assert kinds(held) == ["StartFrame", "UserStartedSpeakingFrame", "TTSAudioRawFrame"]
    assert json.loads(held[0])["data"]["call_id"] == "call_1"
    assert kinds(chosen.encode(AgentReady())) == ["StartFrame"]


def test_a_late_first_message_still_chooses():
    chosen = codec()
    chosen.settle()
    chosen.take_held()
    chosen.receive(encode_client_message(client_message("client-ready", {"version": "2.1.0"}, id_="7")))
    assert chosen.take_held() == []
    assert kinds(chosen.encode(AgentReady("7"))) == ["bot-ready"]


def test_an_rtvi_client_of_protobuf_gets_nothing_else_from_before_it_was_ready():
    chosen = codec({"format": "protobuf"})
    assert chosen.encode(SENTENCE) == []
    chosen.audio(b"\x00\x00", 24_000)
    chosen.receive(encode_client_message(client_message("client-ready", {"version": "2.1.0"})))
    frames = [decode_server_message(message) for message in chosen.take_held()]
    assert {type(frame) for frame in frames} == {MessageFrame, AudioRawFrame}
    assert not any(isinstance(frame, TextFrame) for frame in frames)


def test_what_is_held_is_bounded():
    chosen = codec()
    for _ in range(MAX_HELD + 50):
        chosen.encode(UserIdle())
    chosen.settle()
    assert len(chosen.take_held()) <= MAX_HELD


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_first_message_gives_inputs_or_a_peer_error(first):
    chosen = codec()
    try:
        chosen.receive(first)
    except PeerError:
        chosen.take_held()
    chosen.encode(SPEAKING)


def test_after_the_first_message_everything_passes_at_once():
    chosen = codec()
    chosen.receive(client_message("send-text", {"content": "hi"}))
    chosen.settle()
    assert chosen.receive(client_message("send-text", {"content": "there"})) == [ClientText("there")]
    assert chosen.audio(b"\x00\x00", 24_000) is None
    assert chosen.take_held() == []


def test_audio_for_a_format_without_any_is_not_sent_later():
    chosen = codec()
    chosen.audio(b"\x00\x00", 24_000)
    chosen.receive(client_message("send-text", {"content": "hi"}))
    assert chosen.take_held() == []
