"""The messages are those of the AudioHook protocol, version 2."""

import json

import pytest

from tests.unit.protocols.carriers.pair import Pair, only, refused, said
from vox.protocols.carriers.genesys import NIL_UUID, Carrier, Server
from vox.protocols.media_stream import AudioCleared, DigitPressed, StreamAudio, StreamStarted, StreamStopped

SESSION = "e160e428-53e2-487c-977d-96989bf5c99d"
PCMU_BOTH = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
PCMU = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
L16 = {"type": "audio", "format": "L16", "channels": ["external"], "rate": 8000}


def message(kind, seq, serverseq: int | None = 0, parameters=None, **changed):
    return json.dumps(
        {
            "version": "2",
            "type": kind,
            "seq": seq,
            "serverseq": serverseq,
            "id": SESSION,
            "position": "PT0S",
            "parameters": parameters or {},
            **changed,
        }
    )


def asked(media=(PCMU_BOTH, PCMU), conversation="c-1"):
    return {
        "organizationId": "o-1",
        "conversationId": conversation,
        "participant": {"id": "p-1", "ani": "+15550001", "aniName": "Jane", "dnis": "+15550002"},
        "media": list(media),
        "language": "en-US",
        "inputVariables": {"topic": "billing"},
    }


def replies(server):
    return [said(reply) for reply in server.replies()]


def opened(**kwargs):
    server = Server()
    events = server.receive(message("open", 1, parameters=asked(**kwargs)))
    return server, events, replies(server)


def test_a_session_is_opened_with_the_callers_channel():
    server, (event,), (reply,) = opened()
    assert event == StreamStarted(
        carrier="genesys",
        stream_id=SESSION,
        call_id="c-1",
        encoding="mulaw",
        sample_rate=8000,
        caller="+15550001",
        callee="+15550002",
        account_id="o-1",
        parameters={"topic": "billing"},
    )
    assert reply == {
        "version": "2",
        "type": "opened",
        "seq": 1,
        "clientseq": 1,
        "id": SESSION,
        "parameters": {"startPaused": False, "media": [PCMU]},
    }
    assert server.receive(b"\xff" * 160) == [StreamAudio(b"\xff" * 160)]


def test_linear_audio_is_taken_where_nothing_else_is_offered():
    server, events, (reply,) = opened(media=[L16])
    assert only(events).encoding == server.reply_encoding == "s16le"
    assert reply["parameters"]["media"] == [L16]
    assert only(opened(media=[L16, PCMU])[1]).encoding == "mulaw"


@pytest.mark.parametrize(
    "media", [[], [PCMU_BOTH | {"channels": ["internal"]}], [PCMU | {"rate": 16000}], [PCMU | {"format": "OPUS"}]]
)
def test_an_offer_without_a_stream_for_us_is_declined(media):
    server, events, (reply,) = opened(media=media)
    assert events == []
    assert (reply["type"], reply["parameters"]["reason"]) == ("disconnect", "error")
    assert server.receive(message("close", 2, 1, {"reason": "disconnect"})) == [StreamStopped("disconnect")]
    assert replies(server)[0]["type"] == "closed"


def test_a_close_with_unreadable_parameters_is_the_end():
    server, _, _ = opened()
    assert server.receive(message("close", 2, 1, parameters=[1])) == [StreamStopped("close")]


def test_the_callers_channel_alone_is_preferred():
    assert opened(media=[PCMU_BOTH, L16])[2][0]["parameters"]["media"] == [L16]


@pytest.mark.parametrize("channels", [["external", "internal"], ["internal", "external"]])
@pytest.mark.parametrize("format_", ["PCMU", "L16"])
def test_of_a_stereo_stream_the_caller_is_heard(channels, format_):
    offer = PCMU_BOTH | {"channels": channels, "format": format_}
    server, events, (reply,) = opened(media=[offer])
    assert reply["parameters"]["media"] == [offer]
    size = 1 if format_ == "PCMU" else 2
    samples = {"external": b"\x01\x02"[:size], "internal": b"\x08\x09"[:size]}
    interleaved = b"".join(samples[channel] for channel in channels) * 160
    assert server.receive(interleaved) == [StreamAudio(samples["external"] * 160)]
    assert refused(server, interleaved[:-1]) == "malformed_message"
    assert server.audio(b"\x01\x02") == b"\x01\x02"
    assert only(events).encoding == server.reply_encoding


def test_messages_without_numbers_keep_the_session():
    server = Server()
    server.receive(message("open", None, parameters=asked()))
    assert server.receive(message("dtmf", None, None, {"digit": "4"})) == [DigitPressed("4")]
    assert [reply["clientseq"] for reply in replies(server)] == [1]


def test_a_connection_probe_never_becomes_a_call():
    server, events, (reply,) = opened(conversation=NIL_UUID)
    assert events == []
    assert reply["type"] == "opened"
    assert server.receive(b"\xff" * 160) == []
    assert server.receive(message("close", 2, 1, {"reason": "end"})) == [StreamStopped("end")]


def test_pings_updates_and_the_close_are_answered_with_both_numbers():
    server, _, _ = opened()
    assert server.receive(message("ping", 2, 1, {"rtt": "PT0.1S"})) == []
    assert server.receive(message("update", 3, 2, {"language": "de-DE"})) == []
    assert server.receive(message("close", 4, 3, {"reason": "end"})) == [StreamStopped("end")]
    assert [(reply["type"], reply["seq"], reply["clientseq"]) for reply in replies(server)] == [
        ("pong", 2, 2),
        ("updated", 3, 3),
        ("closed", 4, 4),
    ]
    assert server.receive(message("close", 5, 4, {"reason": "end"})) == []


@pytest.mark.parametrize("kind", ["paused", "resumed", "discarded", "error", "playback_started", "playback_completed"])
def test_what_needs_no_answer_gets_none(kind):
    server, _, _ = opened()
    assert server.receive(message(kind, 2, 1, {"start": "PT1S", "code": 400, "message": "x"})) == []
    assert server.replies() == []


@pytest.mark.parametrize(
    ("kind", "parameters"), [("dtmf", {"digit": "7"}), ("event", {"event": {"type": "dtmf", "dtmf": {"digit": "7"}}})]
)
def test_keys_come_in_two_forms(kind, parameters):
    server, _, _ = opened()
    assert server.receive(message(kind, 2, 1, parameters)) == [DigitPressed("7")]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (message("ping", 1, 1), "out_of_order_message"),
        (message("ping", 2, 2), "out_of_order_message"),
        (message("ping", 2, -1), "out_of_order_message"),
        (message("ping", 2, 1, id="another"), "out_of_order_message"),
        (message("open", 2, 1, asked()), "out_of_order_message"),
        (message("ping", 2, 1, version="1"), "malformed_message"),
    ],
)
def test_the_order_is_kept(wrong, code):
    server, _, _ = opened()
    assert refused(server, wrong) == code


def test_a_refused_message_does_not_end_the_session():
    server, _, _ = opened()
    refused(server, message("dtmf", 2, 1, id="another"))
    assert server.receive(message("dtmf", 2, 1, parameters=[1])) == []
    assert server.receive(message("dtmf", 3, 1, {"digit": "1"})) == [DigitPressed("1")]


def test_nothing_comes_before_the_open():
    assert refused(Server(), message("ping", 1)) == "out_of_order_message"
    assert refused(Server(), message("ping", 1, id="")) == "malformed_message"


def test_what_we_say():
    server, _, _ = opened()
    assert server.audio(b"\xff") == b"\xff"
    assert server.mark("m") is None
    assert server.digits("1") == []
    barge_in = said(server.clear())
    assert (barge_in["type"], barge_in["parameters"]) == ("event", {"entities": [{"type": "barge_in", "data": {}}]})
    stop = said(server.stop("caller said goodbye"))
    assert (stop["type"], stop["seq"]) == ("disconnect", 3)
    assert stop["parameters"] == {"reason": "completed", "info": "caller said goodbye"}
    assert server.stop() is None
    assert server.clear() is None


def test_outside_a_session_we_say_nothing():
    assert Server().clear() is None
    assert Server().stop() is None


def test_answers_nobody_fetches_are_bounded():
    server, _, _ = opened()
    for seq in range(2, 1000):
        server.receive(message("ping", seq))
    assert len(server.replies()) == 32


def test_a_whole_session_between_both_sides():
    pair = Pair(Server(), Carrier())
    pair.open()
    assert pair.carrier.is_open
    for _ in range(50):
        pair.to_server(pair.carrier.audio(bytes(160), timestamp_ms=0))
    ping = pair.carrier.ping()
    assert said(ping)["position"] == "PT1.000S"
    assert pair.to_server(ping) == []
    assert pair.to_carrier(pair.server.clear()) == [AudioCleared()]
    assert pair.to_carrier(pair.server.stop()) == [StreamStopped("disconnect")]
    assert pair.to_server(pair.carrier.close("disconnect")) == [StreamStopped("disconnect")]
    assert not pair.carrier.is_open


@pytest.mark.parametrize(("kind", "answer"), [("pause", "paused"), ("resume", "resumed")])
def test_a_server_may_pause_the_carrier(kind, answer):
    pair = Pair(Server(), Carrier())
    pair.open()
    asked_for = json.dumps({"version": "2", "type": kind, "seq": 2, "clientseq": 1, "id": "stream-1", "parameters": {}})
    assert pair.carrier.receive(asked_for) == []
    assert [said(reply)["type"] for reply in pair.carrier.replies()] == [answer]


def test_the_carrier_refuses_a_stream_it_did_not_offer():
    carrier = Carrier()
    carrier.open(call_id="c", stream_id="s", caller="", callee="", parameters={})
    answer = {"version": "2", "type": "opened", "seq": 1, "clientseq": 1, "id": "s", "parameters": {"media": [L16]}}
    assert refused(carrier, json.dumps(answer)) == "unsupported_media"
    assert not carrier.is_open


def test_a_rate_written_with_a_point_is_taken_and_repeated_as_a_number():
    _, events, (reply,) = opened(media=[PCMU | {"rate": 8000.0}])
    assert only(events).sample_rate == 8000
    assert '"rate": 8000}' in json.dumps(reply["parameters"]["media"][0])
