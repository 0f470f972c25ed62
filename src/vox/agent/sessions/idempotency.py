"""Answers under an idempotency key: a client that repeats `POST /start`, because the answer was lost, gets the same one.

A key belongs to one caller and one path, and to the body it came with first. While the first request is at work, a second one
with its key is told to come back, because two sessions must not be made.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from vox.runtime.clock import Clock

KEPT_S: Final = 86_400.0
PENDING_S: Final = 60.0
"""How long an answer may take; a server that dies over it leaves the key free after that."""
MAX_KEYS: Final = 20_000
MAX_KEY_LENGTH: Final = 255


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known under a key.

    Args:
        fingerprint: of the body that the key came with first.
        answer: the body of the answer; None while the first request is at work.
    """

    fingerprint: str
    answer: bytes | None = None


class IdempotencyStore(Protocol):
    """Remembers answers for `KEPT_S`; its methods raise DependencyError where they cannot."""

    async def begin(self, key: str, fingerprint: str) -> Recorded | None:
        """Reserves a key for a request; what is recorded already, or None where the key is now the request's own."""
        ...

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Keeps the answer."""
        ...

    async def abandon(self, key: str) -> None:
        """Frees a key whose request failed, so that it can be tried again."""
        ...


def storage_key(caller: str, path: str, key: str) -> str:
    """The name under which a key is kept; nothing in it can be read back."""
    digest = hashlib.sha256()
    for part in (caller, path, key):
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()


def fingerprint_of(*parts: bytes) -> str:
    """What two requests must have in common to be the same."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


class _Record(msgspec.Struct):
    fingerprint: str
    answer: bytes | None = None


_decoder = msgspec.json.Decoder(_Record)


def encode(recorded: Recorded) -> bytes:
    """As JSON, for a store that keeps bytes."""
    return msgspec.json.encode(_Record(recorded.fingerprint, recorded.answer))


def decode(data: bytes) -> Recorded:
    """Of that JSON.

    Raises:
        ValueError: it is none.
    """
    record = _decoder.decode(data)
    return Recorded(record.fingerprint, record.answer)


class MemoryIdempotencyStore:
    """Implements `IdempotencyStore` in this process; beyond `max_keys` the oldest key is forgotten.

    Args:
        clock: for the times.
        max_keys: remembered at once.
    """

    def __init__(self, clock: Clock, *, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._recorded: OrderedDict[str, tuple[Recorded, float]] = OrderedDict()

    async def begin(self, key: str, fingerprint: str) -> Recorded | None:
        """Reserves a key, or says what is recorded."""
        known = self._recorded.get(key)
        if known is not None and known[1] > self._clock.now():
            return known[0]
        self._keep(key, Recorded(fingerprint), PENDING_S)
        return None

    async def finish(self, key: str, fingerprint: str, answer: bytes) -> None:
        """Keeps the answer."""
        self._keep(key, Recorded(fingerprint, answer), KEPT_S)

    async def abandon(self, key: str) -> None:
        """Frees the key."""
        self._recorded.pop(key, None)

    def _keep(self, key: str, recorded: Recorded, seconds: float) -> None:
        self._recorded[key] = (recorded, self._clock.now() + seconds)
        self._recorded.move_to_end(key)
        if len(self._recorded) > self._max_keys:
            self._recorded.popitem(last=False)
