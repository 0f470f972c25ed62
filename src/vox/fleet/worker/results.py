"""Results of calls on their way to the bridge: on the disk before the first attempt, off it once the bridge has confirmed.

One file for each result. A worker that dies finds them at its next start; a bridge that is away gets them when it is back. What the
bridge refuses for good (a wrong form, an unknown session) is kept aside for the operator, and never sent again by itself.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec

from vox.errors import DependencyError, VoxError
from vox.fleet.worker.bots import SECRET_HEADER
from vox.fleet.worker.metrics import RESULTS_SENT, RESULTS_WAITING
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.digests import sha256_hex
from vox.security.outbound import OutboundGuard

SEND_TIMEOUT_S: Final = 10.0
RETRY_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
AT_ONCE: Final = 4
WARN_AT: Final = 1_000
MAX_ANSWER_BYTES: Final = 65_536
REFUSED_FOLDER: Final = "refused"
_PASSING: Final = frozenset({401, 403, 408, 425, 429})
"""Refusals that the operator or time may lift: a wrong secret, too many requests."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")

_log = get_logger(__name__)


class _Stored(msgspec.Struct):
    url: str
    body: msgspec.Raw


_DECODER: Final = msgspec.json.Decoder(_Stored)


@dataclass(slots=True)
class _Attempts:
    failures: int = 0
    next_at: float = 0.0


class Results:
    """The results of one worker, while its `async with` block runs (`run` is its task).

    Args:
        folder: of this worker alone; made on first use.
        http: the client to send with.
        base: the bridge's address; results go to its `/v1/results` unless they name another address.
        secret: sent with every result that goes to the bridge; empty for none.
        guard: sends what goes to other addresses, which a bot's configuration names.
        metrics: counts results.
        clock: for the time between two attempts, which each result has for itself.
    """

    def __init__(
        self,
        folder: Path,
        http: httpx2.AsyncClient,
        base: str,
        *,
        secret: str,
        guard: OutboundGuard,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._http = http
        self._base = base
        self._secret = secret
        self._guard = guard
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[str, _Attempts] = {}
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many the bridge has not confirmed."""
        return len(self._waiting)

    async def keep(self, call_id: str, result: Mapping[str, Any], webhook_url: str = "") -> None:
        """Writes a result to the disk; it is sent from there.

        Raises:
            DependencyError: the disk refuses (results_unwritable).
        """
        name = call_id if _NAME.fullmatch(call_id) else sha256_hex(call_id.encode())
        data = msgspec.json.encode({"url": webhook_url or f"{self._base}/v1/results", "body": result})
        try:
            await asyncio.to_thread(_write, self._folder, name, data)
        except OSError as error:
            raise DependencyError(
                f"the result of a call cannot be written to {self._folder}: {error.strerror}",
                code="results_unwritable",
                hint="free space there, or set VOX_WORKER_RESULTS_FOLDER",
                retryable=True,
            ) from error
        self._waiting[name] = _Attempts()
        self._show()
        if len(self._waiting) % WARN_AT == 0:
            _log.warning("results wait for the bridge", waiting=len(self._waiting))
        self._arrived.set()

    async def run(self) -> None:
        """Sends what is on the disk and what comes, until it is cancelled."""
        for name in await asyncio.to_thread(_names, self._folder):
            self._waiting.setdefault(name, _Attempts())
        self._show()
        while True:
            self._arrived.clear()
            now = self._clock.now()
            await self._attempt([name for name, attempts in self._waiting.items() if attempts.next_at <= now])
            due = min((attempts.next_at for attempts in self._waiting.values()), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock.now())):
                    await self._arrived.wait()

    async def flush(self, timeout_s: float) -> None:
        """Tries everything once more, within that time; what is left waits on the disk."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._attempt(list(self._waiting))

    async def _attempt(self, which: list[str]) -> None:
        """Sends each of them once."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def attempt(name: str) -> None:
            async with gate:
                await self._send(name)

        await asyncio.gather(*(attempt(name) for name in which))

    async def _send(self, name: str) -> None:
        try:
            data = await asyncio.to_thread((self._folder / f"{name}.json").read_bytes)
            stored = _DECODER.decode(data)
        except FileNotFoundError:
            self._settled(name)  # another round has sent it
            return
        except (OSError, msgspec.MsgspecError) as error:
            _log.error("a stored result cannot be read", call_id=name, error=type(error).__name__)
            await self._put_aside(name, "unreadable")
            return
        try:
            status = await self._post(stored.url, bytes(stored.body), name)
        except (VoxError, httpx2.HTTPError, TimeoutError) as error:
            self._failed(name, "unreachable", type(error).__name__)
            return
        if 200 <= status < 300:  # noqa: PLR2004  HTTP success
            await asyncio.to_thread(_remove, self._folder, name)
            self._metrics.counter(RESULTS_SENT, "confirmed").inc()
            self._settled(name)
        elif status >= 500 or status in _PASSING:  # noqa: PLR2004  HTTP server errors
            self._failed(name, "retried", str(status))
        else:
            _log.error("the bridge refuses a result; it is kept aside", call_id=name, status=status)
            await self._put_aside(name, "refused")

    async def _post(self, url: str, body: bytes, name: str) -> int:
        headers = {"content-type": "application/json", "idempotency-key": name}
        if not url.startswith(f"{self._base}/"):
            answer = await self._guard.fetch(
                "POST", url, headers=headers, body=body, deadline_s=SEND_TIMEOUT_S, max_bytes=MAX_ANSWER_BYTES
            )
            return answer.status
        if self._secret:
            headers[SECRET_HEADER] = self._secret
        async with asyncio.timeout(SEND_TIMEOUT_S):
            return (await self._http.post(url, content=body, headers=headers)).status_code

    async def _put_aside(self, name: str, outcome: str) -> None:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(_set_aside, self._folder, name)
        self._metrics.counter(RESULTS_SENT, outcome).inc()
        self._settled(name)

    def _failed(self, name: str, outcome: str, why: str) -> None:
        self._metrics.counter(RESULTS_SENT, outcome).inc()
        attempts = self._waiting.setdefault(name, _Attempts())
        attempts.next_at = self._clock.now() + RETRY_S[min(attempts.failures, len(RETRY_S) - 1)]
        attempts.failures += 1
        if attempts.failures == 1:
            _log.warning("result not delivered; it is tried again", call_id=name, why=why)

    def _settled(self, name: str) -> None:
        self._waiting.pop(name, None)
        self._show()

    def _show(self) -> None:
        self._metrics.gauge(RESULTS_WAITING).set(len(self._waiting))


def _write(folder: Path, name: str, data: bytes) -> None:
    """Replaces the file in one step, and returns once the disk has it."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / f"{name}.json")
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))


def _remove(folder: Path, name: str) -> None:
    (folder / f"{name}.json").unlink(missing_ok=True)


def _set_aside(folder: Path, name: str) -> None:
    (folder / REFUSED_FOLDER).mkdir(exist_ok=True)
    (folder / f"{name}.json").replace(folder / REFUSED_FOLDER / f"{name}.json")
