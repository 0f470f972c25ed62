"""Every dialect of the table gives the same answer, however the network cuts it."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.llm.chat_dialects import DIALECTS, DONE, Dialect, call, calls, chunk, wire
from vox.errors import DependencyError
from vox.providers.llm._chat_assembly import MAX_TOOL_CALLS, ChatAssembly
from vox.providers.llm._event_stream import EventStream, StreamEvent
from vox.providers.llm.contract import TextDelta, ToolCall, Usage

TOOLS = ("get_weather", "get_time")


def read(*pieces: bytes, is_document: bool = False):
    """Texts joined, tool calls, usage, and the code of an error, in order."""
    stream, assembly = EventStream(is_document=is_document), ChatAssembly("vendor", TOOLS)
    results: list[object] = []

    def take(event: TextDelta | ToolCall | Usage) -> None:
        if isinstance(event, TextDelta) and results and isinstance(results[-1], str):
            results[-1] += event.text
        else:
            results.append(event.text if isinstance(event, TextDelta) else event)

    try:
        for piece in pieces:
            for event in stream.feed(piece):
                for delta in assembly.add(event):
                    take(delta)
        for event in stream.finish():
            for delta in assembly.add(event):
                take(delta)
        for result in assembly.finish():
            take(result)
    except DependencyError as error:
        return [*results, error.code]
    return results


def plain(results: list[object]):
    shaped = [(r.name, r.arguments) if isinstance(r, ToolCall) else r for r in results if not isinstance(r, Usage)]
    return tuple(shaped)


def test_names_of_dialects_are_unique():
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_dialect_is_understood(dialect: Dialect):
    body = wire(dialect.events)
    assert plain(read(body)) == dialect.expected
    assert plain(read(*(body[n : n + 1] for n in range(len(body))))) == dialect.expected


@given(st.sampled_from(DIALECTS), st.lists(st.integers(0, 2000), max_size=6))
def test_the_networks_cuts_change_nothing(dialect: Dialect, cuts: list[int]):
    body = wire(dialect.events)
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    assert plain(read(*(body[a:b] for a, b in pairwise(edges)))) == dialect.expected


def test_a_document_in_place_of_a_stream():
    message = {"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    assert read(json.dumps(message, indent=2).encode(), is_document=True) == ["Hi.", Usage(1, 0)]


def test_ids_are_kept_made_up_and_made_unique():
    given_ids = calls(call("get_weather", "{}", index=0, id="a"), call("get_time", "{}", index=1, id="a"))
    assert [c.id for c in read(wire(given_ids)) if isinstance(c, ToolCall)] == ["a", "a_1"]
    assert [c.id for c in read(wire(calls(call("get_time", "{}", index=3)))) if isinstance(c, ToolCall)] == ["call_0"]


def test_the_last_usage_counts():
    events = (chunk({"content": "a"}, usage={"prompt_tokens": 7, "completion_tokens": 1}), chunk({}, "stop", usage={"prompt_tokens": 7, "completion_tokens": 2}), DONE)  # fmt: skip
    assert read(wire(events)) == ["a", Usage(7, 2)]


def test_calls_and_arguments_are_bounded():
    many = calls(*(call("get_time", "{}", index=n, id=str(n)) for n in range(MAX_TOOL_CALLS + 1)))
    assert plain(read(wire(many))) == ("provider_bad_answer",)
    endless = [call("get_time", "[" + "1" * 60_000, index=0) for _ in range(20)]
    assert plain(read(wire(calls(*endless)))) == ("provider_bad_answer",)


@pytest.mark.parametrize(
    ("problem", "retryable"),
    [({"message": "x", "code": 503}, True), ({"message": "x", "code": 400}, False), ("boom", True)],
)
def test_a_reported_error_says_whether_another_try_makes_sense(problem, retryable):
    with pytest.raises(DependencyError) as caught:
        list(ChatAssembly("vendor").add(StreamEvent("", {"error": problem})))
    assert caught.value.retryable is retryable
    assert "vendor" in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "index",
                    "id",
                    "error",
                    "usage",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(_JSON, max_size=4))
def test_no_shape_of_a_chunk_is_more_than_a_dependency_error(chunks):
    read(b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks))
