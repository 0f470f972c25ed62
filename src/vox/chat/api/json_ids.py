"""Results as JSON: plain, or with ids as texts for clients that cannot hold 64-bit integers.

JavaScript's numbers are exact up to 2^53 only; message ids and permission masks exceed that. The original sends numbers, so
texts are opt-in: the request header `X-Vox-Ids: string`, or the gateway capability `string_ids`.
"""

from typing import Any, cast

import msgspec

encode = msgspec.json.Encoder().encode
"""A result as compact JSON."""

_MASKS = frozenset({"permissions", "allow", "deny"})
_MORE = frozenset({"id", "mentions", "roles", "cursor"})


def encode_with_string_ids(result: object) -> bytes:
    """A result as compact JSON in which ids and permission masks are texts."""
    return encode(with_string_ids(msgspec.to_builtins(result)))


def with_string_ids(value: Any, name: str = "") -> Any:
    """A builtin value in which integers under an id's name are texts.

    Args:
        value: dicts, lists and scalars.
        name: the key it stands under.
    """
    if isinstance(value, dict):
        return {key: with_string_ids(item, key) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [with_string_ids(item, name) for item in cast("list[Any]", value)]
    if isinstance(value, int) and not isinstance(value, bool) and _is_id(name):
        return str(value)
    return value


def _is_id(name: str) -> bool:
    return name.endswith(("_id", "_ids")) or name in _MASKS or name in _MORE or name == "reply_to"
