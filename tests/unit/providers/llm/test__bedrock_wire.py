"""Conversations in Bedrock's shape, and its answers out of garbage."""

import pytest
from hypothesis import given

from tests.unit.providers.llm.vendor_play import CALLS, HI, RESULTS, SYSTEM, TOOL, read, vendor_events
from vox.providers.llm import _bedrock_wire
from vox.providers.llm.contract import LlmRequest


@given(vendor_events)
def test_garbage_raises_nothing_but_a_dependency_error(events):
    read(_bedrock_wire.ConverseAssembly("acme"), events)


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
