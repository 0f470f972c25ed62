"""The messages of realtime vendors, one by one, and what becomes of garbage."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import DependencyError
from vox.providers.llm.contract import Message, ToolSpec
from vox.providers.realtime._gemini_live_wire import FLUSH, GeminiLiveCodec
from vox.providers.realtime._openai_wire import OpenAiRealtimeCodec
from vox.providers.realtime.contract import (
    AnswerAudio,
    AnswerEnded,
    AnswerText,
    CallerText,
    RealtimeEvent,
    RealtimeSetup,
    SessionReady,
)

SETUP = RealtimeSetup("Be brief.", (ToolSpec("book", "Books.", {"type": "object"}),), voice="marin", language="en-GB")
SECOND_24K = bytes(48_000)
SECOND_16K = bytes(32_000)

NAMES = (
    "type", "serverContent", "modelTurn", "parts", "inlineData", "data", "outputTranscription", "inputTranscription", "text",
    "finished", "toolCall", "functionCalls", "id", "name", "args", "turnComplete", "generationComplete", "interrupted",
    "setupComplete", "usageMetadata", "promptTokenCount", "delta", "item_id", "response_id", "response", "metadata", "vox_answer",
    "status", "status_details", "error", "code", "message", "item", "call_id", "arguments", "transcript", "usage", FLUSH,
)  # fmt: skip
WORDS = (
    "session.updated", "response.created", "response.output_audio.delta", "response.output_audio_transcript.delta",
    "response.output_item.done", "function_call", "response.done", "input_audio_buffer.committed", "error", "failed",
    "conversation.item.input_audio_transcription.completed", "incomplete", "content_filter", "1", "AAAA", "not base64!",
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 99) | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=16,
)
messages = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)
steps = st.sampled_from(["push", "commit", "clear", "respond", "say", "cancel", "truncate", "add", "result"])


class Play:
    """A codec and what it sent."""

    def __init__(self, codec: OpenAiRealtimeCodec | GeminiLiveCodec) -> None:
        self.codec = codec
        self.sent: list[Any] = []
        self.posted: list[Any] = []
        codec.send = self.sent.append
        codec.post = self.posted.append

    def receive(self, *received: Any) -> list[RealtimeEvent]:
        return [event for message in received for event in self.codec.receive(message)]

    def step(self, step: str) -> None:
        said: Message = {"role": "user", "content": "Hi"}
        codec = self.codec
        match step:
            case "push":
                codec.push(SECOND_24K)
            case "commit":
                codec.commit()
            case "clear":
                codec.clear()
            case "respond":
                codec.respond()
            case "say":
                codec.respond(say="Hi")
            case "cancel":
                codec.cancel()
            case "truncate":
                codec.truncate("item", 5)
            case "add":
                codec.add(said)
            case _:
                codec.add_result("c", "book", "{}")


def openai() -> Play:
    return Play(OpenAiRealtimeCodec(SETUP, {"transcription_model": "t", "noise_reduction": "near_field"}))


def gemini() -> Play:
    return Play(GeminiLiveCodec(SETUP, "m", {}))


@pytest.mark.parametrize("play", [openai, gemini])
@given(st.lists(messages | steps, max_size=12))
def test_garbage_raises_nothing_but_a_dependency_error(play, happenings):
    playing = play()
    playing.codec.begin()
    playing.codec.resume()
    for happening in happenings:
        if isinstance(happening, str):
            playing.step(happening)
            continue
        try:
            playing.receive(happening)
        except DependencyError:
            return


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
