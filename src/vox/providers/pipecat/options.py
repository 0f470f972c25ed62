"""The options that all three drivers of Pipecat services have, and what the worker is told of them."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from vox.errors import UsageError
from vox.providers.contract import Deps, DriverConfig
from vox.providers.pipecat.messages import Configure


class ServiceOptions(DriverConfig):
    """Which service, and where it runs."""

    service: str = Field(description="The service's class, such as pipecat.services.deepgram.stt.DeepgramSTTService")
    args: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of its constructor; `settings` is an object of the service's settings",
    )
    keys: dict[str, str] = Field(
        default_factory=dict,
        description="Arguments that are secrets: where each stands, as a name in `api_keys` or an environment variable",
    )
    python: str = Field(default="", description="Python of an environment with pipecat-ai and msgspec; empty: this one")
    folder: str = Field(default="", description="Folder with modules of your own that `service` may name")
    workers: int = Field(default=1, ge=1, le=64, description="Processes that the sessions are spread over")
    open_timeout_s: float = Field(
        default=30.0, gt=0, le=300, description="Longest time for starting a worker, and for starting a service"
    )

    @field_validator("service")
    @classmethod
    def _names_a_class(cls, service: str) -> str:
        parts = service.split(".")
        if len(parts) < 2 or not all(part.isidentifier() for part in parts):  # noqa: PLR2004  a module and a class
            raise ValueError("write the module and the class, as in pipecat.services.deepgram.stt.DeepgramSTTService")
        return service

    @property
    def class_name(self) -> str:
        """The service's class without its module, for messages."""
        return self.service.rpartition(".")[2]


def configuration(
    kind: Literal["stt", "tts", "llm"],
    options: ServiceOptions,
    deps: Deps,
    *,
    model: str = "",
    base_url: str = "",
    sample_rate: int = 16_000,
    settle_s: float = 0.0,
) -> Configure:
    """What a worker has to know.

    Raises:
        UsageError: `missing_api_key` for a key that stands nowhere.
    """
    args: dict[str, Any] = {**options.args, **_secrets(options.keys, deps)}
    if base_url:
        args.setdefault("base_url", base_url)
    return Configure(
        kind,
        options.service,
        args,
        list(options.keys),
        model,
        options.folder,
        sample_rate,
        settle_s,
        options.open_timeout_s,
    )


def _secrets(keys: Mapping[str, str], deps: Deps) -> dict[str, str]:
    found: dict[str, str] = {}
    for argument, name in keys.items():
        value = deps.secret(name, name)
        if not value:
            raise UsageError(
                f"the provider 'pipecat' needs the key {name!r} for {argument}",
                code="missing_api_key",
                hint=f"set api_keys.{name} in the configuration, or the environment variable {name}",
            )
        found[argument] = value
    return found
