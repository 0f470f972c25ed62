"""A form that carries a file, taken apart while it arrives. Sans-IO: bytes in, events out.

python-multipart finds the boundaries. Everything that a client can repeat or lengthen is bounded here: parts, headers, their
lengths, the length of text fields. Only the text fields are kept, so memory does not grow with the file (CVE-2024-52805 and
CVE-2024-53981 in comparable projects).
"""

import logging
from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from vox.chat.errors import Refusal, refuse
from vox.http.header_values import form_filename, media_type, parameterised

MAX_PARTS: Final = 16
MAX_HEADERS: Final = 8
MAX_HEADER_BYTES: Final = 4096
MAX_FIELD_BYTES: Final = 4096
MAX_OUTSIDE_BYTES: Final = 65_536
"""Bytes of a form that are not the file: boundaries, headers, fields."""

# It logs a line for each malformed byte, and clients choose how many they send.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class FileStarts:
    """The part with the file begins.

    Args:
        filename: stated by the client; for showing only.
        content_type: stated by the client, in lower case and without parameters; empty where it is missing.
    """

    filename: str
    content_type: str


FormEvent = FileStarts | bytes
"""The beginning of the file, then its bytes."""


class FormReader:
    """Reads one form with one file.

    Args:
        content_type: the request's header.
        file_field: name of the field with the file.

    Raises:
        Refusal: VALIDATION_ERROR where the header is not that of a form.
    """

    def __init__(self, content_type: str, file_field: str) -> None:
        kind, parameters = parameterised(content_type[:1024])
        boundary = parameters.get("boundary", "").encode("latin-1", "replace")
        if kind != "multipart/form-data" or not boundary:
            raise _malformed("the Content-Type must be multipart/form-data with a boundary")
        self._file_field = file_field
        self.fields: dict[str, str] = {}
        """The text fields so far."""
        self.is_complete = False
        """Whether the last boundary has come."""
        self.has_file = False
        """Whether a file has begun."""
        self._events: list[FormEvent] = []
        self._parts = 0
        self._outside = 0
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field: str | None = None
        self._text = bytearray()
        self._is_file = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name_piece,
                    "on_header_value": self._header_value_piece,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._ends,
                },
                max_header_count=MAX_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError:
            raise _malformed("the boundary is too long") from None

    def receive(self, data: bytes) -> list[FormEvent]:
        """The events in the next bytes of the body.

        Raises:
            Refusal: VALIDATION_ERROR where the form is malformed or has too much of anything.
        """
        try:
            self._parser.write(data)
        except FormParserError:
            raise _malformed("the form is malformed or its headers are too long") from None
        events, self._events = self._events, []
        of_file = sum(len(event) for event in events if isinstance(event, bytes))
        self._outside += max(0, len(data) - of_file)
        if self._outside > MAX_OUTSIDE_BYTES:
            raise _malformed("there is too much around the file")
        return events

    def finish(self) -> None:
        """Checks that the form is complete and contains its file.

        Raises:
            Refusal: VALIDATION_ERROR.
        """
        if not self.is_complete:
            raise _malformed("the form ends before its last boundary")
        if not self.has_file:
            raise refuse("VALIDATION_ERROR", f"body.{self._file_field}: field required")

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _malformed(f"a form has at most {MAX_PARTS} parts")
        self._headers = {}

    def _header_name_piece(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_piece(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _headers_end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"").decode("utf-8", "replace")
        _, parameters = parameterised(disposition)
        name = parameters.get("name", "")
        self._text.clear()
        self._field, self._is_file = name, False
        if name != self._file_field:
            return
        if self.has_file:
            raise _malformed(f"the form has more than one {name}")
        self.has_file = self._is_file = True
        kind = media_type(self._headers.get(b"content-type", b"").decode("latin-1"))
        self._events.append(FileStarts(form_filename(parameters), kind))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._events.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD_BYTES:
            raise _malformed(f"a field has at most {MAX_FIELD_BYTES} bytes")

    def _part_ends(self) -> None:
        if not self._is_file and self._field:
            self.fields[self._field] = self._text.decode("utf-8", "replace")
        self._field, self._is_file = None, False

    def _ends(self) -> None:
        self.is_complete = True


def _malformed(reason: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"body: {reason}")
