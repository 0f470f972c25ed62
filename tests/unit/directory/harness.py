"""A whole directory in memory: its application behind a client without a socket, and relays that answer as told."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast
from zlib import crc32

import httpx2

from tests.fakes.clock import FakeClock
from tests.fakes.loop import standing_still
from vox.directory.app import create_app
from vox.directory.server import Directory, Parts
from vox.directory.settings import DirectorySettings
from vox.errors import DependencyError
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.security.outbound import FetchResult, OutboundGuard

SYDNEY = {
    "name": "Sydney",
    "url": "wss://sydney.example.com",
    "latitude": -33.87,
    "longitude": 151.21,
    "public_key": "c3lkbmV5",
}
LONDON = {
    "name": "London",
    "url": "wss://london.example.com/base",
    "latitude": 51.5,
    "longitude": -0.13,
    "public_key": "bG9uZG9u",
    "region": "eu-west",
    "capacity": 20,
}
PROBED = {"health_check": {"interval_ms": 30_000, "timeout_ms": 5000, "removal_after_ms": 60_000}}
HEALTHY = (200, b"OK")
SYDNEY_PROBE = "https://sydney.example.com/_health"


@dataclass
class FakeInternet:
    """Answers probes: by URL a body, or an error code; what is not named does not answer."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = "203.0.113.1"
    """Where all of them live; by default nowhere that is counted."""

    async def fetch(self, method: str, url: str, **options: Any) -> FetchResult:
        self.asked.append(url)
        answer: Any = self.answers.get(url)
        if callable(answer):
            answer = answer(options["headers"])
        if answer is None:
            raise DependencyError("no answer", code="fetch_failed")
        status, body = cast("tuple[int, bytes]", answer)
        return FetchResult(status, {}, body, self.address, 0.01, url)


@dataclass
class Rig:
    directory: Directory
    http: httpx2.AsyncClient
    internet: FakeInternet

    async def register(self, relay: dict[str, Any], **options: Any) -> dict[str, Any]:
        answer = await self.http.post("/v1/relays/register", json=relay, **options)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    async def listed(self, query: str = "") -> list[str]:
        answer = await self.http.get(f"/v1/relays{query}")
        assert answer.status_code == 200
        return [relay["name"] for relay in answer.json()["relays"]]


@asynccontextmanager
async def rig(
    folder: Path, config: dict[str, Any] | None = None, *, clock: Clock | None = None, peer: str = "127.0.0.1"
) -> AsyncGenerator[Rig, None]:
    """A directory without probes, unless the configuration asks for them."""
    values: dict[str, Any] = {"health_check": {"enabled": False}, **(config or {})}
    values.setdefault("database", {"path": str(folder / "relays.db")})
    settings = DirectorySettings.model_validate(values)
    clock = clock or FakeClock()
    directory = Directory(settings, Parts(clock, Metrics(), Lifecycle(clock, 1.0), Random(7)))
    internet = FakeInternet()
    guard = directory.prober.guard
    assert isinstance(guard, OutboundGuard)
    guard.fetch = internet.fetch  # type: ignore[method-assign]
    guard._resolver = _public  # type: ignore[attr-defined]
    directory.database._submitted = _standing_still(directory.database._submitted)  # type: ignore[attr-defined,method-assign]
    transport = httpx2.ASGITransport(create_app(directory), client=(peer, 40000))
    async with directory, httpx2.AsyncClient(transport=transport, base_url="http://directory.test") as client:
        yield Rig(directory, client, internet)


def _standing_still(submitted: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def wait(*args: Any) -> Any:
        with standing_still():
            return await submitted(*args)

    return wait


async def _public(host: str, port: int) -> list[str]:
    """Every name has an address of its own, but for those that say otherwise."""
    if host.endswith(".unknown.example.com"):
        raise OSError("no such name")
    if host.endswith(".internal.example.com"):
        return ["10.0.0.9"]
    if host.endswith(".farm.example.com"):
        return ["93.184.215.14"]
    return [f"93.184.{crc32(host.encode()) % 65_536 // 256}.{crc32(host.encode()) % 256}"]
