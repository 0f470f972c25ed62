"""Thumbnails of stored pictures, and pictures from elsewhere: made or fetched once, then read from the cache."""

import io
import tempfile
from functools import partial
from typing import BinaryIO, Final, cast

from PIL import Image

from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, refuse
from vox.chat.features.files.download import pieces_of
from vox.chat.features.files.http_range import Span
from vox.chat.features.files.mime_sniffing import sniff
from vox.chat.features.files.service import file_not_found
from vox.chat.features.files.stored_files import StoredFile
from vox.chat.storage.images import FORMATS, MAX_PIXELS
from vox.chat.storage.media_cache import CachedMedia
from vox.chat.storage.thumbnails import MIME, SIDES
from vox.errors import UsageError, VoxError
from vox.providers.storage.threads import in_thread

DEADLINE_S: Final = 8.0
MAX_BYTES: Final = 8_388_608
MAX_REDIRECTS: Final = 3
USER_AGENT: Final = "VoxBot/1.0"
FRESH_S: Final = 86_400
"""How long a picture from elsewhere is not asked for again."""
IN_MEMORY_BYTES: Final = 1_048_576
OK: Final = 200


async def thumbnail(chat: ChatContext, file: StoredFile, size: int) -> CachedMedia:
    """A smaller copy of a stored picture.

    Args:
        chat: the server.
        file: one that the caller may read.
        size: the longest side; the next larger one of SIDES is made.

    Raises:
        Refusal: UNSUPPORTED_MEDIA_TYPE for what is no decoded picture, FILE_NOT_FOUND, UNAVAILABLE.
    """
    if file.mime not in FORMATS or file.width is None:
        raise refuse("UNSUPPORTED_MEDIA_TYPE", "This file is no picture that has a thumbnail.")
    side = next((one for one in SIDES if one >= size), SIDES[-1])
    key = f"thumbnail {side} {file.id}"
    found = await chat.media_cache.get(key)
    if found is not None:
        return found
    async with chat.upload_limits.one_at_a_time(key):
        found = await chat.media_cache.get(key)
        if found is None:
            found = CachedMedia(MIME, await _made_smaller(chat, file, side), chat.clock.unix_s())
            await chat.media_cache.put(key, found)
        return found


async def picture(chat: ChatContext, source: str) -> CachedMedia:
    """A picture from elsewhere, which this server fetches for its readers.

    Raises:
        Refusal: FILE_NOT_FOUND where there is no picture, or one that is too large; the answer does not say why. UNAVAILABLE where
            too many are being fetched.
    """
    key, clock, failures = f"picture {source}", chat.clock, chat.media_cache.failures
    found = await chat.media_cache.get(key)
    if found is not None and found.stored_at + FRESH_S > clock.unix_s():
        return found
    async with chat.upload_limits.one_at_a_time(key):
        found = await chat.media_cache.get(key)
        if found is not None and found.stored_at + FRESH_S > clock.unix_s():
            return found
        if failures.has(source, clock.now()):
            raise _no_picture()
        try:
            found = await _fetched(chat, source)
        except Refusal:
            raise
        except VoxError:
            failures.add(source, clock.now())
            raise _no_picture() from None
        await chat.media_cache.put(key, found)
        return found


async def _fetched(chat: ChatContext, source: str) -> CachedMedia:
    with chat.upload_limits.fetch_slot("pictures"):
        answer = await chat.outbound.fetch(
            "GET",
            source,
            headers={"user-agent": USER_AGENT, "accept": ", ".join(sorted(FORMATS))},
            deadline_s=DEADLINE_S,
            max_bytes=MAX_BYTES,
            max_redirects=MAX_REDIRECTS,
        )
    mime = sniff(answer.body[:4096])
    if answer.status != OK or mime not in FORMATS or not await in_thread(partial(_is_sound, answer.body, mime)):
        raise UsageError("There is no picture.", code="no_picture")
    return CachedMedia("image/png" if mime == "image/apng" else mime, answer.body, chat.clock.unix_s())


def _is_sound(body: bytes, mime: str) -> bool:
    """Whether a decoder of ours knows the picture by its header, and it is no bomb for the programs that decode it."""
    try:
        with Image.open(io.BytesIO(body), formats=[FORMATS[mime]]) as image:
            return image.width * image.height <= MAX_PIXELS
    except Exception:  # noqa: BLE001  the top of a decoder on hostile bytes: it may raise anything
        return False


async def _made_smaller(chat: ChatContext, file: StoredFile, side: int) -> bytes:
    with _spool() as source, _spool() as out:
        try:
            async for piece in pieces_of(chat.storage, file, Span(0, file.size)):
                await in_thread(partial(source.write, piece))
        except UsageError:
            raise file_not_found() from None
        source.seek(0)
        if await chat.upload_limits.thumbnail(source, file.mime, out, side) is None:
            raise refuse("UNSUPPORTED_MEDIA_TYPE", "This file is no picture that has a thumbnail.")
        out.seek(0)
        return await in_thread(out.read)


def _spool() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))


def _no_picture() -> Refusal:
    return refuse("FILE_NOT_FOUND", "There is no such picture.")
