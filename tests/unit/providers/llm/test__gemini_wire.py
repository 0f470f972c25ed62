"""Conversations in Gemini's shape, and its answers out of garbage."""

from hypothesis import given

from tests.unit.providers.llm.vendor_play import CALLS, HI, RESULTS, SYSTEM, TOOL, read, vendor_events
from vox.providers.llm import _gemini_wire
from vox.providers.llm._gemini_wire import MAX_SIGNATURES, UNSIGNED, Signatures
from vox.providers.llm.contract import LlmRequest


@given(vendor_events)
def test_garbage_raises_nothing_but_a_dependency_error(events):
    read(_gemini_wire.ContentAssembly("acme", Signatures()), events)


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
