"""The parts of one streamed answer, put together the same way for every vendor with a wire of its own.

A vendor's assembly reads its events and hands text, pieces of tool calls and the ending over; this module decides what an
ending means. A tool call is handed on complete, and half a call must not run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol, cast

import msgspec

from vox.errors import DependencyError
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import LlmEvent, TextDelta, ToolCall, Usage

MAX_TOOL_CALLS: Final = 64
MAX_ARGUMENTS: Final = 1 << 20
"""Characters of one call's arguments."""


class Ending(Enum):
    """How an answer ended: by itself, at the limit of tokens, withheld by the vendor's filter, or given up."""

    WHOLE = "whole"
    CUT = "cut"
    FILTERED = "filtered"
    FAILED = "failed"


class Assembly(Protocol):
    """Reads one answer's events.

    Attributes:
        is_done: the vendor has said that nothing more comes.
        progress: grows with every event that brings the answer further; signs of life alone do not count.
    """

    is_done: bool
    progress: int

    def add(self, event: StreamEvent) -> Iterator[TextDelta]:
        """The text that an event carries; raises `DependencyError` where it reports a failure or cannot be read."""
        ...

    def finish(self) -> Iterator[LlmEvent]:
        """What is complete only at the end; raises `DependencyError` where the answer broke off or was withheld."""
        ...


@dataclass(slots=True)
class _PartialCall:
    id: str
    name: str
    arguments: str = ""


class AnswerParts:
    """What has arrived of one answer.

    Args:
        vendor: named in errors.
    """

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._calls: dict[str | int, _PartialCall] = {}
        self._has_text = False
        self._prompt_tokens: int | None = None
        self._completion_tokens: int | None = None

    def text(self, text: object) -> Iterator[TextDelta]:
        """A piece of the answer's text; nothing where it is empty or no text."""
        if isinstance(text, str) and text:
            self._has_text = True
            yield TextDelta(text)

    def begin_call(self, key: object, call_id: object, name: object, arguments: object = None) -> None:
        """A tool call begins; `key` is what its further pieces name it by. `arguments` may be whole already."""
        if not isinstance(name, str) or not name.strip():
            return
        if len(self._calls) >= MAX_TOOL_CALLS:
            raise DependencyError(f"{self._vendor} asked for too many tools at once", code="provider_bad_answer")
        number, key = len(self._calls), _key(key)
        self._calls[key] = _PartialCall(call_id if isinstance(call_id, str) and call_id else f"call_{number}", name)
        if isinstance(arguments, str):
            self.add_arguments(key, arguments)
        elif isinstance(arguments, dict) and arguments:
            self.add_arguments(key, msgspec.json.encode(arguments).decode())

    def add_arguments(self, key: object, piece: object) -> None:
        """A piece of a call's arguments as JSON text; one of a call that never began is dropped."""
        call = self._calls.get(_key(key))
        if call is None or not isinstance(piece, str):
            return
        call.arguments += piece
        if len(call.arguments) > MAX_ARGUMENTS:
            raise DependencyError(f"{self._vendor} sent too long arguments", code="provider_bad_answer")

    def set_arguments(self, key: object, arguments: object) -> None:
        """A call's arguments as a whole, in place of what came of them."""
        if (call := self._calls.get(_key(key))) is not None and isinstance(arguments, str):
            call.arguments = ""
            self.add_arguments(key, arguments)

    def tokens(self, *, prompt: object = None, completion: object = None) -> None:
        """Token counts as they become known; what is no count is left out."""
        if (count := _count(prompt)) is not None:
            self._prompt_tokens = count
        if (count := _count(completion)) is not None:
            self._completion_tokens = count

    def finish(self, ending: Ending | None, reason: str) -> Iterator[ToolCall | Usage]:
        """The usage and the complete tool calls.

        Args:
            ending: None where the answer broke off.
            reason: the vendor's word for it, named in errors.

        Raises:
            DependencyError: `provider_failed`, `provider_answer_filtered` or `provider_answer_cut`.
        """
        calls = list(self._calls.values())
        if ending is Ending.FAILED:
            raise DependencyError(
                f"{self._vendor} gave its answer up ({reason})", code="provider_failed", retryable=not self._has_text
            )
        if ending is Ending.FILTERED:
            raise DependencyError(
                f"{self._vendor} withheld its answer ({reason})",
                code="provider_answer_filtered",
                hint="the vendor's content filter objected to the conversation or to the answer",
            )
        if ending is None or (ending is Ending.CUT and not all(_is_object(call.arguments) for call in calls)):
            raise DependencyError(
                f"{self._vendor} ended its answer in the middle", code="provider_answer_cut", retryable=not calls
            )
        if self._prompt_tokens is not None or self._completion_tokens is not None:
            yield Usage(self._prompt_tokens or 0, self._completion_tokens or 0)
        for call in calls:
            yield ToolCall(call.id, call.name, call.arguments or "{}")


def event_object(event: StreamEvent, vendor: str) -> Mapping[str, Any]:
    """An event's data; raises `DependencyError` (`provider_bad_answer`) where it is no JSON object."""
    data: object = event.data
    if isinstance(data, dict):
        return cast("Mapping[str, Any]", data)
    raise DependencyError(f"{vendor} sent data that is no JSON object", code="provider_bad_answer")


def inner_object(value: object) -> Mapping[str, Any]:
    """The object in a field; an empty one where there is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def inner_objects(value: object) -> list[Mapping[str, Any]]:
    """The objects of the list in a field; none where there is no list."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", one) for one in listed if isinstance(one, dict)]


def arguments_object(text: str) -> dict[str, Any]:
    """A call's arguments as an object, for vendors that take no JSON text; empty where they are none."""
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}


def result_object(text: str) -> dict[str, Any]:
    """A tool's result as an object, for vendors that take nothing else: other results stand under `result`."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = text
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": value}


def _key(value: object) -> str | int:
    """What a vendor names a call by, whatever it sent."""
    return value if isinstance(value, str | int) else repr(value)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text or "{}"), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None
