"""Slash commands: their declared options, and how the words behind a command are read. Pure.

A command without declared options gets its words as they are, `k=v` as text and a word alone as true: the form that clients of the
original know. With declared options the words are read by their types, and what does not fit is refused before the bot is asked.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from vox.chat.errors import Refusal, refuse

MAX_PARAMS: Final = 25
MAX_CHOICES: Final = 25
MAX_WORDS: Final = 200

ParamType = Literal["string", "integer", "number", "boolean", "user", "feed", "room", "role"]
Value = str | int | float | bool

_NAME: Final = re.compile(r"/(\S+)")
_WORD: Final = re.compile(r'(?:([^\s="]+)=)?(?:"((?:[^"\\]|\\.)*)"|(\S+))')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_TRUTHS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_MENTIONS: Final = {
    "user": re.compile(r"<@!?(\d+)>|(\d+)"),
    "role": re.compile(r"<@&(\d+)>|(\d+)"),
    "feed": re.compile(r"<#(\d+)>|(\d+)"),
    "room": re.compile(r"<#(\d+)>|(\d+)"),
}
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}")


class Choice(msgspec.Struct, frozen=True):
    """A value that an option may take, and its name for people."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    value: str | int | float


class CommandParam(msgspec.Struct, frozen=True):
    """An option of a command.

    Args:
        name: as in `name=value`.
        description: for people.
        required: whether the command is refused without it.
        type: what its text is read as; ids of user, feed, room and role also as mentions.
        choices: the only values, where there are some.
        min: the least number, or characters of a string.
        max: the largest number, or characters of a string.
    """

    name: Annotated[str, Meta(min_length=1, max_length=32)]
    description: Annotated[str, Meta(max_length=256)] | None = None
    required: bool = False
    type: ParamType = "string"
    choices: Annotated[list[Choice], Meta(max_length=MAX_CHOICES)] | None = None
    min: float | None = None
    max: float | None = None


class Command(msgspec.Struct, frozen=True):
    """A slash command as a bot registers it; without declared options its words arrive as they were written."""

    name: str
    description: str | None = None
    params: Annotated[list[CommandParam], Meta(max_length=MAX_PARAMS)] = []


def command_name(body: str) -> str:
    """The word behind the slash that a text begins with; empty where there is none."""
    found = _NAME.match(body)
    return found[1] if found else ""


def read_params(command: Command, body: str) -> dict[str, Value]:
    """The options of a call.

    Args:
        command: the one that is called.
        body: the whole text, from the slash.

    Raises:
        Refusal: VALIDATION_ERROR naming the option that does not fit.
    """
    rest = body[len(command.name) + 1 :]
    if not command.params:
        return _untyped(rest)
    given = _assigned(command.params, rest)
    params = {param.name: param for param in command.params}
    values = {name: _value(params[name], text) for name, text in given.items()}
    for param in command.params:
        if param.required and param.name not in values:
            raise _wrong(param.name, "a value, because it is required")
    return values


def problem_with_params(params: Sequence[CommandParam]) -> str | None:
    """What is wrong with the declared options of a command, in words; None where nothing is."""
    if len({param.name for param in params}) < len(params):
        return "params with names of their own"
    for param in params:
        if re.search(r"[\s=\"'/\x00]", param.name):
            return f"a name of a param without spaces, =, / and quotes, not {param.name!r}"
        if param.min is not None and param.max is not None and param.min > param.max:
            return f"min <= max for {param.name}"
        for choice in param.choices or ():
            if not _suits(param, choice.value):
                return f"choices of the type {param.type} for {param.name}"
    return None


def _untyped(rest: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for word in rest.split()[:MAX_WORDS]:
        name, mark, value = word.partition("=")
        values[name] = value if mark else True
    return values


def _assigned(params: Sequence[CommandParam], rest: str) -> dict[str, str]:
    """Texts by option: named ones, then words without a name in the order of the declaration."""
    known = {param.name: param for param in params}
    given: dict[str, str] = {}
    loose: list[tuple[int, str]] = []
    for count, word in enumerate(_WORD.finditer(rest)):
        if count == MAX_WORDS:
            raise refuse("VALIDATION_ERROR", f"body: expected at most {MAX_WORDS} words behind a command")
        name, quoted, bare = word[1], word[2], word[3]
        text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare
        if name is not None and name in known:
            if name in given:
                raise _wrong(name, "one value")
            given[name] = text
        elif name is None and quoted is None and text in known and known[text].type == "boolean" and text not in given:
            given[text] = "true"
        else:
            loose.append((word.start(), text if name is None else word[0]))
    open_ = [param for param in params if param.name not in given]
    return given | _in_order(open_, loose, rest, is_mixed=bool(given))


def _in_order(
    params: Sequence[CommandParam], loose: Sequence[tuple[int, str]], rest: str, *, is_mixed: bool
) -> dict[str, str]:
    given: dict[str, str] = {}
    for index, (start, text) in enumerate(loose):
        if index >= len(params):
            raise refuse("VALIDATION_ERROR", f"body: expected no {text[:32]!r}, the command has no such param")
        param = params[index]
        is_last = index == len(params) - 1
        if is_last and param.type == "string" and len(loose) > len(params):
            # What the user wrote, spaces too; where named options stand between, the words alone.
            given[param.name] = " ".join(word for _, word in loose[index:]) if is_mixed else rest[start:].strip()
            break
        given[param.name] = text
    return given


def _value(param: CommandParam, text: str) -> Value:
    value = _read(param, text)
    if param.choices:
        named: Mapping[Any, Any] = {choice.name: choice.value for choice in param.choices}
        value = named.get(value, value)
        if not any(choice.value == value for choice in param.choices):
            raise _wrong(param.name, " or ".join(str(choice.value) for choice in param.choices))
    measured = len(value) if isinstance(value, str) else value
    what = " characters" if isinstance(value, str) else ""
    if param.type in {"string", "integer", "number"}:
        if param.min is not None and measured < param.min:
            raise _wrong(param.name, f"at least {param.min:g}{what}")
        if param.max is not None and measured > param.max:
            raise _wrong(param.name, f"at most {param.max:g}{what}")
    return value


def _read(param: CommandParam, text: str) -> Value:
    match param.type:
        case "string":
            return text
        case "boolean":
            if text.lower() not in _TRUTHS:
                raise _wrong(param.name, "true or false")
            return _TRUTHS[text.lower()]
        case "integer":
            named = next((choice.value for choice in param.choices or () if choice.name == text), None)
            if isinstance(named, int):
                return named
            if not (text.isascii() and _INTEGER.fullmatch(text)):
                raise _wrong(param.name, "a whole number")
            return int(text)
        case "number":
            named = next((choice.value for choice in param.choices or () if choice.name == text), None)
            try:
                number = float(text if named is None else named)
            except ValueError:
                raise _wrong(param.name, "a number") from None
            if not math.isfinite(number):
                raise _wrong(param.name, "a number")
            return number
        case "user" | "role" | "feed" | "room":
            found = _MENTIONS[param.type].fullmatch(text) if text.isascii() else None
            digits = (found[1] or found[2]) if found else ""
            if not 0 < len(digits) <= 18:  # noqa: PLR2004  digits of a 64-bit number
                raise _wrong(param.name, f"a {param.type}")
            return int(digits)


def _suits(param: CommandParam, value: str | float) -> bool:
    match param.type:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int)
        case "number":
            return isinstance(value, int | float)
        case _:
            return False


def _wrong(name: str, expected: str) -> Refusal:
    return refuse("VALIDATION_ERROR", f"params.{name}: expected {expected}")
