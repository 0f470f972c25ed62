"""A conversation for every vendor's shape, and what may come from a vendor that has lost its mind."""

from hypothesis import strategies as st

from vox.errors import DependencyError
from vox.providers.llm._answer import Assembly
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import Message, TextDelta, ToolCall, ToolSpec, Usage

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
vendor_events = st.lists(st.tuples(st.sampled_from((*WORDS, "", "error")), vendor_values), max_size=8)


def read(assembly: Assembly, events: list[tuple[str, object]]) -> None:
    """Reads them to their end or to a `DependencyError`; nothing else may come of it."""
    try:
        for event, data in events:
            for delta in assembly.add(StreamEvent(event, data)):
                assert isinstance(delta, TextDelta)
                assert delta.text
        for result in assembly.finish():
            assert isinstance(result, Usage | ToolCall)
    except DependencyError:
        return
