"""YAML (and JSON, which is YAML) as plain values together with the line of each, so that an error can name its line.

Stricter than usual: only `true`, `false`, `null` and plain numbers are not text (`yes`, `11:30`, `+15550100` and `007` stay
text), and a key given twice is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import yaml

from vox.errors import UsageError

Path = tuple[str | int, ...]

_MAX_DEPTH: Final = 40
_MAX_VALUES: Final = 200_000
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PLAIN: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Located:
    """A document's value, and the line (from 1) at which each part of it begins."""

    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of that part, or of the nearest part around it that there is."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_located(text: str, source: str) -> Located:
    """Reads one document.

    Raises:
        UsageError: it is not YAML, or a key comes twice (`bad_scenario`); the message names file and line.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)  # pyright: ignore[reportUnknownMemberType]  stubs leave it open
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise UsageError(f"{source}{line} is not YAML: {problem}", code="bad_scenario") from None
    lines: dict[Path, int] = {}
    return Located(None if node is None else _value(node, (), lines, source), lines)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], source: str) -> Any:
    line = node.start_mark.line + 1
    if len(path) > _MAX_DEPTH or len(lines) > _MAX_VALUES:
        raise UsageError(f"{source}, line {line}: too deeply nested, or too long", code="bad_scenario")
    lines.setdefault(path, line)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, source)
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*path, at), lines, source) for at, each in enumerate(node.value)]
    return _scalar(cast("yaml.ScalarNode", node))


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise UsageError(f"{source}, line {line}: a key has to be a text", code="bad_scenario")
        key = str(key_node.value)
        if key in found:
            raise UsageError(f"{source}, line {line}: the key '{key}' is given twice", code="bad_scenario")
        lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), lines, source)
    return found


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _PLAIN:
        return _PLAIN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
