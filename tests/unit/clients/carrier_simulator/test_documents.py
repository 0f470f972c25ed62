from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.clients.carrier_simulator.documents import (
    MAX_DOCUMENT_BYTES,
    MAX_VERBS,
    Dial,
    Gather,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Stream,
    read_document,
)
from vox.errors import PeerError
from vox.providers.carriers import plivo, telnyx, twilio


def response(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def test_every_verb_of_twiml_is_read():
    verbs = read_document(
        response(
            '<Say voice="x">hello</Say><Play>http://a/b.wav</Play><Pause length="2"/><Pause/>'
            '<Gather action="/k" method="GET" numDigits="3" timeout="7" finishOnKey="*"><Say>press</Say></Gather>'
            '<Dial action="/d"><Number>+15550100</Number></Dial><Record/>'
            '<Redirect method="GET"> http://a/next </Redirect><Hangup/><Reject reason="busy"/><Reject/>'
        )
    )
    assert verbs == [
        Say("hello"),
        Play("http://a/b.wav"),
        Pause(2.0),
        Pause(1.0),
        Gather("/k", "GET", 3, 7.0, "*", (Say("press"),)),
        Dial("+15550100", "/d"),
        Redirect("http://a/next", "GET"),
        Hangup(),
        Reject(is_busy=True),
        Reject(),
    ]


def test_plivos_words_mean_the_same():
    verbs = read_document(
        response(
            '<Speak>hello</Speak><Wait length="3"/><GetDigits action="/k"/><GetInput executionTimeout="9"/>'
            '<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'
            ' extraHeaders="a=1,b=2;c" statusCallbackUrl="/s">wss://a/media</Stream><Stream>ws://a/fork</Stream>'
        )
    )
    assert verbs[:4] == [Say("hello"), Pause(3.0), Gather("/k"), Gather(timeout_s=9.0)]
    assert verbs[4] == Stream(
        "wss://a/media",
        {"a": "1", "b": "2", "c": ""},
        status_callback="/s",
        is_blocking=True,
        codec="audio/x-mulaw;rate=8000",
    )
    assert verbs[5] == Stream("ws://a/fork", is_blocking=False)


def test_a_stream_blocks_under_connect_and_not_under_start():
    stream = '<Stream url="wss://a/media" name="n" statusCallback="/s" statusCallbackMethod="GET"/>'
    assert read_document(response(f"<Connect>{stream}</Connect>")) == [
        Stream("wss://a/media", status_callback="/s", status_method="GET", name="n")
    ]
    assert read_document(response(f"<Start>{stream}</Start><Stop/>")) == [
        Stream("wss://a/media", status_callback="/s", status_method="GET", name="n", is_blocking=False)
    ]


@pytest.mark.parametrize("driver", [twilio, telnyx, plivo])
def test_the_answers_of_our_own_drivers_are_understood_with_their_parameters(driver):
    answer = driver.answer("wss://agent.example/telephony/ws", parameters={"agent": "front", "token": "a1"})
    [stream] = read_document(answer.body.decode())
    assert isinstance(stream, Stream)
    assert (stream.url, dict(stream.parameters)) == (
        "wss://agent.example/telephony/ws",
        {"agent": "front", "token": "a1"},
    )
    assert stream.is_blocking


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "no XML"),
        ("<Response>", "no XML"),
        ("<Answer/>", "root element is <Answer>"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><Response/>', "document type"),
        (response("<Conference/>"), "unknown element <Conference>"),
        (response('<Connect><Stream url="https://a"/></Connect>'), "no ws:// or wss://"),
        (response("<Redirect/>"), "no address"),
        (response('<Pause length="long"/>'), "not a number"),
        (response("<Hangup/>" * (MAX_VERBS + 1)), "more than"),
        ("x" * (MAX_DOCUMENT_BYTES + 1), "longer than"),
    ],
)
def test_what_a_carrier_would_reject_is_rejected_with_the_reason(text, why):
    with pytest.raises(PeerError, match=why) as caught:
        read_document(text)
    assert caught.value.code == "bad_call_document"


def test_comments_are_no_document_types():
    assert read_document(response("<!-- ours --><Hangup/>")) == [Hangup()]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    for document in (text, response(text)):
        with suppress(PeerError):
            read_document(document)
