"""What the server describes and one can act on: structs that know the account they were read with.

Every field but the id has a default, and unknown fields are ignored: an older or newer server changes nothing here.
"""

from typing import Any, Final, TypeVar

import msgspec

from vox.clients.chat.rest import Rest
from vox.errors import UsageError

B = TypeVar("B", bound="Bound")
_REST: Final = "_rest"


class Bound(msgspec.Struct, dict=True, kw_only=True):
    """A thing of the server with methods that ask the server."""

    @property
    def rest(self) -> Rest:
        """The account that this was read with.

        Raises:
            UsageError: it was made by hand.
        """
        rest: Any = vars(self).get(_REST)
        if not isinstance(rest, Rest):
            raise UsageError(
                f"this {type(self).__name__} was not read from a server",
                code="chat_object_unbound",
                hint="get it from a client or an event",
            )
        return rest


def bind(thing: B, rest: Rest) -> B:
    """Lets a thing, and the things in it, act with this account."""
    vars(thing)[_REST] = rest
    for name in thing.__struct_fields__:
        value: Any = getattr(thing, name)
        if isinstance(value, Bound):
            bind(value, rest)
        elif isinstance(value, list):
            bind_all(value, rest)  # pyright: ignore[reportUnknownArgumentType]
    return thing


def bind_all(things: list[Any], rest: Rest) -> Any:
    """The same for a list; what is no `Bound` in it stays as it is."""
    for one in things:
        if isinstance(one, Bound):
            bind(one, rest)
    return things
