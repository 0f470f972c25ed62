"""Conversations in the shape of each vendor, and answers read out of what vendors send, also out of garbage."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import DependencyError
from vox.providers.llm import _anthropic_wire, _bedrock_wire, _gemini_wire, _responses_wire
from vox.providers.llm._alternating import CALL_BEGINS, GO_ON, alternating, split
from vox.providers.llm._answer import AnswerParts, Ending, arguments_object, result_object
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm._gemini_wire import MAX_SIGNATURES, UNSIGNED, Signatures
from vox.providers.llm.contract import LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage

SYSTEM: Message = {"role": "system", "content": "Be brief."}
HI: Message = {"role": "user", "content": "Hi"}
HELLO: Message = {"role": "assistant", "content": "Hello."}
CALLS: Message = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "book", "arguments": '{"n": 2}'}},
        {"id": "b", "type": "function", "function": {"name": "book", "arguments": "no JSON"}},
    ],
}
RESULTS: tuple[Message, ...] = (
    {"role": "tool", "tool_call_id": "a", "content": '{"ok": true}'},
    {"role": "tool", "tool_call_id": "b", "content": "3"},
)
TOOL = ToolSpec("book", "Books.", {"type": "object"})

texts = st.text(max_size=20)
messages = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "user", "assistant"]), texts),
    max_size=8,
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "type", "delta", "index", "content_block", "message", "usage", "stop_reason", "text", "partial_json", "error",
    "candidates", "content", "parts", "functionCall", "name", "args", "finishReason", "usageMetadata", "promptFeedback",
    "contentBlockIndex", "start", "toolUse", "toolUseId", "input", "stopReason", "exception", "response", "item",
    "output_index", "arguments", "call_id", "incomplete_details", "input_tokens", "output_tokens",
)  # fmt: skip
WORDS = (
    "message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "tool_use", "text_delta",
    "input_json_delta", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "response.output_item.added",
    "response.output_text.delta", "response.function_call_arguments.delta", "response.output_item.done", "function_call",
    "response.completed", "response.incomplete", "response.failed", "STOP", "MAX_TOKENS",
)  # fmt: skip
vendor_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 1 << 60) | texts | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=14,
)
ASSEMBLIES = {
    "anthropic": lambda: _anthropic_wire.MessageAssembly("acme"),
    "gemini": lambda: _gemini_wire.ContentAssembly("acme", Signatures()),
    "bedrock": lambda: _bedrock_wire.ConverseAssembly("acme"),
    "responses": lambda: _responses_wire.ResponseAssembly("acme"),
}


def blocks(message: Message) -> list[dict[str, Any]]:
    return [{"text": message["content"]}] if (message["content"] or "").strip() else []


@given(messages)
def test_turns_alternate_and_the_caller_has_the_first_and_the_last(given_messages):
    turns = alternating(given_messages, blocks, model="model", field="parts", text=lambda text: {"text": text})
    roles = [turn["role"] for turn in turns]
    assert roles[0] == roles[-1] == "user"
    assert all(role != after for role, after in pairwise(roles))
    said = [part["text"] for turn in turns for part in turn["parts"] if part["text"] not in {CALL_BEGINS, GO_ON}]
    assert said == [each["content"] for each in given_messages if each["content"].strip()]


def test_instructions_are_those_at_the_beginning():
    later: Message = {"role": "system", "content": "Now in French."}
    assert split((SYSTEM, SYSTEM, HI, later)) == ("Be brief.\n\nBe brief.", [HI, later])
    assert split(()) == ("", [])


def test_anthropic_is_told_calls_and_results_in_its_blocks():
    asked = _anthropic_wire.body(
        LlmRequest((SYSTEM, HI, CALLS, *RESULTS), (TOOL,), "required"), model="m", max_tokens=9, caches_prompt=True
    )
    assert asked["system"] == [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert asked["tool_choice"] == {"type": "any"}
    _, used, results = asked["messages"]
    assert [block["input"] for block in used["content"]] == [{"n": 2}, {}]
    assert [block["tool_use_id"] for block in results["content"]] == ["a", "b"]
    assert results["role"] == "user"


def test_gemini_is_told_results_by_name_and_the_signature_of_the_first_call():
    signatures = Signatures()
    signatures.keep("a", "c2ln")
    asked = _gemini_wire.body(LlmRequest((SYSTEM, HI, CALLS, *RESULTS), (TOOL,), "book"), signatures, sends_ids=True)
    _, called, results = asked["contents"]
    assert [part.get("thoughtSignature") for part in called["parts"]] == ["c2ln", None]
    assert [part["functionResponse"] for part in results["parts"]] == [
        {"name": "book", "id": "a", "response": {"ok": True}},
        {"name": "book", "id": "b", "response": {"result": 3}},
    ]
    assert asked["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["book"]}
    without_ids = _gemini_wire.body(LlmRequest((HI, CALLS, *RESULTS)), signatures, sends_ids=False)
    assert "id" not in without_ids["contents"][1]["parts"][0]["functionCall"]


def test_signatures_are_forgotten_when_there_are_too_many():
    signatures = Signatures()
    for number in range(MAX_SIGNATURES + 1):
        signatures.keep(str(number), "s")
    assert (signatures.of("0"), signatures.of("1")) == (UNSIGNED, "s")


@pytest.mark.parametrize(
    ("choice", "config"),
    [("auto", None), ("none", "absent"), ("required", {"any": {}}), ("book", {"tool": {"name": "book"}})],
)
def test_bedrock_has_no_word_for_none_and_needs_none_for_auto(choice, config):
    asked = _bedrock_wire.body(LlmRequest((SYSTEM, HI), (TOOL,), choice))
    if config == "absent":
        assert "toolConfig" not in asked
    else:
        assert asked["toolConfig"].get("toolChoice") == config


def test_bedrock_is_told_the_tools_as_long_as_the_conversation_has_calls():
    asked = _bedrock_wire.body(LlmRequest((HI, CALLS, *RESULTS), (TOOL,), "none"))
    assert asked["toolConfig"]["tools"][0]["toolSpec"]["name"] == "book"
    assert [block["toolResult"]["toolUseId"] for block in asked["messages"][2]["content"]] == ["a", "b"]


def test_responses_are_asked_with_items():
    asked = _responses_wire.arguments(LlmRequest((SYSTEM, HI, CALLS, *RESULTS), (TOOL,), "book"), "m")
    assert asked["instructions"] == "Be brief."
    assert [item.get("type", item.get("role")) for item in asked["input"]] == [
        "user",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert asked["tool_choice"] == {"type": "function", "name": "book"}
    assert asked["store"] is False


@pytest.mark.parametrize("name", ASSEMBLIES)
@given(st.lists(st.tuples(st.sampled_from((*WORDS, "", "error")), vendor_values), max_size=8))
def test_garbage_raises_nothing_but_a_dependency_error(name, events):
    assembly = ASSEMBLIES[name]()
    try:
        for event, data in events:
            for delta in assembly.add(StreamEvent(event, data)):
                assert isinstance(delta, TextDelta)
                assert delta.text
        for result in assembly.finish():
            assert isinstance(result, Usage | ToolCall)
    except DependencyError as error:
        assert str(error).startswith("acme")  # noqa: PT017  what is raised is what is tested


def parts_of(*calls: tuple[str, str]) -> AnswerParts:
    parts = AnswerParts("acme")
    for key, arguments in calls:
        parts.begin_call(key, key, "book")
        parts.add_arguments(key, arguments)
    return parts


def test_a_call_cut_at_the_limit_of_tokens_does_not_run():
    with pytest.raises(DependencyError) as caught:
        list(parts_of(("a", '{"n": ')).finish(Ending.CUT, "length"))
    assert caught.value.code == "provider_answer_cut"
    assert list(parts_of(("a", '{"n": 1}')).finish(Ending.CUT, "length")) == [ToolCall("a", "book", '{"n": 1}')]


def test_what_the_vendor_gave_up_may_be_tried_again_where_nothing_was_said():
    parts = AnswerParts("acme")
    with pytest.raises(DependencyError) as caught:
        list(parts.finish(Ending.FAILED, "OTHER"))
    assert caught.value.retryable
    list(parts.text("Hello"))
    with pytest.raises(DependencyError) as caught:
        list(parts.finish(Ending.FAILED, "OTHER"))
    assert not caught.value.retryable


def test_arguments_have_a_limit():
    with pytest.raises(DependencyError):
        parts_of(("a", "x" * ((1 << 20) + 1)))
    with pytest.raises(DependencyError):
        parts_of(*((str(number), "{}") for number in range(65)))


@given(json_values)
def test_results_are_objects_and_arguments_too(value):
    text = json.dumps(value)
    assert result_object(text) == (value if isinstance(value, dict) else {"result": value})
    assert arguments_object(text) == (value if isinstance(value, dict) else {})
    assert result_object("no JSON") == {"result": "no JSON"}
