"""What a field of a settings model says about itself: its variables, its names, its type in words."""

import json
import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_WORDS: dict[Any, str] = {
    bool: "bool", int: "int", float: "float", str: "string", SecretStr: "secret string", Any: "any", dict: "object",
    list: "list", type(None): "null",
}  # fmt: skip


class Env:
    """Names the environment variables of a field; the first one that is set and not empty wins."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __repr__(self) -> str:
        return f"Env{self.names!r}"


def accepted_names(name: str, field: FieldInfo) -> list[str]:
    """The names a file may use for a field: its own and its aliases."""
    names = [name]
    for alias in (field.alias, field.validation_alias):
        if isinstance(alias, str):
            names.append(alias)
        elif isinstance(alias, AliasChoices):
            names += [choice for choice in alias.choices if isinstance(choice, str)]
    return names


def models_in(annotation: Any) -> list[tuple[str, type[BaseModel]]]:
    """The models inside a type, each with how it is reached: "" itself, "[]" in a list, ".*" in an object."""
    found: list[tuple[str, type[BaseModel]]] = []
    for part in _parts(annotation):
        arguments = get_args(part)
        if isinstance(part, type) and issubclass(part, BaseModel):
            found.append(("", part))
        elif get_origin(part) in {list, tuple}:
            found += [("[]", inner) for mark, inner in models_in(arguments[0]) if not mark]
        elif get_origin(part) is dict:
            found += [(".*", inner) for mark, inner in models_in(arguments[1]) if not mark]
    return found


def field_kind(annotation: Any) -> str:
    """How text from the environment becomes a value: "bool", "list", "object" or, for all the rest, "text"."""
    for part in _parts(annotation):
        origin = get_origin(part) or part
        if origin is bool:
            return "bool"
        if origin in {list, tuple, set, frozenset}:
            return "list"
        if origin is dict or (isinstance(origin, type) and issubclass(origin, BaseModel)):
            return "object"
    return "text"


def type_name(annotation: Any) -> str:
    """A type in the words of the documentation."""
    return " or ".join(dict.fromkeys(_one_name(part) for part in _parts(annotation)))


def describe_default(field: FieldInfo) -> str:
    """The default as it would stand in a JSON file; empty where there is none."""
    default: Any = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined:
        return "required"
    if default is None or isinstance(default, SecretStr):
        return ""
    if isinstance(default, Enum):
        default = default.value
    return json.dumps(default, default=str, ensure_ascii=False)


def _parts(annotation: Any) -> list[Any]:
    """The members of a union without null, `Annotated` peeled off."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [part for member in get_args(annotation) if member is not type(None) for part in _parts(member)]
    return [annotation]


def _one_name(part: Any) -> str:
    origin, arguments = get_origin(part), get_args(part)
    if origin is Literal:
        return " | ".join(str(value) for value in arguments)
    if origin in {list, tuple, set, frozenset}:
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return f"object of {type_name(arguments[1])}"
    if part in _WORDS:
        return _WORDS[part]
    if isinstance(part, type) and issubclass(part, Enum):
        return " | ".join(str(member.value) for member in part)
    return str(getattr(part, "__name__", "value")).lower()  # pyright: ignore[reportUnknownArgumentType]  any type
