"""Settings of a part: one frozen pydantic class, filled from file < environment < overrides.

A part declares `class AgentSettings(Settings)` with fields such as `port: Annotated[int, Env("VOXRAY_PORT", "PORT")] = 8080`
and a docstring below each field; this module does the rest. A wrong value ends the start with the key, what is wrong and the
remedy, and never with the value of a secret. An unknown key only warns, because files carry comments and newer keys;
keys that begin with `_` are comments.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vox.errors import UsageError
from vox.runtime.logging import HIDDEN, looks_secret
from vox.runtime.setting_fields import Env, accepted_names, describe_default, field_kind, models_in, type_name

__all__ = ["Env", "Loaded", "SecretStr", "SettingDoc", "Settings", "describe", "load_settings"]

M = TypeVar("M", bound=BaseModel)


class Settings(BaseModel):
    """What the settings of every part share: immutable, documented by the docstring below each field."""

    model_config = ConfigDict(
        frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True, validate_by_name=True, extra="ignore"
    )


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """The settings and what the operator should be told about them."""

    settings: M
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting as `vox doctor` and the documentation show it."""

    key: str
    env: tuple[str, ...]
    type: str
    default: str
    description: str
    is_secret: bool


def is_true(text: str) -> bool:
    """Whether a variable of the environment says yes: `true` in any case, or `1`; anything else says no."""
    return text.strip().lower() in {"true", "1"}


def load_settings(
    model: type[M], *, file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> Loaded[M]:
    """Reads the layers and builds the model.

    Args:
        model: the settings class of a part.
        file: a JSON object, or YAML where the suffix is .yaml or .yml; None for no file.
        environment: usually os.environ, handed in by the caller. An empty value counts as unset.
        overrides: from the command line; keys nested or dotted. None means not given.

    Raises:
        UsageError: the file cannot be read (config_unreadable, config_malformed) or a value is wrong (invalid_setting).
    """
    layers = _Layers(model)
    if file is not None:
        layers.add(_read(file), str(file))
    layers.add_environment(environment)
    layers.add(overrides, "the command line")
    return Loaded(layers.build(model), layers.warnings)


def describe(model: type[BaseModel], prefix: str = "") -> list[SettingDoc]:
    """All settings of a model in declaration order; `agents[].name` stands for a key in a list of objects."""
    docs: list[SettingDoc] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = models_in(field.annotation)
        for mark, part in inner:
            docs += describe(part, f"{key}{mark}.")
        if not inner:
            docs.append(
                SettingDoc(
                    key,
                    _env_of(field).names,
                    type_name(field.annotation),
                    describe_default(field),
                    field.description or "",
                    _is_secret(key, field),
                )
            )
    return docs


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"cannot read the configuration {file}: {reason}",
            code="config_unreadable",
            hint="check the path and its permissions",
        ) from error
    is_yaml = file.suffix.lower() in {".yaml", ".yml"}
    try:
        data: Any = yaml.safe_load(text) if is_yaml else json.loads(text)
    except json.JSONDecodeError as error:
        raise _malformed(file, f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise _malformed(file, f"{getattr(error, 'problem', None) or 'no valid YAML'}{where}") from None
    except RecursionError:
        raise _malformed(file, "nested too deeply") from None
    if data is None and is_yaml:
        return {}
    if not isinstance(data, dict):
        raise _malformed(file, "the top level is not an object")
    return cast("dict[str, Any]", data)


def _malformed(file: Path, reason: str) -> UsageError:
    kind = "YAML" if file.suffix.lower() in {".yaml", ".yml"} else "JSON"
    return UsageError(
        f"the configuration {file} is not a {kind} object: {reason}", code="config_malformed", hint="correct the file"
    )


class _Layers:
    """The merged values, and for each key where its value came from."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.warnings: list[str] = []
        self._model = model
        self._values: dict[str, Any] = {}
        self._origin: dict[str, str] = {}

    def add(self, data: Mapping[str, Any], source: str) -> None:
        """Lays a file or the command line over what is there."""
        self._merge(self._values, self._canonical(self._model, data, "", source))

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """Lays the variables named by `Env` markers over what is there."""
        self._merge(self._values, self._from_environment(self._model, environment, ""))

    def build(self, model: type[M]) -> M:
        """Validates everything together."""
        try:
            return model.model_validate(self._values, by_name=True, by_alias=True)
        except ValidationError as error:
            problems = [self._problem(one) for one in error.errors(include_url=False)]
        # No cause: pydantic's error holds the values, and one of them may be a secret.
        raise UsageError(
            "; ".join(dict.fromkeys(problems)), code="invalid_setting", hint="correct the value and start again"
        )

    def _canonical(self, model: type[BaseModel], data: Mapping[str, Any], prefix: str, source: str) -> dict[str, Any]:
        names = {alias: name for name, field in model.model_fields.items() for alias in accepted_names(name, field)}
        result: dict[str, Any] = {}
        for key, value in data.items():
            key = str(key)  # noqa: PLW2901  YAML keys may be numbers
            head, dot, rest = key.partition(".")
            name = names.get(key) or (names.get(head) if dot else None)
            if key.startswith("_") or value is None:
                continue
            if name is None:
                self._warn_unknown(f"{prefix}{key}", prefix, key, names, source)
                continue
            inner: Any = {rest: value} if key not in names else value
            path = f"{prefix}{name}"
            self._origin[path] = source
            self._merge(result, {name: self._canonical_value(model.model_fields[name], inner, path, source)})
        return result

    def _canonical_value(self, field: FieldInfo, value: Any, path: str, source: str) -> Any:
        for mark, part in models_in(field.annotation):
            if mark == "" and isinstance(value, Mapping):
                return self._canonical(part, cast("Mapping[str, Any]", value), f"{path}.", source)
            if mark == "[]" and isinstance(value, list):
                return [
                    self._canonical(part, cast("Mapping[str, Any]", one), f"{path}[{place}].", source)
                    if isinstance(one, Mapping)
                    else one
                    for place, one in enumerate(cast("list[Any]", value))
                ]
            if mark == ".*" and isinstance(value, Mapping):
                return {
                    str(name): self._canonical(part, cast("Mapping[str, Any]", one), f"{path}.{name}.", source)
                    if isinstance(one, Mapping)
                    else one
                    for name, one in cast("Mapping[str, Any]", value).items()
                }
        return value

    def _from_environment(self, model: type[BaseModel], environment: Mapping[str, str], prefix: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            path = f"{prefix}{name}"
            for variable in _env_of(field).names:
                text = environment.get(variable, "").strip()
                if text:
                    result[name] = self._parse(text, field, variable)
                    self._origin[path] = variable
                    break
            for mark, part in models_in(field.annotation):
                if mark == "" and (inner := self._from_environment(part, environment, f"{path}.")):
                    result.setdefault(name, {}).update(inner)
        return result

    def _parse(self, text: str, field: FieldInfo, variable: str) -> Any:
        kind = field_kind(field.annotation)
        if kind == "bool":
            return is_true(text)
        if kind == "list":
            return [part.strip() for part in text.split(",") if part.strip()]
        if kind == "object":
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                raise UsageError(
                    f"{variable} is not valid JSON", code="invalid_setting", hint=f"set {variable} to a JSON object"
                ) from None
        return text

    def _merge(self, base: dict[str, Any], layer: Mapping[str, Any]) -> None:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(base.get(key), dict):
                self._merge(base[key], cast("Mapping[str, Any]", value))
            else:
                base[key] = value

    def _warn_unknown(self, path: str, prefix: str, key: str, names: Mapping[str, str], source: str) -> None:
        near = get_close_matches(key, names, n=1)
        if not near and not prefix:  # perhaps the key of an object, written at the top
            near = get_close_matches(key, [doc.key for doc in describe(self._model)], n=1)
        hint = f"; did you mean {prefix}{near[0]!s}?" if near else ""
        self.warnings.append(f"unknown key {path} in {source} is ignored{hint}")

    def _problem(self, error: ErrorDetails) -> str:
        if not error["loc"]:
            return error["msg"].removeprefix("Value error, ")
        key, field = self._locate(error["loc"])
        source = self._source(key)
        name = f"{source} ({key})" if source and source.isupper() else f"{key} in {source}" if source else key
        if error["type"] == "missing":
            variables = _env_of(field).names if field else ()
            return f"{key} is not set; set it in the configuration{f' or as {variables[0]}' if variables else ''}"
        what = error["msg"].removeprefix("Value error, ")
        if _is_secret(key, field):
            return f"{name} has a wrong value ({HIDDEN}): expected {type_name(field.annotation) if field else 'another type'}"
        return f"{name} has the wrong value {_short(error['input'])}: {what[:1].lower()}{what[1:]}"

    def _locate(self, loc: tuple[int | str, ...]) -> tuple[str, FieldInfo | None]:
        key, field = "", None
        model: type[BaseModel] | None = self._model
        for place in loc:
            if model is not None and str(place) in model.model_fields:
                key = f"{key}.{place}" if key else str(place)
                field = model.model_fields[str(place)]
                inner = models_in(field.annotation)
                model = inner[0][1] if inner else None
            elif isinstance(place, int):
                key += f"[{place}]"
            elif field is not None and field_kind(field.annotation) == "object" and "(" not in place:
                key += f".{place}"
        return key or ".".join(str(place) for place in loc), field

    def _source(self, key: str) -> str:
        while key:
            if key in self._origin:
                return self._origin[key]
            key = key.rpartition(".")[0]
        return ""


def _env_of(field: FieldInfo) -> Env:
    return next((mark for mark in field.metadata if isinstance(mark, Env)), Env())


def _is_secret(key: str, field: FieldInfo | None) -> bool:
    return "Secret" in str(field.annotation if field else "") or looks_secret(key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004  one line of a terminal
