"""Reads a carrier's message field by field, so that an optional field of another form never ends a call.

Required is what carries audio: a struct's fields without a default, and audio itself (`Audio`). Everything else is read
where it has the expected form; where it has not, its default holds, and `DroppedFields` counts it.

The one thing to know before changing it: messages of the expected form, which is nearly all of them, are decoded by
msgspec in one step. Only a message that it refuses is looked at field by field.
"""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Generic, TypeVar, Union, cast, get_args, get_origin

import msgspec

from vox.errors import PeerError
from vox.protocols.carriers.json_events import check_size, decode
from vox.protocols.media_stream import WireMessage

T = TypeVar("T", bound=msgspec.Struct)

MAX_NAMES: Final = 16
_CARRIES_AUDIO: Final = "carries_audio"
Audio = Annotated[bytes, msgspec.Meta(extra={_CARRIES_AUDIO: True})]
"""Audio in base64; a message is refused where it has another form, although an empty one may be left out."""

_ANYTHING: Final = msgspec.json.Decoder(Any)


class DroppedFields:
    """Counts optional fields that had another form than the expected one, and remembers the names of the first few."""

    __slots__ = ("count", "names")

    def __init__(self) -> None:
        self.count = 0
        self.names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """One more. `name` is one of ours, never the peer's text."""
        self.count += 1
        if len(self.names) < MAX_NAMES:
            self.names[name] = None


class FieldReader(Generic[T]):
    """Decodes messages into one struct.

    Args:
        form: the struct; fields without a default are required.
    """

    def __init__(self, form: type[T]) -> None:
        self._form = form
        self._decoder = msgspec.json.Decoder(form)

    def read(self, message: WireMessage, max_bytes: int, dropped: DroppedFields) -> T:
        """The message as the struct; optional fields of another form are left at their default and counted.

        Raises:
            PeerError: it is too large, no JSON object, or without a required field.
        """
        check_size(message, max_bytes)
        try:
            return self._decoder.decode(message)
        except msgspec.ValidationError:
            return cast("T", _built(self._form, decode(_ANYTHING, message, max_bytes), "$", dropped))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise PeerError("A stream message is not valid JSON.", code="malformed_message") from error


def _built(form: type[msgspec.Struct], raw: Any, place: str, dropped: DroppedFields) -> msgspec.Struct:
    if not isinstance(raw, dict):
        raise _refusal(f"`{place}` is not an object")
    given = cast("dict[str, Any]", raw)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(form):
        name = f"{place}.{field.encode_name}"
        if field.encode_name not in given:
            if field.required:
                raise _refusal(f"`{name}` is missing")
            continue
        try:
            values[field.name] = _read(field.type, given[field.encode_name], name, dropped)
        except msgspec.ValidationError:
            if field.required or _carries_audio(field.type):
                raise _refusal(f"`{name}` has another form than the documented one") from None
            dropped.add(name)
    return form(**values)


def _read(form: Any, raw: Any, name: str, dropped: DroppedFields) -> Any:
    """The value in its form.

    Raises:
        msgspec.ValidationError: it has another form, as a whole.
        PeerError: a required field inside it has another form.
    """
    try:
        return msgspec.convert(raw, form)
    except msgspec.ValidationError:
        for one in _alternatives(form):
            if isinstance(raw, dict) and isinstance(one, type) and issubclass(one, msgspec.Struct):
                return _built(one, raw, name, dropped)
            if isinstance(raw, list) and get_origin(one) is list:
                return list(_items(get_args(one)[0], cast("list[Any]", raw), f"{name}[]", dropped))
        raise


def _items(form: Any, raw: list[Any], name: str, dropped: DroppedFields) -> Iterator[Any]:
    for item in raw:
        try:
            yield _read(form, item, name, dropped)
        except (msgspec.ValidationError, PeerError):
            dropped.add(name)


def _alternatives(form: Any) -> tuple[Any, ...]:
    """What a field may hold: the members of a union, else the form itself."""
    return get_args(form) if get_origin(form) in {Union, types.UnionType} else (form,)


def _carries_audio(form: Any) -> bool:
    return any(isinstance(one, msgspec.Meta) and bool((one.extra or {}).get(_CARRIES_AUDIO)) for one in get_args(form))


def _refusal(what: str) -> PeerError:
    return PeerError(f"A stream message is not the JSON that the carrier documents: {what}.", code="malformed_message")
