"""Anthropic's Messages API: conversations in its shape, and its streamed events. Pure.

Its rules differ from OpenAI's: instructions stand beside the messages, the caller begins, roles alternate, no text is empty,
and a tool's result is something that the caller says.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.llm._alternating import alternating, split
from vox.providers.llm._answer import AnswerParts, Ending, arguments_object, event_object, inner_object
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta

_ENDINGS: Final[Mapping[str, Ending]] = {
    "max_tokens": Ending.CUT,
    "model_context_window_exceeded": Ending.CUT,
    "refusal": Ending.FILTERED,
}
_Object = Mapping[str, Any]


def body(request: LlmRequest, *, model: str, max_tokens: int, caches_prompt: bool) -> dict[str, Any]:
    """The request's JSON.

    Args:
        request: what is asked.
        model: the vendor's name of it.
        max_tokens: of the answer.
        caches_prompt: whether the tools and the system prompt are marked for the vendor's prompt cache.
    """
    system, rest = split(request.messages)
    messages = alternating(rest, _blocks, model="assistant", field="content", text=_text)
    asked: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "stream": True, "messages": messages}
    if system:
        block: dict[str, Any] = {"type": "text", "text": system}
        if caches_prompt:
            block["cache_control"] = {"type": "ephemeral"}
        asked["system"] = [block]
    if request.tools:
        asked["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        asked["tool_choice"] = _choice(request.tool_choice)
    return asked


def _blocks(message: Message) -> list[dict[str, Any]]:
    text = (message["content"] or "").strip()
    if message["role"] == "tool":
        return [{"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": text}]
    blocks = [_text(text)] if text else []
    for call in message.get("tool_calls", ()):
        function = call["function"]
        blocks.append(
            {
                "type": "tool_use",
                "id": call["id"],
                "name": function["name"],
                "input": arguments_object(function["arguments"]),
            }
        )
    return blocks


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _choice(choice: str) -> dict[str, str]:
    known = {"auto": "auto", "none": "none", "required": "any"}
    return {"type": known[choice]} if choice in known else {"type": "tool", "name": choice}


class MessageAssembly:
    """One streamed answer of the Messages API; thoughts are no text.

    Args:
        vendor: named in errors.
        key: where its key stands.
    """

    def __init__(self, vendor: str, key: Key | None = None) -> None:
        self._vendor = vendor
        self._key = key
        self._parts = AnswerParts(vendor)
        self._reason = ""
        self.is_done = False
        self.progress = 0

    def add(self, event: StreamEvent) -> Iterator[TextDelta]:
        """The text in an event; raises `DependencyError` where it reports a failure or cannot be read."""
        fields = event_object(event, self._vendor)
        kind = fields.get("type") or event.name
        self.progress += kind != "ping"
        if kind == "error":
            raise _failures.reported(fields.get("error") or fields, self._vendor, self._key)
        if kind == "message_start":
            self._count(inner_object(fields.get("message")).get("usage"))
        elif kind == "content_block_start":
            yield from self._begin_block(fields.get("index"), inner_object(fields.get("content_block")))
        elif kind == "content_block_delta":
            delta = inner_object(fields.get("delta"))
            if delta.get("type") == "text_delta":
                yield from self._parts.text(delta.get("text"))
            elif delta.get("type") == "input_json_delta":
                self._parts.add_arguments(fields.get("index"), delta.get("partial_json"))
        elif kind == "message_delta":
            reason = inner_object(fields.get("delta")).get("stop_reason")
            self._reason = reason if isinstance(reason, str) else self._reason
            self._count(fields.get("usage"))
        elif kind == "message_stop":
            self.is_done = True

    def finish(self) -> Iterator[LlmEvent]:
        """What is complete only at the end; raises `DependencyError` where the answer broke off or was withheld."""
        ending = _ENDINGS.get(self._reason, Ending.WHOLE) if self._reason else None
        yield from self._parts.finish(ending, self._reason)

    def _begin_block(self, index: object, block: _Object) -> Iterator[TextDelta]:
        if block.get("type") == "tool_use":
            self._parts.begin_call(index, block.get("id"), block.get("name"), block.get("input"))
        elif block.get("type") == "text":
            yield from self._parts.text(block.get("text"))

    def _count(self, usage: object) -> None:
        """Tokens read from and written to the cache are part of the prompt."""
        fields = inner_object(usage)
        prompt = [
            count
            for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            if isinstance(count := fields.get(name), int)
        ]
        self._parts.tokens(prompt=sum(prompt) if prompt else None, completion=fields.get("output_tokens"))
