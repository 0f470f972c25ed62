"""Finds the driver of a place for files by name, and imports it only then.

Beside `vox.providers.registry`, because a storage is built before any event loop runs and needs no HTTP client.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, cast

import vox.providers.storage
from vox.errors import UsageError
from vox.providers.storage.contract import Storage

NOT_DRIVERS = frozenset({"aws_configuration", "contract", "opening", "threads"})


def names() -> list[str]:
    """The drivers there are, sorted."""
    modules = pkgutil.iter_modules(vox.providers.storage.__path__)
    return sorted(module.name for module in modules if module.name not in NOT_DRIVERS)


def driver(name: str, options: Mapping[str, Any]) -> Storage:
    """A storage, to be prepared before its use; this alone touches nothing.

    Args:
        name: such as local.
        options: the fields of the driver's `Config`.

    Raises:
        UsageError: `unknown_provider`, or `provider_not_installed`.
    """
    if name not in names():
        raise UsageError(f"there is no storage {name!r}", code="unknown_provider", hint=f"known: {', '.join(names())}")
    try:
        module = importlib.import_module(f"vox.providers.storage.{name}")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the storage {name!r} needs {error.name!r}, which is not installed",
            code="provider_not_installed",
            hint=f"run `make setup`, or `pip install '.[{name}]'` in a checkout of Vox",
        ) from error
    return cast("Storage", module.create(module.Config(**options)))


def open_driver(name: str, options: Mapping[str, Any]) -> Storage:
    """A storage that is ready to use.

    Raises:
        UsageError: as `driver`, or what the driver finds wrong.
    """
    storage = driver(name, options)
    storage.prepare()
    return storage
