"""The messages of Gemini Live, one by one, and what becomes of garbage."""

import base64
from typing import Any

from hypothesis import given

from tests.unit.providers.realtime.codec_play import SECOND_16K, SETUP, Play, happenings
from vox.providers.realtime._gemini_live_wire import GeminiLiveCodec
from vox.providers.realtime.contract import AnswerAudio, AnswerEnded, AnswerText, CallerText, RealtimeSetup


def gemini() -> Play:
    return Play(GeminiLiveCodec(SETUP, "m", {}))


@given(happenings)
def test_garbage_raises_nothing_but_a_dependency_error(what):
    gemini().go(what)


def gemini_text(text: str) -> dict[str, Any]:
    return {"serverContent": {"outputTranscription": {"text": text}}}


def test_gemini_is_told_the_activity_only_once_there_is_audio():
    play = gemini()
    play.codec.push(SECOND_16K[:640])
    play.codec.clear()
    assert play.sent == []
    play.codec.push(SECOND_16K)
    play.codec.commit()
    kinds = [next(iter(sent["realtimeInput"])) for sent in play.sent]
    assert kinds == ["activityStart", "audio", "activityEnd"]


def test_gemini_holds_an_answer_that_was_not_asked_for_yet():
    play = gemini()
    play.codec.push(SECOND_16K)
    play.codec.commit()
    assert play.receive(gemini_text("Hello "), gemini_text("there.")) == []
    answer = play.codec.respond()
    assert play.receive(*play.posted) == [AnswerText(answer, "0", "Hello "), AnswerText(answer, "0", "there.")]
    assert play.receive({"serverContent": {"generationComplete": True}})[-1] == AnswerEnded(answer)
    assert play.receive({"serverContent": {"turnComplete": True}}) == []


def test_gemini_rest_of_an_interrupted_turn_is_skipped():
    play = gemini()
    first = play.codec.respond()
    assert play.receive(gemini_text("I will")) == [AnswerText(first, "1", "I will")]
    play.codec.push(SECOND_16K)
    assert play.receive(*play.posted) == [AnswerEnded(first)]
    play.codec.commit()
    second = play.codec.respond()
    old = [gemini_text("recite"), {"serverContent": {"interrupted": True}}, {"serverContent": {"turnComplete": True}}]
    assert play.receive(*old) == []
    assert play.receive(gemini_text("Yes?")) == [AnswerText(second, "2", "Yes?")]


def test_gemini_pieces_of_one_message_are_all_heard():
    play = gemini()
    answer = play.codec.respond()
    pcm = base64.b64encode(b"\x01\x02\x03\x04").decode()
    content = {
        "modelTurn": {"parts": [{"inlineData": {"data": pcm}}, {"inlineData": {"data": pcm}}]},
        "outputTranscription": {"text": "Hi"},
        "inputTranscription": {"text": "hello", "finished": True},
    }
    assert play.receive({"serverContent": content}) == [
        CallerText(0, "hello"),
        AnswerAudio(answer, "1", b"\x01\x02\x03\x04"),
        AnswerAudio(answer, "1", b"\x01\x02\x03\x04"),
        AnswerText(answer, "1", "Hi"),
    ]


def test_gemini_history_goes_out_behind_the_setup():
    play = Play(GeminiLiveCodec(RealtimeSetup(messages=({"role": "user", "content": "I am Ada."},)), "m", {}))
    play.codec.begin()
    play.codec.resume()
    assert play.sent[1]["clientContent"] == {
        "turns": [{"role": "user", "parts": [{"text": "I am Ada."}]}],
        "turnComplete": False,
    }
