"""Reads a flow's YAML; the error for a wrong one names the place and the remedy.

YAML is read more strictly than usual: `yes`, `no` and `11:30` stay text, and a key given twice is an error.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import yaml
from pydantic import ValidationError

from vox.errors import UsageError
from vox.providers.flows.schema import (
    ChoiceSlot,
    Command,
    Commands,
    DateSlot,
    DigitsSlot,
    Fallback,
    Faq,
    Handoff,
    Intent,
    NumberSlot,
    Script,
    TimeSlot,
    nearest,
)

_MANY_ERRORS = 5


def read_script(text: str, source: str) -> Script:
    """Reads a flow; raises `UsageError` (code `invalid_flow`) that names file, place and remedy."""
    try:
        data: object = yaml.load(text, Loader=_StrictLoader)  # noqa: S506  a SafeLoader, only stricter
    except yaml.YAMLError as error:
        raise UsageError(
            f"The flow {source} is not YAML: {error}", code="invalid_flow", hint="correct that line"
        ) from None
    if not isinstance(data, dict):
        raise UsageError(
            f"The flow {source} is not a mapping",
            code="invalid_flow",
            hint="begin it with `name:`, `greeting:` and `intents:`",
        )
    try:
        return Script.model_validate(data)
    except ValidationError as error:
        problems = [_explain(dict(problem)) for problem in error.errors()]
        more = f"; and {len(problems) - _MANY_ERRORS} more" if len(problems) > _MANY_ERRORS else ""
        message = f"The flow {source} is wrong at " + "; ".join(problems[:_MANY_ERRORS]) + more
        raise UsageError(
            message, code="invalid_flow", hint="the keys are listed in docs/how-to/write-a-flow.md"
        ) from None


def _explain(problem: Mapping[str, Any]) -> str:
    place = _place(problem["loc"])
    kind = str(problem["type"])
    if kind == "extra_forbidden":
        return f"{place}: this key is not known here{nearest(str(problem['loc'][-1]), _KEYS)}"
    if kind == "missing":
        return f"{place}: this key is missing"
    if kind == "union_tag_invalid":
        return f"{place}: type '{problem['ctx']['tag']}' is not known; use one of {', '.join(sorted(_SLOT_TYPES))}"
    if kind == "union_tag_not_found":
        return f"{place}: `type` is missing; use one of {', '.join(sorted(_SLOT_TYPES))}"
    return f"{place}: {str(problem['msg']).removeprefix('Value error, ')}"


def _place(parts: tuple[object, ...]) -> str:
    """Where in the file; the type of a slot, which pydantic names behind the slot, is no place in it."""
    named = [str(part) for at, part in enumerate(parts) if not (at == _TYPE_AT and parts[2] == "slots")]
    return ".".join(named) or "the top"


_TYPE_AT: Final = 4  # intents, its name, slots, the slot's name
_SLOT_TYPES: Final = frozenset({"number", "digits", "phone", "date", "time", "choice", "yes_no", "text"})
_KEYS: Final = sorted(
    {
        key
        for model in (
            Script, Intent, Faq, Command, Commands, Fallback, Handoff, NumberSlot, DigitsSlot, DateSlot, TimeSlot, ChoiceSlot,
        )
        for key in model.model_fields
    }
)  # fmt: skip


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML where only true, false, null and plain whole numbers are not text, and no key comes twice."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {  # pyright: ignore[reportIncompatibleVariableOverride]  PyYAML keeps it on the class
        first: [(f"tag:yaml.org,2002:{kind}", re.compile(form))]
        for kind, form, firsts in (
            ("bool", r"^(?:true|false)$", ("t", "f")),
            ("null", r"^(?:null|~|)$", ("n", "~", "")),
            ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", tuple("-+0123456789")),
        )
        for first in firsts
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key: object = self.construct_object(key_node, deep=True)  # pyright: ignore[reportUnknownMemberType]  stubs leave it open
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
