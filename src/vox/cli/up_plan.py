"""What `vox up` knows of its parts: how they are chosen, planned and run."""

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vox.cli.up_wiring import Wiring
    from vox.runtime.lifecycle import Lifecycle

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line and the environment say.

    Args:
        environment: of the process.
        data: the folder of all state.
        host: bind address of all parts; None for loopback, or what each part's settings say.
        port: the talk page's; 0 means free ones for all parts.
        ports: those that were picked, by part; parts must know each other's before they start.
        rooms: how the parts reach each other for voice rooms; None where no relay runs here.
    """

    environment: Mapping[str, str]
    data: Path
    host: str | None = None
    port: int | None = None
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    rooms: "Wiring | None" = None

    def port_of(self, part: str) -> int | None:
        """The port of a part that is not the talk page: a free one, or None for its usual one."""
        return self.ports.get(part, 0) if self.port == 0 else None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the parts."""
        return (self.host or LOOPBACK[0]) in LOOPBACK

    def with_ports(self, parts: Sequence[str]) -> "Choices":
        """The same with a free port for each part, where free ones are asked for."""
        if self.port != 0:
            return self
        with ExitStack() as stack:
            ports: dict[str, int] = {}
            for part in parts:
                probe = stack.enter_context(socket.socket())
                probe.bind((self.host or LOOPBACK[0], 0))
                ports[part] = int(probe.getsockname()[1])
        return replace(self, ports=ports)


@dataclass(frozen=True, slots=True)
class Running:
    """A part that listens. `end_work` cuts what is left once the part is drained or its deadline has passed."""

    address: str
    lifecycle: "Lifecycle"
    end_work: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A part whose settings are read; entering `serve()` makes it listen."""

    serve: Callable[[], AbstractAsyncContextManager[Running]]
    warnings: Sequence[str]
    log_level: str
    json_logs: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One part of Vox: its name, what the banner says of its address, and how it is set up."""

    name: str
    shows: str
    plan: Callable[[Choices], Plan]

    @property
    def ready(self) -> str:
        """What is logged once it listens, the same as by its own command."""
        return f"{self.name} ready"


def http_address(host: str, port: int) -> str:
    """Where a part of this process reaches another one."""
    shown = "127.0.0.1" if host in {"", "0.0.0.0", "::", "localhost"} else host  # noqa: S104  compared, not bound
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
