"""What uploads and previews share: the place for files, the threads for pictures, and how much may happen at once.

Everything here is bounded by refusing, never by waiting in a line: a caller who is refused has taken no memory. The counts are of
this process, and they are plain numbers, because several event loops may use one chat server.
"""

import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, Final

from vox.chat.config.settings import ChatSettings
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.storage.images import Dimensions, re_encode
from vox.providers.storage.contract import Storage
from vox.providers.storage.opening import driver
from vox.providers.storage.threads import in_thread

UPLOADS_AT_ONCE: Final = 64
UPLOADS_OF_ONE_USER: Final = 4
PICTURES_AT_ONCE: Final = 2
"""Threads that decode; each may take twice the memory of the largest picture."""
PICTURES_WAITING: Final = 32
FETCHES_AT_ONCE: Final = 16
"""Previews that run at once, and as many GIF searches; less than the outbound guard allows, so nothing waits there."""
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
        self._painters: ThreadPoolExecutor | None = None
        self._counting = threading.Lock()
        self._busy: Counter[str | int] = Counter()

    def close(self) -> None:
        """Ends the threads after what they are at; the next picture starts new ones."""
        with self._counting:
            painters, self._painters = self._painters, None
        if painters is not None:
            painters.shutdown(wait=True, cancel_futures=True)

    async def reencode(self, source: BinaryIO, mime: str, out: BinaryIO) -> Dimensions | None:
        """Writes a picture anew, in a thread; see `images.re_encode`.

        Raises:
            Refusal: as there, and UNAVAILABLE where too many pictures wait already.
        """
        with self._turn("pictures", PICTURES_AT_ONCE + PICTURES_WAITING):
            with self._counting:
                painters = self._painters = self._painters or ThreadPoolExecutor(PICTURES_AT_ONCE, "vox-picture")
            return await in_thread(partial(re_encode, source, mime, out), painters)

    @contextmanager
    def upload_slot(self, user_id: UserId) -> Generator[None, None, None]:
        """One upload's turn.

        Raises:
            Refusal: UNAVAILABLE, or RATE_LIMITED where this user uploads too many files at once.
        """
        with self._turn("uploads", UPLOADS_AT_ONCE), self._turn(user_id, UPLOADS_OF_ONE_USER, "RATE_LIMITED"):
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
                raise refuse(refusal, "Too much of this at once; try again.", retry_after_ms=BUSY_MS)
            self._busy[what] += 1
        try:
            yield
        finally:
            with self._counting:
                self._busy[what] -= 1
                if not self._busy[what]:
                    del self._busy[what]
