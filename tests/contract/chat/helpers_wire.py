"""The chat routes as data: plausible requests made from the route table, and what JavaScript could not read."""

from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from vox.chat.api.request import Route
from vox.chat.features.routes import all_routes

ROUTES = [route for table in all_routes() for route in table]
MAX_SAFE = 2**53 - 1
"""The largest integer that JavaScript keeps."""


def filled(route: Route, **values: str) -> str:
    """A path of the route with plausible parameters."""
    path = route.template
    for name in parameters(route):
        path = path.replace(f"{{{name}}}", values.get(name, "role" if name == "target_type" else "1"))
    return path


def parameters(route: Route) -> list[str]:
    """The names of a route's path parameters."""
    return [part[1:-1] for part in route.template.split("/") if part.startswith("{")]


def fields_of(kind: Any) -> dict[str, inspect.Field]:
    """The fields of a struct by their wire names; a body that the endpoint reads itself has none."""
    if kind is bytes:
        return {}
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {part.encode_name: part for part in info.fields}


def sample(kind: Any) -> dict[str, Any]:
    """A plausible body: required fields only, so that each hostile value is met by an otherwise good request."""
    return {name: _plausible(part.type) for name, part in fields_of(kind).items() if part.default is NODEFAULT}


def _plausible(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StrType():
            return "plausible"
        case inspect.IntType():
            return 1
        case inspect.BoolType():
            return True
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.BoolType():
            return True
        case inspect.StructType():
            required = {field.encode_name: _plausible(field.type) for field in kind.fields if field.required}
            return required if kind.tag_field is None else {kind.tag_field: kind.tag, **required}
        case inspect.ListType(item_type=item, min_length=shortest) if shortest:
            return [_plausible(item)] * shortest
        case inspect.ListType() | inspect.CollectionType():
            return []
        case inspect.DictType():
            return {}
        case inspect.UnionType(types=types):
            return _plausible(types[0])
        case inspect.Metadata(type=inner):
            return _plausible(inner)
        case _:
            return msgspec.UNSET


def unsafe_numbers(value: Any) -> Any:
    """The integers in a JSON value that JavaScript would change."""
    if isinstance(value, dict):
        for item in value.values():  # pyright: ignore[reportUnknownVariableType]  JSON
            yield from unsafe_numbers(item)
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]  JSON
            yield from unsafe_numbers(item)
    elif isinstance(value, int) and abs(value) > MAX_SAFE:
        yield value
