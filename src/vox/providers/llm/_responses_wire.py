"""OpenAI's Responses API: conversations as its items, and its streamed events. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.llm._alternating import split
from vox.providers.llm._answer import AnswerParts, Ending, event_object, inner_object
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolSpec

_NAMED_CHOICES: Final = frozenset({"auto", "none", "required"})
_ENDINGS: Final[Mapping[str, Ending]] = {"content_filter": Ending.FILTERED}
"""Why an answer is incomplete; anything else is a limit of tokens."""


def arguments(request: LlmRequest, model: str) -> dict[str, Any]:
    """The request's fields. The vendor stores nothing: the messages are the state."""
    system, rest = split(request.messages)
    asked: dict[str, Any] = {
        "model": model,
        "input": [item for message in rest for item in _items(message)],
        "store": False,
    }
    if system:
        asked["instructions"] = system
    if request.tools:
        asked["tools"] = [_tool(tool) for tool in request.tools]
        choice = request.tool_choice
        asked["tool_choice"] = choice if choice in _NAMED_CHOICES else {"type": "function", "name": choice}
    return asked


def _items(message: Message) -> Iterator[dict[str, Any]]:
    text = message["content"] or ""
    if message["role"] == "tool":
        yield {"type": "function_call_output", "call_id": message.get("tool_call_id", ""), "output": text}
        return
    if text.strip():
        yield {"role": message["role"], "content": text}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": False,
    }


class ResponseAssembly:
    """One streamed answer; reasoning is no text.

    Args:
        vendor: named in errors.
        key: where its key stands.
    """

    def __init__(self, vendor: str, key: Key | None = None) -> None:
        self._vendor = vendor
        self._key = key
        self._parts = AnswerParts(vendor)
        self._ending: Ending | None = None
        self._reason = ""
        self.is_done = False
        self.progress = 0

    def add(self, event: StreamEvent) -> Iterator[TextDelta]:
        """The text in an event; raises `DependencyError` where it reports a failure or cannot be read."""
        if event.data == "[DONE]":
            return
        fields = event_object(event, self._vendor)
        self.progress += 1
        kind, index = str(fields.get("type") or event.name), fields.get("output_index")
        if kind in {"response.output_text.delta", "response.refusal.delta"}:
            yield from self._parts.text(fields.get("delta"))
        elif kind == "response.output_item.added":
            item = inner_object(fields.get("item"))
            if item.get("type") == "function_call":
                self._parts.begin_call(index, item.get("call_id") or item.get("id"), item.get("name"))
        elif kind == "response.function_call_arguments.delta":
            self._parts.add_arguments(index, fields.get("delta"))
        elif kind == "response.output_item.done":
            item = inner_object(fields.get("item"))
            if item.get("type") == "function_call":
                self._parts.set_arguments(index, item.get("arguments"))
        elif kind == "response.completed":
            self._end(fields, Ending.WHOLE)
        elif kind == "response.incomplete":
            details = inner_object(inner_object(fields.get("response")).get("incomplete_details"))
            self._reason = str(details.get("reason") or "max_output_tokens")
            self._end(fields, _ENDINGS.get(self._reason, Ending.CUT))
        elif kind == "response.failed":
            problem = inner_object(fields.get("response")).get("error") or "it gave its answer up"
            raise _failures.reported(problem, self._vendor, self._key)
        elif kind == "error" or fields.get("error"):
            raise _failures.reported(fields.get("error") or fields, self._vendor, self._key)

    def finish(self) -> Iterator[LlmEvent]:
        """What is complete only at the end; raises `DependencyError` where the answer broke off or was withheld."""
        yield from self._parts.finish(self._ending, self._reason)

    def _end(self, fields: Mapping[str, Any], ending: Ending) -> None:
        usage = inner_object(inner_object(fields.get("response")).get("usage"))
        self._parts.tokens(prompt=usage.get("input_tokens"), completion=usage.get("output_tokens"))
        self._ending, self.is_done = ending, True
