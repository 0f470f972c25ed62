"""The conversation: what was heard stays, what was not goes, tools always leave their result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call import conversation as context
from vox.agent.call.conversation import Conversation
from vox.errors import UsageError
from vox.providers.llm.contract import MISSING_RESULT, ToolCall


def roles(conversation: Conversation) -> list[tuple[str, str | None]]:
    return [(message["role"], message["content"]) for message in conversation.messages()]


def test_an_answer_enters_with_what_was_heard_of_it():
    conversation = Conversation("be kind")
    conversation.hear("hello")
    answer = conversation.begin_answer()
    answer.text = "hello to you too"
    assert roles(conversation) == [("system", "be kind"), ("user", "hello")]
    conversation.settle(answer, "hello to")
    assert roles(conversation)[-1] == ("assistant", "hello to")


def test_an_answer_nobody_heard_leaves_no_trace_and_the_caller_goes_on_in_one_message():
    conversation = Conversation()
    conversation.hear("a table")
    conversation.settle(conversation.begin_answer(), "")
    conversation.hear("for four", continues=True)
    assert roles(conversation) == [("user", "a table for four")]


def test_continuing_after_words_that_were_heard_is_a_message_of_its_own():
    conversation = Conversation()
    conversation.hear("a table")
    conversation.settle(conversation.begin_answer(), "for how many")
    conversation.hear("four", continues=True)
    assert [role for role, _ in roles(conversation)] == ["user", "assistant", "user"]


def test_a_tool_result_stays_when_the_answer_around_it_was_cut():
    conversation = Conversation()
    conversation.hear("book it")
    answer = conversation.begin_answer()
    answer.text = "One moment while I book"
    call = ToolCall("t1", "book", '{"people":4}')
    conversation.add_tool_call(answer, call)
    assert conversation.messages()[-1] == {"role": "tool", "tool_call_id": "t1", "content": MISSING_RESULT}
    conversation.settle(answer, "One moment")
    conversation.hear("hello?")
    conversation.add_tool_result(answer, "t1", '{"ok":true}')
    assert conversation.messages() == (
        {"role": "user", "content": "book it"},
        {
            "role": "assistant",
            "content": "One moment",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "book", "arguments": '{"people":4}'}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": '{"ok":true}'},
        {"role": "user", "content": "hello?"},
    )


def test_the_oldest_turns_go_first_and_a_turn_is_never_torn():
    conversation = Conversation("system", max_messages=6)
    for number in range(10):
        conversation.hear(f"question {number}")
        conversation.settle(conversation.begin_answer(), f"answer {number}")
    messages = roles(conversation)
    assert messages[0] == ("system", "system")
    assert messages[1][0] == "user"
    assert messages[-1] == ("assistant", "answer 9")
    assert len(messages) <= 7


def test_an_application_may_replace_everything_and_the_system_prompt():
    conversation = Conversation("old")
    conversation.hear("gone")
    conversation.replace([{"role": "system", "content": "new"}, {"role": "user", "content": "hi"}])
    assert roles(conversation) == [("system", "new"), ("user", "hi")]


@pytest.mark.parametrize("message", [{}, {"role": "boss", "content": "x"}, {"role": "user", "content": 3}])
def test_a_message_of_another_shape_is_refused_and_nothing_changes(message: dict[str, object]):
    conversation = Conversation()
    conversation.hear("hi")
    with pytest.raises(UsageError) as refused:
        conversation.replace([message])
    assert refused.value.code == "invalid_context_message"
    assert roles(conversation) == [("user", "hi")]


@given(st.lists(st.tuples(st.booleans(), st.text("ab ", max_size=6), st.booleans()), max_size=40))
def test_the_conversation_always_alternates_as_models_demand(steps: list[tuple[bool, str, bool]]):
    conversation = Conversation(max_messages=12)
    for number, (has_tool, heard, continues) in enumerate(steps):
        conversation.hear(f"q{number}", continues=continues)
        answer = conversation.begin_answer()
        if has_tool:
            conversation.add_tool_call(answer, ToolCall(f"t{number}", "tool", "{}"))
        conversation.settle(answer, heard)
    messages = conversation.messages()
    asked = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    answered = [message.get("tool_call_id") for message in messages if message["role"] == "tool"]
    assert asked == answered
    assert all(
        message["content"] for message in messages if message["role"] == "assistant" and "tool_calls" not in message
    )
    assert not messages or messages[0]["role"] == "user"


def test_many_messages_at_once_are_weighed_once(monkeypatch: pytest.MonkeyPatch):
    weighed: list[object] = []
    monkeypatch.setattr(context, "_size", lambda entry: weighed.append(entry) or 1)
    conversation = Conversation("prompt", max_messages=10)
    conversation.append({"role": "user", "content": str(number)} for number in range(2000))
    assert [message["content"] for message in conversation.messages()[1:]] == [str(n) for n in range(1990, 2000)]
    assert len(weighed) == 2000  # each of them while the loop stands still


def test_where_several_people_talk_each_is_named_and_one_who_goes_on_is_named_once():
    conversation = Conversation()
    conversation.speaker = "Anna"
    conversation.hear("what time")
    conversation.hear("is it", continues=True)
    conversation.speaker = "Bert"
    conversation.hear("no, where are we", continues=True)
    assert conversation.messages() == ({"role": "user", "content": "Anna: what time is it Bert: no, where are we"},)
