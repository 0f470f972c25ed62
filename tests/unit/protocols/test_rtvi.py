import base64
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
    ClientReady,
    ClientRequest,
    ClientText,
    ClientToolResult,
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
from vox.protocols.rtvi import RtviCodec, client_message

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
CLIENT_TYPES = [
    "client-ready", "disconnect-bot", "client-message", "send-text", "send-file", "dtmf", "llm-function-call-result",
    "raw-audio", "raw-audio-batch", "append-to-context", "ui-event",
]  # fmt: skip
FIELDS = [
    "version", "about", "t", "d", "content", "options", "buttons", "button", "function_name", "tool_call_id", "arguments",
    "result", "base64Audio", "base64AudioBatch", "sampleRate", "numChannels", "role",
]  # fmt: skip


def client(version="2.1.0", **options) -> RtviCodec:
    codec = RtviCodec(**options)
    if version:
        codec.receive(client_message("client-ready", {"version": version}))
    return codec


def sent(codec: RtviCodec, *events) -> list[tuple[str, Any]]:
    messages = [json.loads(text) for event in events for text in codec.encode(event)]
    assert all(message["label"] == "rtvi-ai" and isinstance(message["id"], str) for message in messages)
    return [(message["type"], message.get("data")) for message in messages]


def received(kind, data=None, id_="i", **options):
    return RtviCodec(**options).receive(client_message(kind, data, id_=id_))


def test_client_ready_is_answered_with_its_id_and_what_the_server_can_do():
    codec = RtviCodec()
    data = {"version": "2.1.0", "about": {"library": "client-js", "platform": "web"}}
    assert codec.receive(client_message("client-ready", data, id_="abc")) == [ClientReady("abc", "2.1.0", "client-js")]
    ready = json.loads(codec.encode(AgentReady("abc", "call_1"))[0])
    assert ready["id"] == "abc"
    assert ready["type"] == "bot-ready"
    assert ready["data"]["version"].split(".")[0] == "2"
    assert ready["data"]["about"] == {"library": "vox"}
    assert ready["data"]["call_id"] == "call_1"
    assert ready["data"]["capabilities"]["dtmf"] is True


def test_a_1x_client_hears_of_1x():
    [(_, data)] = sent(client("1.1.0"), AgentReady(""))
    assert data["version"].split(".")[0] == "1"
    assert "call_id" not in data, "what has no id says none"


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("disconnect-bot", {}, [ClientDisconnect()]),
        ("client-message", {"t": "order", "d": [1]}, [ClientRequest("i", "order", [1])]),
        ("client-message", {"t": "ping"}, [ClientRequest("i", "ping", None)]),
        ("send-text", {"content": "hi"}, [ClientText("hi", run=True, speak=True)]),
        ("send-text", {"content": "hi", "options": None}, [ClientText("hi")]),
        (
            "send-text",
            {"content": "hi", "options": {"run_immediately": False, "audio_response": False}},
            [ClientText("hi", run=False, speak=False)],
        ),
        ("send-text", {"content": " "}, []),
        ("dtmf", {"buttons": ["1", "*", "#"]}, [ClientDigits("1*#")]),
        ("dtmf", {"button": "5"}, [ClientDigits("5")]),
        (
            "llm-function-call-result",
            {"function_name": "f", "tool_call_id": "c", "arguments": {"a": 1}, "result": {"b": 2}},
            [ClientToolResult("c", "f", {"a": 1}, {"b": 2})],
        ),
        ("raw-audio", {"base64Audio": "AQID/w==", "sampleRate": 16000, "numChannels": 1}, [ClientAudio(b"\1\2\3\xff", 16000)]),
        (
            "raw-audio-batch",
            {"base64AudioBatch": ["AQI=", "AwQ="], "sampleRate": 8000, "numChannels": 1},
            [ClientAudio(b"\1\2", 8000), ClientAudio(b"\3\4", 8000)],
        ),
        ("ui-event", {"event": "x"}, []),
        ("something-new", {"event": "x"}, []),
    ],
)  # fmt: skip
def test_client_messages_become_inputs(kind, data, expected):
    assert received(kind, data) == expected


def test_foreign_labels_are_ignored_and_a_missing_label_is_not():
    codec = RtviCodec()
    assert codec.receive('{"label":"other","type":"disconnect-bot"}') == []
    assert codec.receive('{"label":["rtvi-ai"],"type":"disconnect-bot"}') == []
    assert codec.receive(b'{"type":"disconnect-bot"}') == [ClientDisconnect()]


def test_context_is_only_for_trusted_clients():
    data = {"role": "user", "content": "remember", "run_immediately": True}
    with pytest.raises(PeerError) as caught:
        received("append-to-context", data)
    assert caught.value.code == "context_not_allowed"
    message = {"role": "user", "content": "remember"}
    assert received("append-to-context", data, allow_context=True) == [ClientContext([message], run=True)]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"type":5}',
        "[" * 100_000,
        b"\xff\xfe",
        '{"label":"rtvi-ai","type":"send-text","data":{"content":5}}',
        '{"label":"rtvi-ai","type":"send-text"}',
        '{"label":"rtvi-ai","type":"client-message","data":[]}',
        '{"label":"rtvi-ai","type":"dtmf","data":{"buttons":["A1"]}}',
        '{"label":"rtvi-ai","type":"dtmf","data":{}}',
        '{"label":"rtvi-ai","type":"raw-audio","data":{"base64Audio":"!!","sampleRate":16000,"numChannels":1}}',
        '{"label":"rtvi-ai","type":"raw-audio","data":{"base64Audio":"AQ==","sampleRate":16000,"numChannels":1}}',
        '{"label":"rtvi-ai","type":"raw-audio","data":{"base64Audio":"AQI=","sampleRate":-1,"numChannels":1}}',
    ],
)
def test_malformed_messages_are_the_peers_fault(message):
    with pytest.raises(PeerError) as caught:
        RtviCodec().receive(message)
    assert caught.value.code == "malformed_message"


def test_a_message_over_the_limit_is_refused():
    with pytest.raises(PeerError) as caught:
        RtviCodec(max_message_bytes=50).receive(client_message("send-text", {"content": "x" * 50}))
    assert caught.value.code == "message_too_large"


@given(st.sampled_from(CLIENT_TYPES), st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6), json_values)
def test_any_json_gives_inputs_or_a_peer_error(kind, data, id_):
    codec = RtviCodec(allow_context=True)
    try:
        codec.receive(json.dumps({"label": "rtvi-ai", "type": kind, "id": id_, "data": data}))
    except PeerError as error:
        assert error.code == "malformed_message"  # noqa: PT017  others are fine


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_garbage_raises_nothing_but_peer_errors(message):
    with pytest.raises(PeerError):
        RtviCodec().receive(message)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (SpeakingChanged("user", is_speaking=True), "user-started-speaking"),
        (SpeakingChanged("user", is_speaking=False), "user-stopped-speaking"),
        (SpeakingChanged("bot", is_speaking=True), "bot-started-speaking"),
        (SpeakingChanged("bot", is_speaking=False), "bot-stopped-speaking"),
        (ResponseStarted(), "bot-llm-started"),
        (ResponseStopped(), "bot-llm-stopped"),
        (SpeechStarted(), "bot-tts-started"),
        (SpeechStopped(), "bot-tts-stopped"),
        (BotInterrupted(), "bot-interrupted"),
    ],
)
def test_events_without_data(event, kind):
    assert sent(client(), event) == [(kind, None)]


def test_events_with_data():
    codec = client()
    transcript = UserTranscript("hi", is_final=False, timestamp="2026-01-01T00:00:00Z", user_id="u")
    assert sent(codec, transcript) == [
        ("user-transcription", {"text": "hi", "final": False, "timestamp": "2026-01-01T00:00:00Z", "user_id": "u"})
    ]
    assert sent(codec, ResponseText("a b")) == [("bot-llm-text", {"text": "a b"})]
    assert sent(codec, ServerMessage({"x": 1})) == [("server-message", {"x": 1})]
    assert sent(codec, AgentError("gone", is_fatal=True)) == [
        ("error", {"error": "gone", "message": "gone", "fatal": True})
    ]
    assert sent(codec, UserIdle(), DigitsSent("1")) == []


def test_answers_carry_the_requests_id():
    codec = client()
    answer = json.loads(codec.encode(ServerResponse("q1", "order", 5))[0])
    assert (answer["type"], answer["id"], answer["data"]) == ("server-response", "q1", {"t": "order", "d": 5})
    refusal = json.loads(codec.encode(ErrorResponse("q2", "no"))[0])
    assert (refusal["type"], refusal["id"], refusal["data"]) == ("error-response", "q2", {"error": "no"})


def test_a_sentence_reports_how_much_of_it_was_spoken():
    said = sent(
        client(),
        SentenceProgress("4", "One two.", "new"),
        SentenceProgress("4", "One two.", "in-progress", "One", " two.", voiced="One"),
        SentenceProgress("4", "One two.", "completed", "One two.", voiced="One two."),
    )
    outputs = [data for kind, data in said if kind == "bot-output"]
    assert [output["spoken_status"] for output in outputs] == ["new", "in-progress", "completed"]
    assert [output["spoken_progress"] for output in outputs] == [
        {"accumulated_text": "", "remaining_text": "One two."},
        {"accumulated_text": "One", "remaining_text": " two."},
        {"accumulated_text": "One two.", "remaining_text": ""},
    ]
    assert all(output["segment_id"] == 4 and output["aggregated_by"] == "sentence" for output in outputs)
    assert "".join(data["text"] + " " for kind, data in said if kind == "bot-tts-text") == "One two. "
    assert [data for kind, data in said if kind == "bot-transcription"] == [{"text": "One two."}]


def test_a_cut_off_sentence_says_what_was_never_heard():
    [(kind, data)] = sent(client(), SentenceProgress("s", "One two.", "completed", "", "One two."))
    assert (kind, data["segment_id"]) == ("bot-output", "s")
    assert data["spoken_progress"] == {"accumulated_text": "", "remaining_text": "One two."}


def test_words_of_several_sentences_come_once_each_and_in_order():
    first, second = "One **two**. three.", "Four five."
    said = sent(
        client(),
        SentenceProgress("1", first, "new"),
        SentenceProgress("2", second, "new"),
        SentenceProgress("1", first, "in-progress", "One **two**.", voiced="One two."),
        SentenceProgress("2", second, "in-progress", "Four", voiced="Four"),
        SentenceProgress("1", first, "completed", first, voiced="One two. three."),
        SentenceProgress("2", second, "completed", second, voiced=second),
    )
    assert [data["text"] for kind, data in said if kind == "bot-tts-text"] == ["One two.", "Four", "three.", "five."]
    assert [data["text"] for kind, data in said if kind == "bot-transcription"] == [first, second]


def test_a_silent_sentence_has_no_progress():
    said = sent(client(), SentenceProgress("1", "Note.", "new", will_be_spoken=False))
    [output] = [data for kind, data in said if kind == "bot-output"]
    assert output["will_be_spoken"] is False
    assert "spoken_progress" not in output


@pytest.mark.parametrize("version", ["1.0.0", ""])
def test_older_clients_get_the_old_bot_output(version):
    said = sent(
        client(version),
        SentenceProgress("4", "One two.", "new"),
        SentenceProgress("4", "One two.", "in-progress", "One", " two."),
        SentenceProgress("4", "One two.", "completed", "One", " two."),
    )
    assert [data for kind, data in said if kind == "bot-output"] == [
        {"text": "One two.", "spoken": False, "aggregated_by": "sentence"},
        {"text": "One", "spoken": True, "aggregated_by": "sentence"},
    ]


def test_tools_are_reported_from_the_call_to_the_result():
    assert sent(
        client(),
        ToolProgress("c", "f", "started"),
        ToolProgress("c", "f", "in-progress", {"a": 1}),
        ToolProgress("c", "f", "stopped", {"a": 1}, {"ok": True}),
    ) == [
        ("llm-function-call-started", {"function_name": "f"}),
        ("llm-function-call-in-progress", {"function_name": "f", "tool_call_id": "c", "arguments": {"a": 1}}),
        (
            "llm-function-call-stopped",
            {"function_name": "f", "tool_call_id": "c", "cancelled": False, "result": {"ok": True}},
        ),
    ]


def test_a_1x_client_is_asked_to_run_a_tool_by_the_old_name():
    kinds = [kind for kind, _ in sent(client("1.2.0"), ToolProgress("c", "f", "in-progress", {"a": 1}))]
    assert kinds == ["llm-function-call-in-progress", "llm-function-call"]


def test_metrics_name_only_what_was_measured():
    [(kind, data), _] = sent(client(), TurnMetrics(response_s=0.8, llm_ttfb_s=0.3, characters=12))
    assert kind == "metrics"
    assert data == {
        "ttfb": [{"processor": "llm", "value": 0.3}],
        "processing": [{"processor": "response", "value": 0.8}],
        "characters": [{"processor": "tts", "value": 12}],
    }


def test_the_times_of_a_turn_are_told_together():
    numbers = TurnMetrics(1.25, 0.4, 0.3, 0.1, 12, end_of_utterance_s=0.8, turn=3)
    (_, metrics), (kind, data) = sent(client(), numbers)
    assert metrics["processing"] == [
        {"processor": "response", "value": 1.25},
        {"processor": "end_of_utterance", "value": 0.8},
    ]
    assert (kind, data) == (
        "server-message",
        {
            "type": "turn-latency",
            "turn": 3,
            "seconds": {
                "end_of_utterance": 0.8,
                "stt": 0.4,
                "llm_first_token": 0.3,
                "tts_first_audio": 0.1,
                "response": 1.25,
            },
        },
    )


def test_what_answers_no_turn_has_no_times_of_one():
    assert [kind for kind, _ in sent(client(), TurnMetrics(tts_ttfb_s=0.1))] == ["metrics"]


def test_the_tokens_of_an_answer_have_pipecats_names():
    assert sent(client(), ModelUsage(prompt_tokens=12, completion_tokens=3)) == [
        ("metrics", {"tokens": [{"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}]})
    ]


def test_a_result_json_cannot_hold_does_not_end_the_call():
    [(_, data)] = sent(client(), ToolProgress("c", "f", "stopped", result={1, 2}))
    assert data["cancelled"] is False


def test_audio_goes_out_as_base64_only_on_request():
    assert RtviCodec().audio(b"\1\2", 24000) is None
    message = RtviCodec(with_audio=True).audio(b"\1\2", 24000)
    assert message is not None
    data = json.loads(message)["data"]
    assert (base64.b64decode(data["audio"]), data["sample_rate"], data["num_channels"]) == (b"\1\2", 24000, 1)
