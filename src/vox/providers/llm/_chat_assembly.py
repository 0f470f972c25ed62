"""Puts the chunks of a streamed chat answer together, whichever dialect of OpenAI's API they are written in.

Rule for every field: it is used where it has a form that can be understood, and left out otherwise. Only three things end an
answer with an error: the vendor reports one, the answer breaks off, or data comes that is no JSON. Known dialects are the
table in `tests/unit/providers/llm/chat_dialects.py`; a new one is a row there before it is a line here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from vox.errors import DependencyError
from vox.providers import _failures
from vox.providers.llm._event_stream import StreamEvent
from vox.providers.llm.contract import TextDelta, ToolCall, Usage

MAX_TOOL_CALLS: Final = 64
MAX_ARGUMENTS: Final = 1 << 20
"""Characters of one call's arguments."""

_FILTERED: Final = frozenset({"content_filter", "safety", "recitation", "blocklist", "prohibited_content", "sensitive"})
_FAILED: Final = frozenset({"error", "insufficient_system_resource", "abort", "aborted", "cancelled", "network_error"})
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_NOT_TEXT: Final = frozenset({"thinking", "reasoning", "redacted_thinking", "tool_use", "tool_call", "reference"})
_KEEP_ALIVE: Final = frozenset({"ping", "keepalive", "keep-alive", "heartbeat", "[ping]", "connected", "null"})
_Object = Mapping[str, Any]


@dataclass(slots=True)
class _PartialCall:
    index: int | None = None
    id: str = ""
    ids: set[str] = field(default_factory=set[str])
    name: str = ""
    arguments: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.arguments) and _is_object(self.arguments)


class ChatAssembly:
    """One streamed answer. `add` gives the text that an event carries, `finish` the tool calls and the usage.

    Args:
        vendor: named in errors.
        tool_names: the tools offered: they tell a name that comes in pieces from two calls.

    Attributes:
        is_done: the vendor has said that nothing more comes.
        progress: grows with every chunk; signs of life alone do not count.
    """

    def __init__(self, vendor: str, tool_names: Iterable[str] = ()) -> None:
        self._vendor = vendor
        self._tool_names = frozenset(tool_names)
        self._calls: list[_PartialCall] = []
        self._usage: Usage | None = None
        self._has_text = False
        self._half_pair = ""
        self._finish_reason = ""
        self.is_done = False
        self.progress = 0

    def add(self, event: StreamEvent) -> Iterator[TextDelta]:
        """The text in an event; raises `DependencyError` where the vendor reports one or sends what cannot be read."""
        data = event.data
        if isinstance(data, str):
            self._add_text_event(event)
            return
        for chunk in cast("list[Any]", data) if isinstance(data, list) else [data]:
            if isinstance(chunk, dict):
                self.progress += 1
                yield from self._add_chunk(cast("_Object", chunk), event.name)

    def finish(self) -> Iterator[ToolCall | Usage]:
        """What is complete only at the end; raises `DependencyError` where the answer broke off or was withheld."""
        reason = self._finish_reason.casefold()
        if reason in _FAILED:
            raise DependencyError(
                f"{self._vendor} gave its answer up ({reason})", code="provider_failed", retryable=not self._has_text
            )
        if reason in _FILTERED:
            raise DependencyError(
                f"{self._vendor} withheld its answer ({reason})",
                code="provider_answer_filtered",
                hint="the vendor's content filter objected to the conversation or to the answer",
            )
        calls = self._calls
        is_whole = bool(reason) or self.is_done
        is_certain = bool(reason) and reason not in _CUT
        if not is_whole or not (is_certain or all(call.is_complete or not call.arguments for call in calls)):
            raise DependencyError(
                f"{self._vendor} ended its answer in the middle", code="provider_answer_cut", retryable=not calls
            )
        if self._usage is not None:
            yield self._usage
        taken: set[str] = set()
        for number, call in enumerate(
            sorted(calls, key=lambda call: call.index if call.index is not None else 1 << 30)
        ):
            if not call.name:
                continue
            id_ = call.id or f"call_{number}"
            if id_ in taken:
                id_ = f"{id_}_{number}"
            taken.add(id_)
            yield ToolCall(id_, call.name, _object_text(call.arguments))

    def _add_text_event(self, event: StreamEvent) -> None:
        text = str(event.data).strip()
        if text.casefold() == "[done]":
            self.is_done = True
        elif event.name == "error":
            raise _failures.reported(text, self._vendor)
        elif text.casefold() not in _KEEP_ALIVE:
            raise DependencyError(f"{self._vendor} sent data that is no JSON", code="provider_bad_answer")

    def _add_chunk(self, chunk: _Object, name: str) -> Iterator[TextDelta]:
        problem = _reported_problem(chunk, name)
        if problem is not None:
            raise _failures.reported(problem, self._vendor)
        self._usage = _usage(chunk) or self._usage
        for choice in _objects(chunk.get("choices")):
            if choice.get("index") not in (None, 0, "0"):
                continue  # one answer is spoken, however many came
            if problem := choice.get("error"):
                raise _failures.reported(problem, self._vendor)
            yield from self._add_choice(choice)
            reason = choice.get("finish_reason")
            if isinstance(reason, str) and reason.strip() and reason.casefold() != "null":
                self._finish_reason = reason.strip()
            self.is_done = self.is_done or choice.get("message") is not None

    def _add_choice(self, choice: _Object) -> Iterator[TextDelta]:
        delta = choice.get("delta")
        if not isinstance(delta, dict) or not delta:
            # An answer in one piece, or one repeated as a whole behind its stream.
            whole = choice.get("message")
            if isinstance(whole, dict) and not self._has_text and not self._calls:
                delta = cast("Any", whole)
            elif isinstance(choice.get("text"), str):
                delta = {"content": choice["text"]}
            else:
                return
        fields = cast("_Object", delta)
        for given in (fields.get("content"), fields.get("refusal")):
            if text := self._whole_characters(_text(given)):
                self._has_text = True
                yield TextDelta(text)
        for piece in _objects(fields.get("tool_calls")):
            self._add_call(piece)
        legacy = fields.get("function_call")
        if isinstance(legacy, dict):
            self._add_call({"index": 0, "function": legacy})

    def _whole_characters(self, text: str) -> str:
        """The text without lone halves of a surrogate pair; a half at the end waits for the next piece."""
        text, self._half_pair = self._half_pair + text, ""
        if text.isascii():
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half_pair = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    # Tool calls

    def _add_call(self, piece: _Object) -> None:
        function = piece.get("function")
        fields = cast("_Object", function) if isinstance(function, dict) else piece
        name, arguments = _string(fields.get("name")), _arguments(fields.get("arguments"))
        id_, index = _string(piece.get("id")), _index(piece.get("index"))
        call = self._call_of(index, id_, name, arguments)
        if call is None:
            return
        call.id = call.id or id_
        call.ids.add(id_)
        call.name = self._joined_name(call.name, name)
        if _is_repeated(call.arguments, arguments):
            call.arguments = arguments
        else:
            call.arguments += arguments
        if len(call.arguments) > MAX_ARGUMENTS:
            raise DependencyError(f"{self._vendor} sent too long arguments", code="provider_bad_answer")

    def _call_of(self, index: int | None, id_: str, name: str, arguments: str) -> _PartialCall | None:
        """The call that a piece belongs to; None where it repeats one that is complete."""
        last = self._calls[-1] if self._calls else None
        if index is not None:
            found = next((call for call in reversed(self._calls) if call.index == index), None)
            if found is None:
                return self._new_call(index)
            # Some gateways give every call the index 0, others every piece a new id.
            is_other = bool(name and id_) and id_ not in found.ids and bool(found.name)
            is_next = is_other and (found.is_complete or not self._is_name_of(found, name))
            return self._new_call(index) if is_next else found
        if id_:
            found = next((call for call in self._calls if id_ in call.ids), None)
            if found is not None and not (name and found.is_complete and arguments not in ("", found.arguments)):
                return found
            if last is None or name or last.is_complete:
                return self._new_call(None)
            return last  # a new id for every piece
        if last is None:
            return self._new_call(None) if name or arguments else None
        if not name or (self._is_name_of(last, name) and not last.is_complete):
            return last
        if self._is_name_of(last, name) and last.arguments == arguments:
            return None
        return self._new_call(None)

    def _is_name_of(self, call: _PartialCall, name: str) -> bool:
        """Whether a name in a further piece is this call's again, or its continuation."""
        if not call.name or call.name.startswith(name) or name.startswith(call.name):
            return True
        joined = call.name + name
        return call.name not in self._tool_names and any(known.startswith(joined) for known in self._tool_names)

    def _joined_name(self, so_far: str, piece: str) -> str:
        if not piece or so_far in self._tool_names or so_far == piece:
            return so_far or piece
        return piece if piece.startswith(so_far) else so_far + piece

    def _new_call(self, index: int | None) -> _PartialCall:
        if len(self._calls) >= MAX_TOOL_CALLS:
            raise DependencyError(f"{self._vendor} asked for too many tools at once", code="provider_bad_answer")
        self._calls.append(_PartialCall(index))
        return self._calls[-1]


def _reported_problem(chunk: _Object, name: str) -> Any:
    """What a chunk says went wrong; None where it says nothing of the kind."""
    if chunk.get("error"):
        return chunk["error"]
    answered = chunk.get("base_resp")
    if isinstance(answered, dict) and cast("_Object", answered).get("status_code") not in (None, 0, "0"):
        status = cast("_Object", answered)
        return {"message": status.get("status_msg"), "code": status.get("status_code")}
    if name == "error" or chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    if "choices" not in chunk and (chunk.get("detail") or (chunk.get("message") and chunk.get("code"))):
        return chunk
    return None


def _objects(value: Any) -> list[_Object]:
    """The objects of a list, or the one that stands in place of a list."""
    listed = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [cast("_Object", one) for one in listed if isinstance(one, dict)]


def _text(value: Any) -> str:
    """The text of a content field: a string, a part, or a list of both; thoughts are no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_text, cast("list[Any]", value)))
    if isinstance(value, dict):
        part = cast("_Object", value)
        if part.get("type") not in _NOT_TEXT:
            return next(
                (found for key in ("text", "content", "value", "refusal") if (found := _text(part.get(key)))), ""
            )
    return ""


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _index(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 6:  # noqa: PLR2004  no real index
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _arguments(value: Any) -> str:
    """A piece of arguments as text."""
    if isinstance(value, str):
        return "" if value.strip() in ("null", "None") else value
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return ""


def _is_repeated(so_far: str, piece: str) -> bool:
    """Whether a piece holds all arguments again, perhaps with more behind them: JSON never goes on with a second beginning."""
    if not so_far.startswith("{") or not piece.startswith("{"):
        return False
    return piece.startswith(so_far) or _is_object(so_far)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict | str)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _object_text(text: str) -> str:
    """Arguments as the text of a JSON object; an object within a JSON string is taken out of it."""
    try:
        value: object = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text  # the tool answers that it cannot read them, and the model may correct itself
    if isinstance(value, str):
        return _object_text(value) if value.lstrip().startswith("{") else "{}" if not value.strip() else text
    return text if isinstance(value, dict) and text.strip() else "{}"


def _usage(chunk: _Object) -> Usage | None:
    given = chunk.get("usage")
    if not isinstance(given, dict):
        return None
    usage = cast("_Object", given)
    prompt = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    completion = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    return Usage(prompt or 0, completion or 0) if prompt is not None or completion is not None else None


def _count(value: Any) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return int(value) if is_number else None
