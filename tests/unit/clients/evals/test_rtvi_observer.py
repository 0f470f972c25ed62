from typing import Any

import pytest

from vox.clients.evals.record import CallRecord
from vox.clients.evals.rtvi_observer import MAX_ENTRIES, RtviObserver


def output(segment: str, text: str, spoken: str = "", *, voiced: bool = True) -> dict[str, Any]:
    data: dict[str, Any] = {"segment_id": segment, "text": text, "will_be_spoken": voiced}
    if voiced:
        data["spoken_progress"] = {"accumulated_text": spoken, "remaining_text": text[len(spoken) :]}
    return {"type": "bot-output", "data": data}


def seen(*messages: dict[str, Any] | str) -> tuple[RtviObserver, CallRecord]:
    """An observer of these messages, one a second; a text is a message without data."""
    observer, record = RtviObserver(), CallRecord()
    for at_s, message in enumerate(messages):
        observer.receive({"type": message} if isinstance(message, str) else message, float(at_s))
    observer.fill(record)
    return observer, record


def words(record: CallRecord) -> list[str]:
    return [line.text for line in record.lines if line.speaker == "agent"]


def test_sentences_are_the_agents_words_in_order_and_once():
    _, record = seen(output("1.0", "Hello."), output("1.1", "How are you?"), output("1.0", "Hello.", "Hello."))
    assert [(line.at_s, line.text) for line in record.lines] == [(0.0, "Hello."), (1.0, "How are you?")]


def test_of_an_answer_that_was_cut_off_only_what_was_spoken_counts():
    _, record = seen(
        output("1.0", "One two three.", "One two three."),
        output("1.1", "Four five six.", "Four"),
        output("1.2", "Never said."),
        "bot-interrupted",
        output("2.0", "Sorry."),
    )
    assert words(record) == ["One two three.", "Four", "Sorry."]
    assert record.interruptions == 1


def test_an_agent_that_goes_on_was_not_interrupted():
    _, record = seen(
        output("1.0", "One two.", "One"), "bot-interrupted", "bot-started-speaking", output("2.0", "Three.")
    )
    assert words(record) == ["One two.", "Three."]
    assert record.interruptions == 0


def test_a_pause_that_nothing_follows_is_an_interruption():
    _, record = seen(output("1.0", "One two.", "One"), "bot-interrupted")
    assert (words(record), record.interruptions) == (["One"], 1)


def test_written_answers_count_whole():
    _, record = seen(output("1.0", "One.", voiced=False), "bot-interrupted", output("2.0", "Two.", voiced=False))
    assert words(record) == ["One.", "Two."]


def test_a_pause_makes_queued_audio_void():
    observer = RtviObserver()
    assert observer.receive({"type": "bot-interrupted"}, 0.0) is True
    assert observer.receive(output("1.0", "x"), 0.0) is False


def test_tools_have_their_arguments_and_results():
    call = {"function_name": "look_up", "tool_call_id": "c1"}
    observer, record = seen(
        {"type": "llm-function-call-started", "data": {"function_name": "look_up"}},
        {"type": "llm-function-call-in-progress", "data": {**call, "arguments": {"day": "Sunday"}}},
    )
    [use] = record.tools
    assert (use.name, use.arguments, use.result, use.at_s) == ("look_up", {"day": "Sunday"}, None, 1.0)
    assert observer.is_busy
    observer.receive({"type": "llm-function-call-stopped", "data": {**call, "result": "closed"}}, 5.0)
    assert use.result == "closed"
    assert not observer.is_busy


def test_the_built_in_hang_up_is_a_tool_too():
    _, record = seen({"type": "llm-function-call-stopped", "data": {"function_name": "end_call", "tool_call_id": "x"}})
    assert [use.name for use in record.tools] == ["end_call"]


def test_tokens_add_up():
    usage = {
        "type": "metrics",
        "data": {"tokens": [{"prompt_tokens": 10, "completion_tokens": 3}, {"prompt_tokens": "x"}, 4]},
    }
    _, record = seen(usage, usage, {"type": "metrics", "data": {"ttfb": []}})
    assert (record.prompt_tokens, record.completion_tokens) == (20, 6)


@pytest.mark.parametrize(
    ("begin", "end"), [("bot-llm-started", "bot-llm-stopped"), ("bot-tts-started", "bot-tts-stopped")]
)
def test_an_agent_is_busy_while_it_writes_or_speaks(begin: str, end: str):
    assert seen(begin)[0].is_busy
    assert not seen(begin, end)[0].is_busy


def test_the_rest_of_an_answer_is_no_reaction_to_what_came_after_it():
    observer, _ = seen("bot-llm-started", output("1.0", "Hello."))
    assert observer.reacted_at_s == 1.0
    observer.expect_answer()
    observer.receive({"type": "bot-llm-text"}, 2.0)
    observer.receive(output("1.1", "Still the first."), 2.5)
    assert observer.reacted_at_s is None
    observer.receive({"type": "bot-llm-started"}, 3.0)
    observer.receive({"type": "bot-llm-text"}, 4.0)
    observer.receive(output("2.0", "Second."), 5.0)
    assert observer.reacted_at_s == 4.0
    assert observer.words_since(2.9) == "Second."


def test_a_recited_answer_is_a_reaction():
    observer, _ = seen(output("1.0", "Hello."))
    observer.expect_answer()
    observer.receive(output("2.0", "Second."), 3.0)
    assert observer.reacted_at_s == 3.0


def test_what_the_agent_understood_and_reported_is_kept():
    observer, record = seen(
        "bot-ready",
        {"type": "user-transcription", "data": {"text": "when a", "final": False}},
        {"type": "user-transcription", "data": {"text": "when are you open", "final": True}},
        {"type": "error", "data": {"error": "no model"}},
        {"type": "error", "data": {}},
    )
    assert observer.is_ready
    assert [line.text for line in record.understood] == ["when are you open"]
    assert record.failure == "the agent reported: no model"


@pytest.mark.parametrize(
    "message",
    [{}, {"type": 3}, {"type": "bot-output", "data": "x"}, {"type": "metrics", "data": []}, {"type": "unheard-of"},
     {"type": "llm-function-call-in-progress", "data": {"arguments": 3}}, {"type": "bot-output", "data": {"spoken_progress": 1}}],
)  # fmt: skip
def test_odd_messages_break_nothing(message: dict[str, Any]):
    assert seen(message)[1].failure == ""


def test_what_is_remembered_is_bounded():
    observer = RtviObserver()
    for number in range(MAX_ENTRIES + 5):
        observer.receive(output(f"{number}.0", "x"), 0.0)
        observer.receive({"type": "llm-function-call-stopped", "data": {"tool_call_id": str(number)}}, 0.0)
        observer.receive({"type": "user-transcription", "data": {"text": "x", "final": True}}, 0.0)
    record = CallRecord()
    observer.fill(record)
    assert len(record.lines) == len(record.tools) == len(record.understood) == MAX_ENTRIES
