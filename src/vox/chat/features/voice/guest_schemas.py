"""Requests and responses around agents and telephone callers in rooms."""

from typing import Annotated

from msgspec import Meta, Struct

from vox.chat.api.fields import Id
from vox.chat.events.ids import RoomId, UserId

MAX_TRANSCRIPTS = 50
MAX_NAME = 64
MAX_CODE = 12


class InviteAgent(Struct, frozen=True):
    """Which agent shall come.

    Args:
        agent: the name of a configured agent; empty: the server's usual one.
        name: what the room shows; empty: the agent's name, or "Agent".
        language: that it begins in, such as de; empty: its own.
        interrupted_by: members that interrupt it; empty: all do.
    """

    agent: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    name: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    language: Annotated[str, Meta(max_length=16)] = ""
    interrupted_by: Annotated[list[Id], Meta(max_length=50)] = []


class RoomNumber(Struct, frozen=True):
    """A telephone number of a room."""

    number_id: int
    room_id: RoomId
    number: str
    code: str
    creator_id: UserId | None
    created_at: int


class RoomNumbers(Struct, frozen=True):
    """All of a room."""

    items: list[RoomNumber]


class NewNumber(Struct, frozen=True):
    """A telephone number, in international form, that leads to a room.

    Args:
        number: with + and the country's code.
        code: the digits that callers enter; empty: they enter none; absent: the server makes one of eight digits.
    """

    number: Annotated[str, Meta(max_length=32)]
    code: Annotated[str, Meta(max_length=MAX_CODE)] | None = None


class CallerWithCode(Struct, frozen=True):
    """What a caller has dialled and entered."""

    number: Annotated[str, Meta(max_length=32)]
    code: Annotated[str, Meta(max_length=16)] = ""
    caller: Annotated[str, Meta(max_length=64)] = ""
    call_id: Annotated[str, Meta(max_length=128)] = ""


class CallerAdmitted(Struct, frozen=True):
    """Where the caller's media goes."""

    room_id: RoomId
    room_name: str
    media_url: str
    token: str
    identity: str


class NumberInfo(Struct, frozen=True):
    """Whether callers of a number enter a code."""

    number: str
    needs_code: bool


class Segment(Struct, frozen=True):
    """Something that was said, in its final form."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    identity: Annotated[str, Meta(min_length=1, max_length=256)]
    text: Annotated[str, Meta(max_length=16_384)]
    at: float | None = None
    language: Annotated[str, Meta(max_length=35)] | None = None


class Segments(Struct, frozen=True):
    """Segments in the order in which they were said."""

    items: Annotated[list[Segment], Meta(max_length=MAX_TRANSCRIPTS)]


class Fetch(Struct, frozen=True):
    """The user to fetch, by id or by name."""

    user_id: Id | None = None
    username: Annotated[str, Meta(max_length=64)] | None = None
