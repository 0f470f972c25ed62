"""What the end of an answer means, and what of its tool calls may run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.llm.vendor_play import texts
from vox.errors import DependencyError
from vox.providers.llm._answer import AnswerParts, Ending, arguments_object, result_object
from vox.providers.llm.contract import ToolCall

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


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
