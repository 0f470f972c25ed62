"""Files of messages that come from another server: fetched from it, kept within budgets, and trusted in nothing.

A file that may not come (too large, of a type that is not allowed, beyond a budget, or no longer there) is left out, and the message
comes without it. What may pass (the server is away) refuses the message for now, and it comes again with all its files.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from typing import BinaryIO, Final, cast
from urllib.parse import quote

from vox.chat.context import ChatContext
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import DmId, FileId, UserId
from vox.chat.features.federation import queries
from vox.chat.features.federation.inbound import federation_of
from vox.chat.features.files.filenames import OCTETS, clean_mime, clean_name
from vox.chat.features.files.mime_sniffing import SNIFFED_BYTES, sniff
from vox.chat.features.files.service import store_upload
from vox.chat.features.files.stored_files import FileLocation
from vox.chat.features.files.upload_body import IN_MEMORY_BYTES, ReceivedUpload
from vox.chat.federation.client import PeerFailure
from vox.chat.federation.wire import RemoteFile
from vox.chat.storage.images import FORMATS
from vox.runtime.logging import get_logger

FETCH_DEADLINE_S: Final = 60.0
ERROR_BYTES: Final = 4096
"""What an answer may have at least, so that a refusal of a small file can be read."""
_LYING_CODES: Final = frozenset({"answer_too_large", "answer_malformed"})

_log = get_logger(__name__)


async def fetch_files(
    chat: ChatContext, domain: str, author_id: UserId, dm_id: DmId, files: Sequence[RemoteFile]
) -> list[FileId]:
    """Fetches and stores the files of a message; those that may not come are left out.

    Args:
        chat: the server.
        domain: of the author's server.
        author_id: who gets them as uploader.
        dm_id: the conversation.
        files: as the server names them.

    Raises:
        Refusal: UNAVAILABLE where the server does not give them at present, or too many are fetched at once.
    """
    stored: list[FileId] = []
    for file in files:
        why = await _refusal_of(chat, domain, file.size, file.mime)
        if not why:
            try:
                stored.append(await _fetched(chat, domain, author_id, dm_id, file))
                continue
            except Refusal as refusal:
                if refusal.wire_code == "UNAVAILABLE":
                    raise
                why = refusal.wire_code
        _log.info("file of another server left out", domain=domain, reason=why)
    return stored


async def _refusal_of(chat: ChatContext, domain: str, size: int, mime: str) -> str:
    """Why a file may not come; empty where it may."""
    if size > chat.config.limit("file_upload_max_bytes"):
        return "FILE_TOO_LARGE"
    if not chat.config.allows_mime("file", clean_mime(mime) or OCTETS):
        return "UNSUPPORTED_MEDIA_TYPE"
    of_one, of_all = await chat.read(partial(queries.bytes_from, domain=domain))
    settings = chat.settings
    if of_one + size > settings.federation_peer_bytes or of_all + size > settings.federation_total_bytes:
        return "QUOTA_EXCEEDED"
    return ""


async def _fetched(chat: ChatContext, domain: str, author_id: UserId, dm_id: DmId, file: RemoteFile) -> FileId:
    federation = federation_of(chat)
    path = f"/files/{quote(file.file_id, safe='')}"
    with chat.upload_limits.fetch_slot("files of other servers"):
        try:
            found = await federation.client.send(
                domain,
                "GET",
                path,
                policy=federation.policy,
                deadline_s=FETCH_DEADLINE_S,
                max_bytes=max(file.size, ERROR_BYTES),
            )
        except PeerFailure as failure:
            if failure.code in _LYING_CODES or 400 <= failure.answer.status < 429:  # noqa: PLR2004  HTTP's classes
                raise refuse("FILE_NOT_FOUND", str(failure)) from None
            raise refuse("UNAVAILABLE", f"{domain} does not give its file at present.", retry_after_ms=2000) from None
        if len(found.body) != file.size:
            raise refuse("FILE_NOT_FOUND", f"{domain} gave another file than it named.")
        with _spool(chat) as body, _spool(chat) as rewritten:
            body.write(found.body)
            upload = await _checked(chat, author_id, file, found.body[:SNIFFED_BYTES], len(found.body), body, rewritten)
            info = await store_upload(chat, upload, author_id, "attachment", FileLocation(dm_id=dm_id))
    return FileId(info.file_id)


async def _checked(
    chat: ChatContext,
    author_id: UserId,
    file: RemoteFile,
    head: bytes,
    size: int,
    body: BinaryIO,
    rewritten: BinaryIO,
) -> ReceivedUpload:
    """The file as an upload: its type by its bytes, a picture decoded and written anew."""
    mime = sniff(head) or clean_mime(file.mime) or OCTETS
    if mime == "image/apng":
        mime = "image/png"
    if not chat.config.allows_mime("file", mime):
        raise refuse("UNSUPPORTED_MEDIA_TYPE", f"This server does not accept files of the type {mime}.")
    upload = ReceivedUpload(clean_name(file.name), mime, size, body, None, None, {})
    if mime in FORMATS:
        body.seek(0)
        try:
            dimensions = await chat.upload_limits.reencode(body, mime, rewritten, author_id)
        except Refusal as refusal:
            if refusal.wire_code == "UNAVAILABLE":
                raise
            upload.mime = OCTETS
            return upload
        if dimensions is not None:
            upload.body, upload.size = rewritten, rewritten.tell()
            upload.width, upload.height = dimensions.width, dimensions.height
    return upload


def _spool(chat: ChatContext) -> BinaryIO:
    folder = chat.upload_limits.spool_folder
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=folder))
