"""What uploads and previews share: the place for files, the threads for pictures, and how much may happen at once.

Everything here is bounded by refusing, never by waiting in a line: a caller who is refused has taken no memory. The counts are of
this process, and they are plain numbers, because several event loops may use one chat server.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import BinaryIO, Final

from vox.chat.config.settings import ChatSettings
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import UserId
from vox.chat.storage.image_worker import re_encode_apart, thumbnail_apart
from vox.chat.storage.images import SMALL_PIXELS, Dimensions, re_encode
from vox.chat.storage.thumbnails import make_thumbnail
from vox.providers.storage.contract import Storage
from vox.providers.storage.opening import driver
from vox.providers.storage.threads import in_thread

UPLOADS_AT_ONCE: Final = 64
UPLOADS_OF_ONE_USER: Final = 4
PICTURES_AT_ONCE: Final = 2
"""Threads that decode small pictures, and as many processes for large ones; each of these may take twice the largest picture's memory."""
PICTURES_WAITING: Final = 32
LOOK_S: Final = 0.01
LONGEST_TURN_S: Final = 60.0
"""How long a user's picture waits for the user's other ones."""
FETCHES_AT_ONCE: Final = 16
"""Previews that run at once, and as many GIF searches; less than the outbound guard allows, so nothing waits there."""
WAITING_AT_ONCE: Final = 512
"""Requests that wait for a picture which another request is fetching or making smaller."""
BUSY_MS: Final = 2000


def open_storage(settings: ChatSettings) -> Storage:
    """The place for files that the settings name, to be prepared before its use.

    Raises:
        UsageError: its library is missing; the message says what to do.
    """
    if settings.storage_backend == "local":
        return driver("local", {"path": settings.storage_path})
    return driver(
        settings.storage_backend,
        {
            "bucket": settings.s3_bucket,
            "endpoint": settings.s3_endpoint,
            "access_key": settings.s3_access_key,
            "secret_key": settings.s3_secret_key,
            "region": settings.s3_region,
        },
    )


class UploadLimits:
    """Hands out turns.

    Args:
        settings: tell where uploads wait until they are whole: in the storage's own folder, or else in the system's folder for
            temporary files.
    """

    def __init__(self, settings: ChatSettings) -> None:
        self.spool_folder = settings.storage_path if settings.storage_backend == "local" else None
        self.link_secret = b""
        """The key of signed links, once it was read."""
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._counting = threading.Lock()
        self._busy: Counter[str | int] = Counter()

    def close(self) -> None:
        """Ends the threads after what they are at; the next picture starts new ones."""
        with self._counting:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    async def reencode(self, source: BinaryIO, mime: str, out: BinaryIO, user_id: UserId) -> Dimensions | None:
        """Re-encodes a picture: a small one in a thread, a large one in a process that ends when its time is over.

        Of one user one picture at a time, so that all users share the threads.

        Args:
            source: the upload.
            mime: as for `images.re_encode`.
            out: where the new file is written, empty.
            user_id: the uploader.

        Raises:
            Refusal: as `images.re_encode`, and UNAVAILABLE where too many pictures wait already.
        """
        with self._turn("pictures", PICTURES_AT_ONCE + PICTURES_WAITING):
            async with self._own_turn(f"pictures of {user_id}"):
                try:
                    small = partial(re_encode, source, mime, out, SMALL_PIXELS)
                    return await in_thread(small, self._pool("small"))
                except Refusal as refusal:
                    if refusal.wire_code != "FILE_TOO_LARGE":
                        raise
                out.seek(0)
                out.truncate()
                return await in_thread(partial(re_encode_apart, source, mime, out), self._pool("large"))

    async def thumbnail(
        self, source: BinaryIO, mime: str, out: BinaryIO, side: int, *, is_square: bool = False
    ) -> Dimensions | None:
        """Makes a picture smaller: a small one in a thread, a large one in a process that ends when its time is over.

        Args:
            source: the picture.
            mime: as for `thumbnails.make_thumbnail`.
            out: where the WebP is written, empty.
            side: the longest side in pixels.
            is_square: whether the middle is cut out as a square.

        Raises:
            Refusal: as `make_thumbnail`, and UNAVAILABLE where too many pictures wait already.
        """
        with self._turn("pictures", PICTURES_AT_ONCE + PICTURES_WAITING):
            try:
                small = partial(make_thumbnail, source, mime, out, side, SMALL_PIXELS, is_square=is_square)
                return await in_thread(small, self._pool("small"))
            except Refusal as refusal:
                if refusal.wire_code != "FILE_TOO_LARGE":
                    raise
            out.seek(0)
            out.truncate()
            large = partial(thumbnail_apart, source, mime, out, side, is_square=is_square)
            return await in_thread(large, self._pool("large"))

    def _pool(self, name: str) -> ThreadPoolExecutor:
        with self._counting:
            if name not in self._pools:
                self._pools[name] = ThreadPoolExecutor(PICTURES_AT_ONCE, f"vox-picture-{name}")
            return self._pools[name]

    @asynccontextmanager
    async def _own_turn(self, what: str) -> AsyncGenerator[None, None]:
        """Waits until it is the only one of its kind; it looks again, because several event loops may share this."""
        for _ in range(int(LONGEST_TURN_S / LOOK_S)):
            with self._counting:
                is_free = not self._busy[what]
                self._busy[what] = 1
            if is_free:
                break
            await asyncio.sleep(LOOK_S)
        else:
            raise _too_much("UNAVAILABLE")
        try:
            yield
        finally:
            with self._counting:
                del self._busy[what]

    @contextmanager
    def upload_slot(self, user_id: UserId) -> Generator[None, None, None]:
        """One upload's turn.

        Raises:
            Refusal: UNAVAILABLE, or RATE_LIMITED where this user uploads too many files at once.
        """
        with self._turn("uploads", UPLOADS_AT_ONCE), self._turn(user_id, UPLOADS_OF_ONE_USER, "RATE_LIMITED"):
            yield

    @asynccontextmanager
    async def one_at_a_time(self, what: str) -> AsyncGenerator[None, None]:
        """Waits until no other is at the same thing, which the first may have finished for all by then.

        Raises:
            Refusal: UNAVAILABLE where too many wait already.
        """
        with self._turn("waiting", WAITING_AT_ONCE):
            async with self._own_turn(what):
                yield

    @contextmanager
    def fetch_slot(self, what: str) -> Generator[None, None, None]:
        """One outgoing request's turn, of a kind such as previews.

        Raises:
            Refusal: UNAVAILABLE.
        """
        with self._turn(what, FETCHES_AT_ONCE):
            yield

    @contextmanager
    def _turn(self, what: str | int, most: int, refusal: str = "UNAVAILABLE") -> Generator[None, None, None]:
        with self._counting:
            if self._busy[what] >= most:
                raise _too_much(refusal)
            self._busy[what] += 1
        try:
            yield
        finally:
            with self._counting:
                self._busy[what] -= 1
                if not self._busy[what]:
                    del self._busy[what]


def _too_much(code: str) -> Refusal:
    return refuse(code, "Too much of this at once; try again.", retry_after_ms=BUSY_MS)
