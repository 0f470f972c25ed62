"""What every driver of every kind is given, and the shape of a driver file.

A driver is one file in the folder of its kind, loaded by name (`providers/registry.py`). It has, in this order:
`Config` (a frozen pydantic model of its options), the class, and `create(config, deps)`. Constructing does nothing;
`async with` opens it (load models, start workers, connect); leaving closes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import httpx2
from pydantic import BaseModel, ConfigDict

from vox.runtime.clock import Clock
from vox.runtime.metrics import Metrics, NullMetrics


class DriverConfig(BaseModel):
    """The base of every driver's options: frozen, unknown options are an error that names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Deps:
    """What a driver may use; it creates none of these itself.

    `api_keys` holds the operator's `api_keys` from the configuration; `environment` the process environment, as given
    by the command line. A key in `api_keys` wins over one in `environment`.
    """

    clock: Clock
    http: httpx2.AsyncClient
    api_keys: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Metrics | NullMetrics = field(default_factory=NullMetrics)

    def secret(self, name: str, *variables: str) -> str | None:
        """The API key `name` from the configuration, else the first non-empty of these environment variables."""
        if value := self.api_keys.get(name):
            return value
        return next((value for variable in variables if (value := self.environment.get(variable))), None)


@runtime_checkable
class Checkable(Protocol):
    """A driver that can tell whether it still works, for the server's readiness; costs no request to a vendor."""

    async def check(self) -> None:
        """Returns where the driver can take work.

        Raises:
            DependencyError: it cannot, and why.
        """
        ...


@runtime_checkable
class Switching(Protocol):
    """A driver that stands for several and chooses one for each call."""

    @property
    def current(self) -> str:
        """The name of the driver that a new call would get."""
        ...


@runtime_checkable
class Limited(Protocol):
    """A driver that knows how many calls it can serve."""

    @property
    def has_room(self) -> bool:
        """Whether one more call can come in; where not, it is refused before it is answered."""
        ...
