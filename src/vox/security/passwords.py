"""Passwords as Argon2id, hashed on a few threads of their own.

A hash takes tens of milliseconds and tens of MiB on purpose, so it may neither run on an event loop nor in any number at
once: what does not fit is refused early and told when to come back. An unknown user costs the same work as a known one.
"""

import asyncio
import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vox.errors import DependencyError

T = TypeVar("T")

DEADLINE_S = 10.0
PARALLELISM = 4
"""Lanes of one hash: the default of RFC 9106's low-memory choice."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The memory, time and parallelism that one hash costs.

    Args:
        memory_kib: memory in KiB.
        passes: passes over it.
    """

    memory_kib: int = 65_536
    passes: int = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a check.

    Args:
        is_right: whether the password was right.
        renewed: a hash to store instead of the old one, where its cost is no longer the present one.
    """

    is_right: bool
    renewed: str | None = None


_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def prepared(password: str) -> str:
    """A password as it is hashed: in normalisation form C with plain spaces, as RFC 8265 (OpaqueString) has it.

    So a password is the same on a system that composes its letters and on one that does not.
    """
    return password if password.isascii() else unicodedata.normalize("NFC", _SPACES.sub(" ", password))


class Passwords:
    """Hashes and checks; usable from several event loops at once.

    Args:
        cost: of new hashes.
        threads: hashes at the same time.
        waiting: how many may wait for a thread; the next is refused.
        deadline_s: how long one may wait.
    """

    def __init__(
        self, cost: Cost | None = None, *, threads: int = 2, waiting: int = 32, deadline_s: float = DEADLINE_S
    ) -> None:
        cost = cost or Cost()
        self._hasher = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=max(cost.memory_kib, 8 * PARALLELISM),
            parallelism=PARALLELISM,
        )
        self._room = threads + waiting
        self._deadline_s = deadline_s
        self._size = threads
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._inside = 0
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to store, in the PHC form, which names its own cost.

        Raises:
            DependencyError: too many passwords wait (passwords_busy).
        """
        return await self._run(lambda: self.hash_now(password))

    async def check(self, password: str, stored: str | None) -> Verdict:
        """Checks a password; without a stored hash it does the same work and says no.

        Raises:
            DependencyError: too many passwords wait (passwords_busy).
        """
        return await self._run(lambda: self._check(password, stored))

    async def hash_all(self, secrets: Sequence[str]) -> list[str]:
        """The hashes of several secrets, one after the other in one thread's turn.

        Raises:
            DependencyError: too many passwords wait (passwords_busy).
        """
        return await self._run(lambda: [self.hash_now(secret) for secret in secrets])

    async def find(self, secret: str, stored: Sequence[str]) -> int | None:
        """Which of some hashes is that of a secret, in one thread's turn; None where none is.

        Raises:
            DependencyError: too many passwords wait (passwords_busy).
        """
        text = prepared(secret)
        return await self._run(
            lambda: next((at for at, hashed in enumerate(stored) if self._verifies(hashed, text)), None)
        )

    def hash_now(self, password: str) -> str:
        """The hash to store, computed on the calling thread; for commands."""
        return self._hasher.hash(prepared(password))

    def close(self) -> None:
        """Lets the threads end; what waits is dropped. The next password starts them again."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, password: str, stored: str | None) -> Verdict:
        as_sent = password
        password = prepared(as_sent)
        hashed = stored if stored is not None else self._dummy_hash()
        is_right = self._verifies(hashed, password)
        is_old = (
            not is_right and as_sent != password and self._verifies(hashed, as_sent)
        )  # hashed before it was prepared
        if stored is None or not (is_right or is_old):
            return Verdict(is_right=False)
        renew = is_old or self._hasher.check_needs_rehash(stored)
        return Verdict(is_right=True, renewed=self._hasher.hash(password) if renew else None)

    def _verifies(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    def _dummy_hash(self) -> str:
        if self._dummy is None:
            self._dummy = self._hasher.hash("a password that no account has")
        return self._dummy

    async def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._inside >= self._room:
                raise _busy()
            self._inside += 1
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="passwords")
            future = self._threads.submit(work)
        future.add_done_callback(self._left)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise _busy() from None

    def _left(self, _future: object) -> None:
        with self._lock:
            self._inside -= 1


def _busy() -> DependencyError:
    return DependencyError(
        "too many passwords are being checked",
        code="passwords_busy",
        hint="try again",
        retryable=True,
        retry_after_s=2.0,
    )
