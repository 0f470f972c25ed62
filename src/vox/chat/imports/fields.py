"""Members of a JSON object that may hold anything: of the kind that is asked for, or as if they were not there. Pure."""

from collections.abc import Mapping
from typing import Any, cast

JsonObject = Mapping[str, Any]


def text_of(value: JsonObject, name: str) -> str:
    """A text, or an `id` that is written as a number; otherwise empty."""
    found = value.get(name)
    return found if isinstance(found, str) else str(found) if isinstance(found, int) and name == "id" else ""


def object_of(value: JsonObject, name: str) -> JsonObject:
    """An object; otherwise an empty one."""
    found = value.get(name)
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def objects_of(value: JsonObject, name: str, most: int) -> list[JsonObject]:
    """The objects among the first items of a list, at most `most`; otherwise none."""
    found = value.get(name)
    if not isinstance(found, list):
        return []
    return [cast("JsonObject", one) for one in cast("list[Any]", found)[:most] if isinstance(one, dict)]
