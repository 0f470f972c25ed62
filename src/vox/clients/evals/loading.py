"""Reads scenario files. Every error names the file, the line, the key and the remedy.

A file holds one scenario, a list of them, or `scenarios:` with `defaults:` that hold for each. An entry with a `prompt` is in the
compatible original's format and goes to the language model alone.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from vox.clients.evals import scenario as shapes
from vox.clients.evals.scenario import ModelScenario, Scenario, ScriptedTurn
from vox.clients.located_yaml import Located, read_located
from vox.clients.located_yaml import Path as Place
from vox.errors import UsageError

AnyScenario = Scenario | ModelScenario

_ENDINGS: Final = (".yaml", ".yml", ".json")
_SHOWN_PROBLEMS: Final = 5
_HINT: Final = "the keys are listed in docs/how-to/test-your-agent.md"
_KNOWN_KEYS: Final = sorted(
    {
        field.alias or name
        for model in vars(shapes).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items()
    }
)


def load_files(paths: Iterable[Path], overrides: Mapping[str, Any] | None = None) -> list[AnyScenario]:
    """The scenarios of all files, in order; a folder stands for the scenario files in it.

    Args:
        paths: files and folders.
        overrides: keys that every conversation gets, whatever its file says.

    Raises:
        UsageError: one cannot be read, is wrong, or two scenarios have the same name (`bad_scenario`).
    """
    found: list[AnyScenario] = []
    origin: dict[str, str] = {}
    for path in _files(paths):
        for one in load_file(path, overrides):
            if one.name in origin:
                raise UsageError(
                    f"{path}: a scenario named {one.name!r} is in {origin[one.name]} already",
                    code="bad_scenario",
                    hint="give each scenario a name of its own",
                )
            origin[one.name] = str(path)
            found.append(one)
    return found


def load_file(path: Path, overrides: Mapping[str, Any] | None = None) -> list[AnyScenario]:
    """The scenarios of one file; recordings that it names are looked for beside it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {path}: {reason}", code="bad_scenario") from None
    return read_scenarios(text, str(path), path.parent, overrides)


def read_scenarios(
    text: str, source: str, folder: Path, overrides: Mapping[str, Any] | None = None
) -> list[AnyScenario]:
    """The scenarios in a text; raises `UsageError` (`bad_scenario`) that names line and key."""
    document = read_located(text, source)
    entries, defaults = _entries(document, source)
    return [
        _read(
            {**entry, **(overrides or {})} if "prompt" not in entry else entry,
            place,
            defaults,
            document,
            source,
            folder,
        )
        for place, entry in entries
    ]


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix in _ENDINGS)
            if not inside:
                raise UsageError(f"there is no scenario file in {path}", code="bad_scenario")
            yield from inside
        else:
            yield path


def _entries(document: Located, source: str) -> tuple[list[tuple[Place, Mapping[str, Any]]], Mapping[str, Any]]:
    """The scenarios with their places, and what holds for each."""
    value, base, defaults = document.value, cast("Place", ()), cast("dict[str, Any]", {})
    if isinstance(value, dict) and "scenarios" in value:
        mapping = cast("dict[str, Any]", value)
        if unknown := sorted(mapping.keys() - {"scenarios", "defaults"}):
            raise _wrong(document, source, (unknown[0],), "beside scenarios there is only defaults")
        given: object = mapping.get("defaults") or {}
        if not isinstance(given, dict):
            raise _wrong(document, source, ("defaults",), "defaults is a mapping of a scenario's keys")
        value, base, defaults = mapping["scenarios"], ("scenarios",), cast("dict[str, Any]", given)
    elif isinstance(value, dict):
        return [((), cast("dict[str, Any]", value))], {}
    if not isinstance(value, list) or not value:
        raise _wrong(document, source, base, "there is no scenario here; write one, or a list of them")
    entries: list[tuple[Place, Mapping[str, Any]]] = []
    for at, entry in enumerate(cast("list[Any]", value)):
        if not isinstance(entry, dict):
            raise _wrong(document, source, (*base, at), "a scenario is a mapping that begins with name:")
        entries.append(((*base, at), cast("dict[str, Any]", entry)))
    return entries, defaults


def _read(
    entry: Mapping[str, Any], place: Place, defaults: Mapping[str, Any], document: Located, source: str, folder: Path
) -> AnyScenario:
    is_model = "prompt" in entry
    model: type[AnyScenario] = ModelScenario if is_model else Scenario
    try:
        read = model.model_validate(dict(entry) if is_model else {**defaults, **entry})
    except ValidationError as error:
        problems = [
            _explain(cast("Mapping[str, Any]", problem), place, entry, document)
            for problem in error.errors(include_url=False)
        ]
        more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise UsageError(
            f"{source}, " + "; ".join(problems[:_SHOWN_PROBLEMS]) + more, code="bad_scenario", hint=_HINT
        ) from None
    return read if isinstance(read, ModelScenario) else read.model_copy(update={"turns": _beside(read.turns, folder)})


def _beside(turns: Sequence[ScriptedTurn], folder: Path) -> tuple[ScriptedTurn, ...]:
    """The turns with the paths of their recordings made relative to the file."""
    return tuple(
        turn if turn.audio is None else turn.model_copy(update={"audio": folder / turn.audio}) for turn in turns
    )


def _explain(problem: Mapping[str, Any], place: Place, entry: Mapping[str, Any], document: Located) -> str:
    inside = cast("Place", problem["loc"])
    where = place if not inside or inside[0] in entry else ("defaults",)
    line = document.line((*where, *inside))
    key = ".".join(str(part) for part in inside)
    text = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(inside[-1]), _KNOWN_KEYS, n=1)
        text = "this key is not known here" + (f"; did you mean {close[0]}?" if close else "")
    elif problem["type"] == "missing":
        text = "this key is missing"
    return f"line {line}: {key}: {text}" if key else f"line {line}: {text}"


def _wrong(document: Located, source: str, place: Place, text: str) -> UsageError:
    return UsageError(f"{source}, line {document.line(place)}: {text}", code="bad_scenario", hint=_HINT)
