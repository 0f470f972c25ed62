"""Conversations in Anthropic's shape, and its answers out of garbage."""

from hypothesis import given

from tests.unit.providers.llm.vendor_play import CALLS, HI, RESULTS, SYSTEM, TOOL, read, vendor_events
from vox.providers.llm import _anthropic_wire
from vox.providers.llm.contract import LlmRequest


@given(vendor_events)
def test_garbage_raises_nothing_but_a_dependency_error(events):
    read(_anthropic_wire.MessageAssembly("acme"), events)


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
