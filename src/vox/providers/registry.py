"""Finds a driver by the name that the configuration gives it: the file of that name in the folder of its kind.

Nothing is registered: the address of a driver is its registration, and it is imported on first use, so that a vendor's
library costs nothing to those who did not choose the vendor. A name is looked for as a file, as a row of a table of
compatible vendors (`_openai.py`), and among the entry points of installed packages (group `vox.providers`, named
`<kind>.<name>`), in this order: a package cannot take the place of a driver of ours.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Literal, cast

from pydantic import ValidationError

from vox.errors import UsageError
from vox.providers import _openai
from vox.providers.contract import Deps, DriverConfig

Kind = Literal["stt", "llm", "tts", "realtime", "turns", "carriers", "diallers"]

GROUP = "vox.providers"
SYNONYMS = {"mock": "fake"}
"""Names by which older configurations know a driver."""

GENERAL_OPTIONS = frozenset({"model"})
"""Options that the configuration has for every driver: one without such an option of its own is not given it."""

NOT_DRIVERS = frozenset({"contract", "markup", "stages"})
"""Files in the folders that are no drivers; so are those whose name begins with an underscore."""

EXTRAS = {
    "openai": "openai",
    "ctranslate2": "offline",
    "pocketsphinx": "offline",
    "espeakng_loader": "offline",
    "grpc": "google",
}
"""Which extra of the distribution brings a library."""


def names(kind: Kind) -> list[str]:
    """Every name that `create` accepts for this kind, sorted; synonyms left out."""
    return sorted({*_files(kind), *_openai.vendors(kind), *_installed(kind)})


def load(kind: Kind, name: str) -> ModuleType:
    """The driver's module, which has `Config` and `create(config, deps)`.

    Raises:
        UsageError: `unknown_provider`, or `provider_not_installed` when a library it needs is missing.
    """
    name = SYNONYMS.get(name, name)
    try:
        if name in _files(kind):
            return importlib.import_module(f"vox.providers.{kind}.{name}")
        if name in _openai.vendors(kind):
            return importlib.import_module(f"vox.providers.{kind}.openai_compatible")
        if entry_point := _installed(kind).get(name):
            return cast("ModuleType", entry_point.load())
    except ModuleNotFoundError as missing:
        raise _not_installed(kind, name, missing.name or "") from missing
    known = names(kind)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"there is no {kind} provider {name!r}", code="unknown_provider", hint=f"{hint}known: {', '.join(known)}"
    )


def create(kind: Kind, name: str, options: Mapping[str, Any], deps: Deps) -> Any:
    """A driver with these options; `async with` opens it.

    Raises:
        UsageError: as `load`; `invalid_provider_option` naming the option; or what the driver finds missing.
    """
    module = load(kind, "openai_compatible" if _openai.names_a_server(kind, name, options, deps) else name)
    config_class = cast("type[DriverConfig]", module.Config)
    given = {
        option: value
        for option, value in options.items()
        if option not in GENERAL_OPTIONS or option in config_class.model_fields
    }
    if name in _openai.vendors(kind) and "vendor" in config_class.model_fields:
        given["vendor"] = name
    try:
        config = config_class.model_validate(given)
    except ValidationError as wrong:
        raise _wrong_option(kind, name, config_class, wrong) from None  # its text repeats the values, also a secret's
    return module.create(config, deps)


def _files(kind: Kind) -> set[str]:
    package = importlib.import_module(f"vox.providers.{kind}")
    return {
        module.name
        for module in pkgutil.iter_modules(package.__path__)
        if not module.name.startswith("_") and module.name not in NOT_DRIVERS
    }


def _installed(kind: Kind) -> dict[str, EntryPoint]:
    prefix = f"{kind}."
    return {
        entry_point.name.removeprefix(prefix): entry_point
        for entry_point in entry_points(group=GROUP)
        if entry_point.name.startswith(prefix)
    }


def _not_installed(kind: Kind, name: str, library: str) -> UsageError:
    extra = EXTRAS.get(library.partition(".")[0])
    remedy = (
        f"run `make setup`, or `pip install '.[{extra}]'` in a checkout of Vox"
        if extra
        else f"install the package that brings {library!r}"
    )
    return UsageError(
        f"the {kind} provider {name!r} needs {library!r}, which is not installed",
        code="provider_not_installed",
        hint=remedy,
    )


def _wrong_option(kind: Kind, name: str, config_class: type[DriverConfig], wrong: ValidationError) -> UsageError:
    first = wrong.errors(include_input=False, include_url=False, include_context=False)[0]
    option = ".".join(str(part) for part in first["loc"]) or "options"
    known = sorted(set(config_class.model_fields) - {"vendor"})
    if first["type"] != "extra_forbidden":
        problem, hint = first["msg"], ""
    else:
        problem = "there is no such option"
        close = difflib.get_close_matches(option, known, n=1)
        hint = (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(known) or 'none'}"
    return UsageError(
        f"option {option!r} of the {kind} provider {name!r}: {problem}", code="invalid_provider_option", hint=hint
    )
