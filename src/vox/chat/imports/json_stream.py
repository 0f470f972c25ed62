"""JSON that is too large for memory, value by value: a long array, or an object that holds one.

The standard library's decoder finds the end of each value by itself, at the speed of C; here is only the reading between values.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from vox.chat.imports.archive_source import damaged

CHUNK: Final = 1 << 18
LARGEST_VALUE: Final = 8 << 20
"""Characters of one value: a message with thousands of reactions has some hundred thousand."""
_SPACE: Final = " \t\n\r"

_decode = json.JSONDecoder().raw_decode


def stream_array(file: BinaryIO, name: str) -> Iterator[Any]:
    """The items of an array.

    Args:
        file: read to its end.
        name: for messages.

    Raises:
        UsageError: it is no array, or not JSON, or it was cut (archive_damaged).
    """
    text = _Text(file, name)
    text.expect("[")
    yield from text.items()
    text.expect_end()


def stream_object(file: BinaryIO, name: str, array: str) -> Iterator[tuple[str, Any]]:
    """The members of an object; of the member `array` every item, one after the other.

    Raises:
        UsageError: as `stream_array`.
    """
    text = _Text(file, name)
    text.expect("{")
    if text.takes("}"):
        text.expect_end()
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise damaged(name, "it is not valid JSON: an object has a name that is no text")
        text.expect(":")
        if key == array and text.takes("["):
            for item in text.items():
                yield key, item
        else:
            yield key, text.value()
        if text.takes("}"):
            text.expect_end()
            return
        text.expect(",")


class _Text:
    """Text of a file, of which only what is not yet decoded is kept."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._buffer = ""
        self._place = 0
        self._has_ended = False

    def items(self) -> Iterator[Any]:
        """The items of an array behind its bracket, and the closing one."""
        if self.takes("]"):
            return
        while True:
            yield self.value()
            if self.takes("]"):
                return
            self.expect(",")

    def value(self) -> Any:
        """The next value."""
        self._skip_space()
        while True:
            try:
                found, end = _decode(self._buffer, self._place)
            except (json.JSONDecodeError, IndexError) as error:
                if self._has_ended:
                    raise self._bad("it ends in the middle" if self._is_cut() else "it is not valid JSON") from error
            except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
                raise self._bad("it is not valid JSON") from error
            else:
                if end < len(self._buffer) or self._has_ended:  # else a number may go on
                    self._place = end
                    return found
            if len(self._buffer) - self._place > LARGEST_VALUE:
                raise self._bad("a value is too large, or it is not valid JSON")
            self._read(max(CHUNK, len(self._buffer) - self._place))

    def takes(self, mark: str) -> bool:
        """Whether the next character is this one, which is then passed."""
        self._skip_space()
        if self._buffer[self._place : self._place + 1] != mark:
            return False
        self._place += 1
        return True

    def expect(self, mark: str) -> None:
        """Passes a character that must come next."""
        if not self.takes(mark):
            raise self._bad("it ends in the middle" if self._is_cut() else f"it is not valid JSON: {mark} expected")

    def expect_end(self) -> None:
        """Nothing but space may follow."""
        self._skip_space()
        if self._place < len(self._buffer):
            raise self._bad("something follows its end")

    def _skip_space(self) -> None:
        while True:
            buffer, place = self._buffer, self._place
            while place < len(buffer) and buffer[place] in _SPACE:
                place += 1
            self._place = place
            if place < len(buffer) or self._has_ended:
                return
            self._read(CHUNK)

    def _read(self, size: int) -> None:
        piece = self._file.read(size)
        self._has_ended = not piece
        text = self._decoder.decode(piece, final=self._has_ended)
        self._buffer = self._buffer[self._place :] + text
        self._place = 0

    def _is_cut(self) -> bool:
        return self._has_ended

    def _bad(self, reason: str) -> Exception:
        return damaged(self._name, reason)
