"""Conversations as items of the Responses API, and its answers out of garbage."""

from hypothesis import given

from tests.unit.providers.llm.vendor_play import CALLS, HI, RESULTS, SYSTEM, TOOL, read, vendor_events
from vox.providers.llm import _responses_wire
from vox.providers.llm.contract import LlmRequest


@given(vendor_events)
def test_garbage_raises_nothing_but_a_dependency_error(events):
    read(_responses_wire.ResponseAssembly("acme"), events)


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
