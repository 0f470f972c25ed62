"""The messages of OpenAI's Realtime API, one by one, and what becomes of garbage."""

import base64
from typing import Any

import pytest
from hypothesis import given

from tests.unit.providers.realtime.codec_play import SECOND_24K, SETUP, Play, happenings
from vox.errors import DependencyError
from vox.providers.realtime._openai_wire import OpenAiRealtimeCodec
from vox.providers.realtime.contract import AnswerEnded, SessionReady


def openai() -> Play:
    return Play(OpenAiRealtimeCodec(SETUP, {"transcription_model": "t", "noise_reduction": "near_field"}))


@given(happenings)
def test_garbage_raises_nothing_but_a_dependency_error(what):
    openai().go(what)


def openai_answer(number: int, response: str = "r1") -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": response, "metadata": {"vox_answer": str(number)}}}


def test_openai_asks_for_the_next_answer_when_the_last_has_confirmed_its_end():
    play = openai()
    first = play.codec.respond()
    play.receive(openai_answer(first))
    second = play.codec.respond()
    assert [sent["type"] for sent in play.sent] == ["response.create", "response.cancel"]
    late = {"type": "response.output_audio_transcript.delta", "response_id": "r1", "item_id": "i", "delta": "late"}
    assert play.receive(late) == []
    done = {"type": "response.done", "response": {"id": "r1", "status": "cancelled"}}
    assert play.receive(done) == []
    assert play.sent[-1]["response"]["metadata"] == {"vox_answer": str(second)}


def test_openai_gets_audio_in_pieces_and_all_of_it():
    play = openai()
    for _ in range(33):
        play.codec.push(SECOND_24K[: 24 * 20 * 2])
    play.codec.commit()
    pieces = [base64.b64decode(sent["audio"]) for sent in play.sent if sent["type"] == "input_audio_buffer.append"]
    assert sum(map(len, pieces)) == 33 * 960
    assert {len(piece) for piece in pieces[:-1]} == {4800}
    assert play.sent[-1] == {"type": "input_audio_buffer.commit"}


def test_openai_setup_has_every_option():
    play = openai()
    play.codec.begin()
    session = play.sent[0]["session"]
    assert session["audio"]["input"]["transcription"] == {"model": "t", "language": "en"}
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    assert session["audio"]["output"]["voice"] == "marin"


@pytest.mark.parametrize("code", ["response_cancel_not_active", "conversation_already_has_active_response"])
def test_openai_errors_about_timing_are_harmless(code):
    play = openai()
    play.codec.respond()
    assert play.receive({"type": "error", "error": {"type": "invalid_request_error", "code": code}}) == []


def test_openai_error_about_one_message_ends_the_answer_that_it_is_about():
    play = openai()
    answer = play.codec.respond()
    play.receive({"type": "session.updated"})
    problem = {"code": "invalid_value", "message": "no"}
    assert play.receive({"type": "error", "error": problem | {"event_id": "event_x"}}) == []
    (ended,) = play.receive({"type": "error", "error": problem | {"event_id": f"answer_{answer}"}})
    assert isinstance(ended, AnswerEnded)
    assert (ended.answer, ended.error.code if ended.error else "") == (answer, "provider_failed")


def test_openai_error_before_the_session_is_the_sessions_end():
    with pytest.raises(DependencyError):
        openai().receive({"type": "error", "error": {"code": "invalid_value", "message": "no such voice"}})


def test_openai_session_that_expires_is_over():
    play = openai()
    assert play.receive({"type": "session.updated"}) == [SessionReady()]
    with pytest.raises(DependencyError):
        play.receive({"type": "error", "error": {"code": "session_expired", "message": "60 minutes"}})
