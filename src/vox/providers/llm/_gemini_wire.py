"""Google's generateContent: conversations in its shape, and its streamed chunks. Pure; the Gemini API and Vertex share it.

A tool call comes whole, mostly without an id, and from newer models with a signature of the thought behind it, which has to go
back with the call. Signatures are too long for a conversation that clients see, so `Signatures` remembers them by the call's id.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.llm._alternating import alternating, split
from vox.providers.llm._answer import (
    AnswerParts,
    Ending,
    arguments_object,
    event_object,
    inner_object,
    inner_objects,
    result_object,
)
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolSpec

MAX_SIGNATURES: Final = 4096
UNSIGNED: Final = "skip_thought_signature_validator"
"""What Google documents for calls whose signature is not known, as those that another model asked for."""
OWN_IDS: Final = "gemini_"
"""Begins the ids of calls that came without one."""

_FILTERED = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY")
_FAILED = (
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "OTHER",
)
_ENDINGS: Final[Mapping[str, Ending]] = {
    "MAX_TOKENS": Ending.CUT,
    **dict.fromkeys(_FILTERED, Ending.FILTERED),
    **dict.fromkeys(_FAILED, Ending.FAILED),
}


class Signatures:
    """The signatures of the latest tool calls, and ids for calls that came without one; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._numbers = count(1)

    def new_id(self) -> str:
        """An id that no other call of this process has."""
        return f"{OWN_IDS}{next(self._numbers)}"

    def keep(self, call_id: str, signature: str) -> None:
        """Remembers a call's signature."""
        self._known[call_id] = signature
        if len(self._known) > MAX_SIGNATURES:
            del self._known[next(iter(self._known))]

    def of(self, call_id: str) -> str:
        """The signature to send with a call."""
        return self._known.get(call_id, UNSIGNED)


def body(request: LlmRequest, signatures: Signatures, *, sends_ids: bool) -> dict[str, Any]:
    """The request's JSON, without generation settings.

    Args:
        request: what is asked.
        signatures: of earlier calls.
        sends_ids: whether the API takes the ids of calls; Vertex does not.
    """
    system, messages = split(request.messages)
    asked: dict[str, Any] = {"contents": contents(messages, signatures, sends_ids=sends_ids)}
    if system:
        asked["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        asked["tools"] = [{"functionDeclarations": declarations(request.tools)}]
        asked["toolConfig"] = {"functionCallingConfig": _choice(request.tool_choice)}
    return asked


def declarations(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """The tools as the API describes them."""
    return [
        {"name": tool.name, "description": tool.description, "parametersJsonSchema": dict(tool.parameters)}
        for tool in tools
    ]


def contents(messages: Sequence[Message], signatures: Signatures, *, sends_ids: bool) -> list[dict[str, Any]]:
    """The messages behind the instructions, in alternating turns; the caller begins and has the last word."""
    names: dict[str, str] = {}
    return alternating(
        messages,
        lambda message: _parts(message, names, signatures, sends_ids=sends_ids),
        model="model",
        field="parts",
        text=_text,
    )


def _parts(message: Message, names: dict[str, str], signatures: Signatures, *, sends_ids: bool) -> list[dict[str, Any]]:
    text = (message["content"] or "").strip()
    if message["role"] == "tool":
        call_id = message.get("tool_call_id", "")
        answered = {"name": names.get(call_id, "unknown"), "response": result_object(text)}
        return [{"functionResponse": answered | _id(call_id, sends_ids=sends_ids)}]
    parts: list[dict[str, Any]] = [{"text": text}] if text else []
    for number, call in enumerate(message.get("tool_calls", ())):
        function, call_id = call["function"], call["id"]
        names[call_id] = function["name"]
        called = {"name": function["name"], "args": arguments_object(function["arguments"])}
        part: dict[str, Any] = {"functionCall": called | _id(call_id, sends_ids=sends_ids)}
        if not number:  # only the first of calls made at once is signed
            part["thoughtSignature"] = signatures.of(call_id)
        parts.append(part)
    return parts


def _text(text: str) -> dict[str, Any]:
    return {"text": text}


def _id(call_id: str, *, sends_ids: bool) -> dict[str, str]:
    return {"id": call_id} if sends_ids and not call_id.startswith(OWN_IDS) else {}


def _choice(choice: str) -> dict[str, Any]:
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    if choice in modes:
        return {"mode": modes[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}


class ContentAssembly:
    """One streamed answer; thoughts are no text.

    Args:
        vendor: named in errors.
        signatures: takes those of this answer's calls.
        key: where the vendor's key stands.
    """

    def __init__(self, vendor: str, signatures: Signatures, key: Key | None = None) -> None:
        self._vendor = vendor
        self._key = key
        self._signatures = signatures
        self._parts = AnswerParts(vendor)
        self._reason = ""
        self._blocked = ""
        self.is_done = False
        self.progress = 0

    def add(self, event: StreamEvent) -> Iterator[TextDelta]:
        """The text in a chunk; raises `DependencyError` where it reports a failure or cannot be read."""
        data: object = event.data
        for chunk in inner_objects(data) or [event_object(event, self._vendor)]:
            self.progress += 1
            if chunk.get("error"):
                raise _failures.reported(chunk["error"], self._vendor, self._key)
            if blocked := inner_object(chunk.get("promptFeedback")).get("blockReason"):
                self._blocked = str(blocked)
            for candidate in inner_objects(chunk.get("candidates"))[:1]:
                for part in inner_objects(inner_object(candidate.get("content")).get("parts")):
                    yield from self._add_part(part)
                if reason := candidate.get("finishReason"):
                    self._reason = str(reason)
            self._count(inner_object(chunk.get("usageMetadata")))
            self.is_done = bool(self._reason) and "usageMetadata" in chunk

    def finish(self) -> Iterator[LlmEvent]:
        """What is complete only at the end; raises `DependencyError` where the answer broke off or was withheld."""
        if self._blocked:
            yield from self._parts.finish(Ending.FILTERED, self._blocked)
        ending = _ENDINGS.get(self._reason, Ending.WHOLE) if self._reason else None
        yield from self._parts.finish(ending, self._reason)

    def _add_part(self, part: Mapping[str, Any]) -> Iterator[TextDelta]:
        call = inner_object(part.get("functionCall"))
        if call:
            given = call.get("id")
            call_id = given if isinstance(given, str) and given else self._signatures.new_id()
            self._parts.begin_call(call_id, call_id, call.get("name"), call.get("args"))
            if isinstance(signature := part.get("thoughtSignature"), str) and signature:
                self._signatures.keep(call_id, signature)
        elif part.get("thought") is not True:
            yield from self._parts.text(part.get("text"))

    def _count(self, usage: Mapping[str, Any]) -> None:
        """Tokens of thoughts are part of what was written."""
        written = [
            tokens
            for name in ("candidatesTokenCount", "thoughtsTokenCount")
            if isinstance(tokens := usage.get(name), int)
        ]
        self._parts.tokens(prompt=usage.get("promptTokenCount"), completion=sum(written) if written else None)
