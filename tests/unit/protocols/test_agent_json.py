import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols.agent_events import (
    AgentError,
    AgentReady,
    BotInterrupted,
    ClientAudio,
    ClientContext,
    ClientDigits,
    ClientDisconnect,
    ClientInterrupt,
    ClientReady,
    ClientRequest,
    ClientSpeak,
    ClientText,
    ClientToolResult,
    ClientVadUpdate,
    DigitsSent,
    ErrorResponse,
    ModelUsage,
    ResponseStarted,
    ResponseStopped,
    ResponseText,
    SentenceProgress,
    ServerMessage,
    ServerResponse,
    SpeakingChanged,
    SpeechStarted,
    SpeechStopped,
    ToolProgress,
    TurnMetrics,
    UserIdle,
    UserTranscript,
)
from vox.protocols.agent_json import JsonCodec, decode_server_message, encode_client_audio, encode_client_frame

MESSAGES = [{"role": "user", "content": "hi"}]
# Every inbound type of the original (agent.md, 7.1).
ACCEPTED = [
    "StartFrame", "CancelFrame", "ErrorFrame", "TextFrame", "TranscriptionFrame", "LLMRunFrame", "LLMTextFrame",
    "TTSSpeakFrame", "LLMContextFrame", "LLMMessagesUpdateFrame", "LLMMessagesAppendFrame", "LLMSetToolsFrame",
    "LLMSetToolChoiceFrame", "FunctionCallResultFrame", "TransportMessageFrame", "MessageFrame", "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame", "VADParamsUpdateFrame", "VADUserStartedSpeakingFrame", "VADUserStoppedSpeakingFrame",
    "UserSpeakingFrame", "AggregatedTextFrame", "OutputDTMFUrgentFrame", "InterruptionFrame", "InputDTMFFrame",
    "RTVIClientMessageFrame", "RTVIServerMessageFrame",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "text", "digit", "error", "fatal", "reason", "function_name", "tool_call_id", "arguments", "result", "start_secs",
    "stop_secs", "type", "msg_id", "data", "message", "audio", "sample_rate", "num_channels", "messages", "context",
]  # fmt: skip


def received(kind, data=None, **options):
    return JsonCodec(**options).receive(encode_client_frame(kind, data))


def sent(*events) -> list[tuple[str, dict[str, Any]]]:
    codec = JsonCodec()
    return [decode_server_message(text) for event in events for text in codec.encode(event)]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("TranscriptionFrame", {"text": "hi", "user_id": "u", "finalized": True}, [ClientText("hi")]),
        ("TranscriptionFrame", {"text": ""}, []),
        ("TextFrame", {"text": "say"}, [ClientSpeak("say")]),
        ("LLMTextFrame", {"text": "say"}, [ClientSpeak("say")]),
        ("TTSSpeakFrame", {"text": "say"}, [ClientSpeak("say")]),
        ("InterruptionFrame", {}, [ClientInterrupt()]),
        ("InputDTMFFrame", {"digit": "#"}, [ClientDigits("#")]),
        ("CancelFrame", {}, [ClientDisconnect()]),
        ("CancelFrame", {"reason": "bye"}, [ClientDisconnect("bye")]),
        ("ErrorFrame", {"error": "e", "fatal": True}, [ClientDisconnect("e")]),
        ("ErrorFrame", {"error": "e", "fatal": False}, []),
        ("LLMRunFrame", {}, [ClientContext((), run=True)]),
        (
            "FunctionCallResultFrame",
            {"function_name": "f", "tool_call_id": "c", "arguments": '{"a":1}', "result": 2},
            [ClientToolResult("c", "f", {"a": 1}, 2)],
        ),
        ("VADParamsUpdateFrame", {"stop_secs": 2.0}, [ClientVadUpdate(None, 2.0)]),
        ("TransportMessageFrame", {"message": {"id": 3, "type": "t"}}, [ClientRequest("3", "t", {"id": 3, "type": "t"})]),
        ("MessageFrame", {"message": {"label": "rtvi-ai", "type": "client-ready", "id": "r"}}, [ClientReady("r")]),
        (
            "RTVIClientMessageFrame",
            {"msg_id": "m", "type": "client-message", "data": {"t": "x", "d": 1}},
            [ClientRequest("m", "x", 1)],
        ),
        ("AudioRawFrame", {"audio": "AQI="}, []),
        ("EndFrame", {}, []),
        ("FrameOfTomorrow", {}, []),
    ],
)  # fmt: skip
def test_frames_become_inputs(kind, data, expected):
    assert received(kind, data) == expected


@pytest.mark.parametrize("kind", ACCEPTED)
def test_no_accepted_frame_type_is_a_stranger(kind):
    fields = {
        "text": "t", "digit": "1", "error": "e", "messages": MESSAGES, "context": {"messages": MESSAGES}, "message": {},
        "function_name": "f", "tool_call_id": "c", "type": "t", "tools": [], "tool_choice": "none",
    }  # fmt: skip
    received(kind, fields, allow_context=True)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("LLMContextFrame", {"context": {"messages": MESSAGES}}, [ClientContext(MESSAGES, replace=True, run=True)]),
        ("LLMMessagesUpdateFrame", {"messages": MESSAGES}, [ClientContext(MESSAGES, replace=True)]),
        ("LLMMessagesAppendFrame", {"messages": MESSAGES, "run_llm": True}, [ClientContext(MESSAGES, run=True)]),
        ("LLMSetToolsFrame", {"tools": []}, []),
        ("LLMSetToolChoiceFrame", {"tool_choice": "none"}, []),
    ],
)
def test_the_conversation_is_only_for_trusted_clients(kind, data, expected):
    with pytest.raises(PeerError) as caught:
        received(kind, data)
    assert caught.value.code == "context_not_allowed"
    assert kind in str(caught.value)
    assert received(kind, data, allow_context=True) == expected


def test_audio_is_accepted_where_the_client_asked_for_it():
    codec = JsonCodec(with_audio=True)
    assert codec.receive(encode_client_audio(b"\1\2", 8000)) == [ClientAudio(b"\1\2", 8000)]
    assert codec.receive(encode_client_frame("AudioRawFrame", {"audio": "AQI="})) == [ClientAudio(b"\1\2", 16000)]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        '{"type":"TextFrame"}',
        '{"type":"TextFrame","data":[]}',
        '{"type":5,"data":{}}',
        '{"type":"TextFrame","data":{}}',
        '{"type":"TextFrame","data":{"text":null}}',
        '{"type":"InputDTMFFrame","data":{"digit":"12"}}',
        '{"type":"InputDTMFFrame","data":{"digit":""}}',
        '{"type":"VADParamsUpdateFrame","data":{"stop_secs":-1}}',
        '{"type":"AudioRawFrame","data":{"audio":"AQ=="}}',
        '{"type":"AudioRawFrame","data":{"audio":"AQI=","sample_rate":1}}',
        '{"type":"FunctionCallResultFrame","data":{"function_name":"f","tool_call_id":"c","arguments":"x"}}',
        "{" * 50_000,
        b"\xff",
    ],
)
def test_malformed_frames_are_the_peers_fault(message):
    with pytest.raises(PeerError) as caught:
        JsonCodec(with_audio=True).receive(message)
    assert caught.value.code == "malformed_message"


def test_a_frame_over_the_limit_is_refused():
    with pytest.raises(PeerError) as caught:
        JsonCodec(max_message_bytes=50).receive(encode_client_frame("TextFrame", {"text": "x" * 50}))
    assert caught.value.code == "message_too_large"


@given(st.sampled_from([*ACCEPTED, "AudioRawFrame"]), st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6))
def test_any_json_gives_inputs_or_a_peer_error(kind, data):
    try:
        JsonCodec(allow_context=True, with_audio=True).receive(json.dumps({"type": kind, "data": data}))
    except PeerError as error:
        assert error.code == "malformed_message"  # noqa: PT017  others are fine


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_garbage_raises_nothing_but_peer_errors(message):
    with pytest.raises(PeerError):
        JsonCodec().receive(message)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (SpeakingChanged("user", is_speaking=True), "UserStartedSpeakingFrame"),
        (SpeakingChanged("user", is_speaking=False), "UserStoppedSpeakingFrame"),
        (SpeakingChanged("bot", is_speaking=True), "BotStartedSpeakingFrame"),
        (SpeakingChanged("bot", is_speaking=False), "BotStoppedSpeakingFrame"),
        (ResponseStarted(), "LLMFullResponseStartFrame"),
        (ResponseStopped(), "LLMFullResponseEndFrame"),
        (BotInterrupted(), "InterruptionFrame"),
        (UserIdle(), "UserIdleFrame"),
    ],
)
def test_events_without_fields(event, kind):
    assert sent(event) == [(kind, {})]


def test_events_have_the_originals_names_and_fields():
    assert sent(UserTranscript("hi", is_final=True, timestamp="t", user_id="u")) == [
        (
            "TranscriptionFrame",
            {
                "text": "hi",
                "includes_inter_frame_spaces": False,
                "append_to_context": True,
                "user_id": "u",
                "timestamp": "t",
                "finalized": True,
            },
        )
    ]
    [(kind, data)] = sent(ResponseText(" hi"))
    assert (kind, data["text"]) == ("LLMTextFrame", " hi")
    [(kind, data)] = sent(SentenceProgress("1", "Hi.", "new"), SentenceProgress("1", "Hi.", "completed", "Hi."))
    assert (kind, data["text"], data["aggregated_by"]) == ("AggregatedTextFrame", "Hi.", "sentence")
    assert sent(AgentError("gone", is_fatal=True)) == [("ErrorFrame", {"error": "gone", "fatal": True})]
    assert sent(DigitsSent("1#")) == [
        ("OutputDTMFUrgentFrame", {"button": "1"}),
        ("OutputDTMFUrgentFrame", {"button": "#"}),
    ]
    assert sent(ServerMessage({"a": 1})) == [("TransportMessageFrame", {"message": {"a": 1}})]
    assert sent(ServerResponse("i", "t", 1)) == [
        ("RTVIServerMessageFrame", {"type": "server-response", "id": "i", "data": {"t": "t", "d": 1}})
    ]
    assert sent(ErrorResponse("i", "no")) == [
        ("RTVIServerMessageFrame", {"type": "error-response", "id": "i", "data": {"error": "no"}})
    ]
    [(kind, data)] = sent(AgentReady(call_id="call_1"))
    assert data["call_id"] == "call_1"
    assert (kind, data["audio_in_sample_rate"], data["audio_out_sample_rate"]) == ("StartFrame", 16000, 24000)
    assert sent(ToolProgress("c", "f", "started"), ToolProgress("c", "f", "stopped", {"a": 1}, "r")) == [
        (
            "FunctionCallResultFrame",
            {"function_name": "f", "tool_call_id": "c", "arguments": {"a": 1}, "result": "r"},
        )
    ]
    assert sent(SpeechStarted(), SpeechStopped(), TurnMetrics(response_s=1.0), ModelUsage(1, 2)) == []


def test_audio_is_announced_without_its_samples_as_the_original_does():
    message = JsonCodec().audio(bytes(960), 24000)
    assert decode_server_message(message) == (
        "TTSAudioRawFrame",
        {"sample_rate": 24000, "num_channels": 1, "num_frames": 480},
    )
    kind, data = decode_server_message(JsonCodec(with_audio=True).audio(b"\1\2", 24000))
    assert (kind, data["audio"]) == ("TTSAudioRawFrame", "AQI=")
