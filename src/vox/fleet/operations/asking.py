"""Asks workers how they are: by address, and those that drain behind a successor by their sockets in the runtime directory."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2

from vox.errors import DependencyError
from vox.fleet.operations.reports import Counts, Row, read_counts, read_fleet, read_report

ASK_TIMEOUT_S: Final = 3.0
AT_ONCE: Final = 32
_OK: Final = 200


class Asker:
    """Sends the requests while the block runs; a worker that does not answer is a row that says so."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(timeout=ASK_TIMEOUT_S, trust_env=False)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def rows(self, addresses: Iterable[str]) -> list[Row]:
        """What each worker says, in the same order."""
        return [*await asyncio.gather(*(self._row(self._http, each, f"http://{each}") for each in addresses))]

    async def fleet_rows(self, bridge: str) -> list[Row]:
        """The workers that a bridge knows.

        Args:
            bridge: its base URL.

        Raises:
            DependencyError: it does not answer, or is none (bridge_unreachable).
        """
        try:
            answer = await self._http.get(f"{bridge.rstrip('/')}/health/fleet")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _no_bridge(bridge, type(error).__name__) from None
        rows = read_fleet(answer.content) if answer.status_code == _OK else None
        if rows is None:
            raise _no_bridge(bridge, f"HTTP {answer.status_code}")
        return rows

    async def is_ready(self, address: str) -> bool:
        """Whether a worker takes calls."""
        try:
            return (await self._http.get(f"http://{address}/ready")).status_code == _OK
        except httpx2.HTTPError:
            return False

    async def counts(self, addresses: Sequence[str]) -> list[Counts]:
        """What each worker has counted; nothing where it does not answer."""
        return [*await asyncio.gather(*(self._counts(each) for each in addresses))]

    async def _counts(self, address: str) -> Counts:
        try:
            answer = await self._http.get(f"http://{address}/metrics")
        except httpx2.HTTPError:
            return Counts()
        return read_counts(answer.text) if answer.status_code == _OK else Counts()

    async def _row(self, http: httpx2.AsyncClient, name: str, base: str) -> Row:
        try:
            async with self._slots:
                answer = await http.get(f"{base}/health")
        except httpx2.HTTPError as error:
            return Row(name, None, type(error).__name__)
        report = read_report(answer.content) if answer.status_code == _OK else None
        return Row(name, report, "" if report else f"HTTP {answer.status_code}")

    async def private_rows(self, sockets: Iterable[Path]) -> list[Row]:
        """What processes say on their sockets; those that are gone are left out."""
        rows = await asyncio.gather(*(self._private_row(each) for each in sockets))
        return [row for row in rows if row.report is not None]

    async def _private_row(self, path: Path) -> Row:
        name = f"{path.parent.name}/{path.stem}"
        async with httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(path)), timeout=ASK_TIMEOUT_S, trust_env=False
        ) as http:
            return await self._row(http, name, "http://worker")


def _no_bridge(url: str, why: str) -> DependencyError:
    return DependencyError(
        f"no bridge answers at {url}: {why}",
        code="bridge_unreachable",
        hint="give its base URL, as http://127.0.0.1:8100",
    )
