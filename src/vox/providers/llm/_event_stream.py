"""Reads an HTTP answer as server-sent events, as vendors send them rather than as the standard describes them.

Accepted beside the standard: a byte order mark, any line ends, a last event without its empty line, events without empty
lines between them, lines of bare JSON (NDJSON), and a whole JSON document in place of a stream.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vox.errors import DependencyError

MAX_EVENT_CHARACTERS = 8 << 20
"""Of one event, or of a document in place of a stream."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_JSON_BEGINS = ("{", "[")
_LENIENT = json.JSONDecoder(strict=False)  # takes NaN, bare control characters and halves of surrogate pairs


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event: its name (mostly empty) and its data: decoded JSON, or the text where it is no JSON."""

    name: str
    data: Any


@dataclass(slots=True)
class EventStream:
    """Feed bytes with `feed`, end with `finish`.

    Args:
        is_document: the answer's content type is JSON: it may be one document over many lines.
    """

    is_document: bool = False
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace")
    )
    _pending: str = ""
    _name: str = ""
    _lines: list[str] = field(default_factory=list[str])
    _size: int = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete; raises `DependencyError` (`provider_bad_answer`) for one too long."""
        self._pending += self._decoder.decode(data)
        self._check(len(self._pending))
        if self.is_document:
            return []
        events: list[StreamEvent] = []
        start = 0
        for end in _LINE_END.finditer(self._pending):
            if end.group() == "\r" and end.end() == len(self._pending):
                break  # the next bytes tell whether this is CR LF
            events += self._line(self._pending[start : end.start()])
            start = end.end()
        self._pending = self._pending[start:]
        return events

    def finish(self) -> list[StreamEvent]:
        """The events that the answer's end completes."""
        rest = (self._pending + self._decoder.decode(b"", final=True)).strip()
        self._pending = ""
        if self.is_document and rest.startswith(_JSON_BEGINS):
            parsed = _parse(rest)
            if not isinstance(parsed, str):
                return [StreamEvent("", parsed)]
        events: list[StreamEvent] = []
        for line in _LINE_END.split(rest):
            events += self._line(line)
        return [*events, *self._dispatch()]

    def _line(self, line: str) -> Iterator[StreamEvent]:
        if not line.strip():
            yield from self._dispatch()
        elif line.lstrip().startswith(_JSON_BEGINS):
            yield from self._dispatch()
            self._add(line.strip())
            yield from self._dispatch()
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            if name == "data":
                self._add(value.removeprefix(" "))
            elif name == "event":
                self._name = value.strip()

    def _add(self, line: str) -> None:
        self._size += len(line)
        self._check(self._size)
        self._lines.append(line)

    def _check(self, size: int) -> None:
        if size > MAX_EVENT_CHARACTERS:
            raise DependencyError("an event of the answer is too long", code="provider_bad_answer")

    def _dispatch(self) -> Iterator[StreamEvent]:
        lines, name = self._lines, self._name
        self._lines, self._name, self._size = [], "", 0
        if not any(line.strip() for line in lines):
            return
        whole = _parse("\n".join(lines))
        if not isinstance(whole, str) or len(lines) == 1:
            yield StreamEvent(name, whole)
        else:
            yield from (StreamEvent(name, _parse(line)) for line in lines if line.strip())


def _parse(text: str) -> Any:
    """The value of a JSON text; the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return _LENIENT.decode(text)
    except (ValueError, RecursionError):
        return text
