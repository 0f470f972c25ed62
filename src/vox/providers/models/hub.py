"""Downloads a file from its publisher's address in pieces: what has come stays, a cut connection costs one piece.

Every piece is a request of its own through the guard for outgoing URLs, so redirects are checked and memory is bounded.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from vox.errors import DependencyError, VoxError
from vox.security.outbound import FetchResult, OutboundGuard

PIECE_BYTES: Final = 4 << 20
PIECE_DEADLINE_S: Final = 60.0
FIRST_BYTES: Final = 64 << 10
FIRST_DEADLINE_S: Final = 10.0
"""Nothing is known of the way there yet: a machine without one should soon try the next source."""
ATTEMPTS: Final = 4
PAUSE_S: Final = 1.0
MAX_REDIRECTS: Final = 5

_FAILED: Final = "model_source_failed"


async def download(
    guard: OutboundGuard,
    url: str,
    target: Path,
    size: int,
    on_bytes: Callable[[int], None],
    *,
    pause_s: float = PAUSE_S,
) -> None:
    """Fetches what `target` still lacks of a file of `size` bytes.

    Args:
        guard: for outgoing URLs.
        url: the file's.
        target: grows piece by piece, and begins where an earlier download ended.
        size: the whole file's.
        on_bytes: is told how many bytes of it there are.
        pause_s: before a piece is tried again; doubled each time.

    Raises:
        DependencyError: `model_source_unreachable`: not even a first answer; `model_source_failed`: none later, or one that is not
            this file.
    """
    have = _begun(target, size)
    on_bytes(have)
    answered = False
    while have < size:
        length = min(size - have, PIECE_BYTES if answered else FIRST_BYTES)
        result = await _piece(guard, url, have, length, pause_s, is_first=not answered)
        answered = True
        body = _content(result, have, size)
        with target.open("ab") as file:
            file.write(body)
        have += len(body)
        on_bytes(have)


def _begun(target: Path, size: int) -> int:
    """How much of the file is there; what is longer than the whole is thrown away."""
    have = target.stat().st_size if target.exists() else 0
    if have > size:
        target.unlink()
        return 0
    return have


async def _piece(
    guard: OutboundGuard, url: str, start: int, length: int, pause_s: float, *, is_first: bool
) -> FetchResult:
    attempts = 1 if is_first else ATTEMPTS
    for attempt in range(1, attempts + 1):
        try:
            return await guard.fetch(
                "GET",
                url,
                headers={"range": f"bytes={start}-{start + length - 1}"},
                deadline_s=FIRST_DEADLINE_S if is_first else PIECE_DEADLINE_S,
                max_bytes=PIECE_BYTES,
                max_redirects=MAX_REDIRECTS,
            )
        except VoxError as error:
            if attempt == attempts or not error.retryable:
                raise _failed(url, str(error), "model_source_unreachable" if is_first else _FAILED) from error
        await asyncio.sleep(pause_s * 2 ** (attempt - 1))
    raise AssertionError  # the last attempt returns or raises


def _content(result: FetchResult, start: int, size: int) -> bytes:
    """The bytes from `start`, from an answer that may be the whole of a short file."""
    if result.status == HTTPStatus.PARTIAL_CONTENT:
        span, _, total = result.headers.get("content-range", "").removeprefix("bytes ").partition("/")
        first, _, _ = span.partition("-")
        if first != str(start) or total not in {str(size), "*"} or not result.body or len(result.body) > size - start:
            raise _failed(result.url, "the answer is another part than was asked for, or the file has another size")
        return result.body
    if result.status == HTTPStatus.OK and len(result.body) == size:
        return result.body[start:]
    raise _failed(result.url, f"answered {result.status} with {len(result.body)} bytes")


def _failed(url: str, why: str, code: str = _FAILED) -> DependencyError:
    host = url.split("/", 3)[2]
    return DependencyError(f"{host}: {why}", code=code, retryable=True)
