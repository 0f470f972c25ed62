"""Bedrock's Converse API: conversations in its shape, and the events of ConverseStream. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from vox.errors import DependencyError, PeerError
from vox.providers import _failures
from vox.providers._aws_event_stream import EventMessage, EventStreamDecoder
from vox.providers._failures import Key
from vox.providers.llm._alternating import alternating, split
from vox.providers.llm._answer import AnswerParts, Ending, arguments_object, event_object, inner_object
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolSpec

_ENDINGS: Final[Mapping[str, Ending]] = {
    "max_tokens": Ending.CUT,
    "model_context_window_exceeded": Ending.CUT,
    "guardrail_intervened": Ending.FILTERED,
    "content_filtered": Ending.FILTERED,
    "malformed_model_output": Ending.FAILED,
    "malformed_tool_use": Ending.FAILED,
}
_STATUSES: Final[Mapping[str, int]] = {
    "throttlingException": 429,
    "validationException": 400,
    "modelTimeoutException": 408,
    "serviceUnavailableException": 503,
    "internalServerException": 500,
    "modelStreamErrorException": 500,
}


def body(request: LlmRequest) -> dict[str, Any]:
    """The request's JSON, without inference settings."""
    system, rest = split(request.messages)
    asked: dict[str, Any] = {
        "messages": alternating(rest, _blocks, model="assistant", field="content", text=_text),
    }
    if system:
        asked["system"] = [_text(system)]
    has_calls = any(message.get("tool_calls") or message["role"] == "tool" for message in rest)
    if request.tools and (has_calls or request.tool_choice != "none"):
        config: dict[str, Any] = {"tools": [_tool(tool) for tool in request.tools]}
        if choice := _choice(request.tool_choice):
            config["toolChoice"] = choice
        asked["toolConfig"] = config
    return asked


def _tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description or tool.name}
    return {"toolSpec": {**described, "inputSchema": {"json": dict(tool.parameters)}}}


def _blocks(message: Message) -> list[dict[str, Any]]:
    text = (message["content"] or "").strip()
    if message["role"] == "tool":
        result = {"toolUseId": message.get("tool_call_id", ""), "content": [_text(text or "null")]}
        return [{"toolResult": result}]
    blocks = [_text(text)] if text else []
    for call in message.get("tool_calls", ()):
        function = call["function"]
        used = {"toolUseId": call["id"], "name": function["name"], "input": arguments_object(function["arguments"])}
        blocks.append({"toolUse": used})
    return blocks


def _text(text: str) -> dict[str, Any]:
    return {"text": text}


def _choice(choice: str) -> dict[str, Any] | None:
    """Bedrock knows no word for "none" and takes none for "auto"."""
    if choice in {"auto", "none"}:
        return None
    return {"any": {}} if choice == "required" else {"tool": {"name": choice}}


class ConverseDecoder:
    """The events of an answer, by their names."""

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._messages = EventStreamDecoder()

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete; raises `DependencyError` where they are no event stream."""
        try:
            return [self._event(message) for message in self._messages.feed(data)]
        except PeerError as error:
            raise DependencyError(f"{self._vendor}: {error}", code="provider_bad_answer") from error

    def finish(self) -> list[StreamEvent]:
        """Nothing: what is not whole is not used."""
        return []

    def _event(self, message: EventMessage) -> StreamEvent:
        kind = message.text(":message-type")
        if kind == "error":
            return StreamEvent(message.text(":error-code"), {"exception": message.text(":error-message")})
        try:
            data: object = msgspec.json.decode(message.payload or b"{}")
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            data = message.payload.decode("utf-8", "replace")
        if kind == "exception":
            return StreamEvent(message.text(":exception-type"), {"exception": data})
        return StreamEvent(message.text(":event-type"), data)


class ConverseAssembly:
    """One streamed answer; thoughts are no text.

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
        self.progress += 1
        if "exception" in fields:
            words = _failures.words_of(fields["exception"])
            raise _failures.of_status(_STATUSES.get(event.name, 0), words, self._vendor, key=self._key)
        index = fields.get("contentBlockIndex")
        if event.name == "contentBlockStart":
            used = inner_object(inner_object(fields.get("start")).get("toolUse"))
            self._parts.begin_call(index, used.get("toolUseId"), used.get("name"))
        elif event.name == "contentBlockDelta":
            delta = inner_object(fields.get("delta"))
            yield from self._parts.text(delta.get("text"))
            self._parts.add_arguments(index, inner_object(delta.get("toolUse")).get("input"))
        elif event.name == "messageStop":
            self._reason = str(fields.get("stopReason") or "end_turn")
        elif event.name == "metadata":
            self._count(inner_object(fields.get("usage")))
            self.is_done = bool(self._reason)

    def finish(self) -> Iterator[LlmEvent]:
        """What is complete only at the end; raises `DependencyError` where the answer broke off or was withheld."""
        ending = _ENDINGS.get(self._reason, Ending.WHOLE) if self._reason else None
        yield from self._parts.finish(ending, self._reason)

    def _count(self, usage: Mapping[str, Any]) -> None:
        """Tokens read from and written to the cache are part of the prompt."""
        read = [
            tokens
            for name in ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
            if isinstance(tokens := usage.get(name), int)
        ]
        self._parts.tokens(prompt=sum(read) if read else None, completion=usage.get("outputTokens"))
