"""Emoji and stickers as a pack: a ZIP archive with `pack.json` and the pictures, written and read.

A pack comes from strangers: every picture is decoded and written anew within the bounds of an upload, names are checked as if they
were typed in, and what is refused is named while the rest comes in. A ZIP archive without a manifest is taken, too: each picture is
an emoji named like its file.
"""

import io
import secrets
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from vox.chat.api.validation import validate_name
from vox.chat.community import administrators_in
from vox.chat.config.limits import DEFAULTS
from vox.chat.config.settings import ChatSettings
from vox.chat.database.unit_of_work import AuditEntry, Change, NextId, lock_event_order, persist_outcome
from vox.chat.errors import Refusal
from vox.chat.events.ids import FileId
from vox.chat.features.files import queries
from vox.chat.features.files.custom_images import EMOJI, STICKERS, ImageSort
from vox.chat.features.files.mime_sniffing import SNIFFED_BYTES, sniff
from vox.chat.features.files.stored_files import storage_key
from vox.chat.imports.archive_source import ArchiveSource, damaged
from vox.chat.imports.model import Skipped
from vox.chat.storage.file_links import ADDRESS
from vox.chat.storage.images import FORMATS, re_encode
from vox.errors import UsageError
from vox.providers.storage.contract import Storage
from vox.stores.sql import Connection, SqlDatabase

MANIFEST: Final = "pack.json"
MOST: Final = 5000
LARGEST_PICTURE: Final = 2 << 20
LARGEST_MANIFEST: Final = 4 << 20
MAX_PIXELS: Final = 4_000_000
PAGE: Final = 500
_ENDINGS: Final = {"PNG": "png", "GIF": "gif", "WEBP": "webp", "JPEG": "jpg"}
_SORTS: Final[dict[str, ImageSort]] = {"emoji": EMOJI, "sticker": STICKERS}


class PackedImage(msgspec.Struct, frozen=True):
    """One picture of a pack."""

    name: str
    file: str
    kind: Literal["emoji", "sticker"] = "emoji"


class Pack(msgspec.Struct, frozen=True):
    """The manifest."""

    name: str
    images: list[PackedImage]
    format: str = "vox emoji pack"
    version: int = 1


@dataclass(slots=True)
class PackReport:
    """What came in, and what did not."""

    added: int = 0
    skipped: list[Skipped] = field(default_factory=list[Skipped])


async def export_pack(database: SqlDatabase, storage: Storage, target: Path, name: str) -> tuple[int, list[Skipped]]:
    """Writes all emoji and stickers into a pack; returns how many, and those whose picture is missing.

    Raises:
        UsageError: the file is there or cannot be made (pack_unwritable).
    """
    packed: list[PackedImage] = []
    skipped: list[Skipped] = []
    try:
        archive = zipfile.ZipFile(target, "x", zipfile.ZIP_STORED)
    except OSError as error:
        raise UsageError(
            f"{target} cannot be created: {error.strerror}", code="pack_unwritable", hint="choose another name"
        ) from error
    with archive:
        for sort in (EMOJI, STICKERS):
            after = 0
            while rows := await database.read(
                lambda c, sort=sort, after=after: queries.images_after(c, sort.kind, after, PAGE)
            ):
                for _, image_name, _, url in rows:
                    content = await _stored(storage, sort, str(url))
                    kind = FORMATS.get(sniff(content[:SNIFFED_BYTES])) if content else None
                    if content is None or kind is None:
                        skipped.append(Skipped(sort.kind, str(image_name), "its picture is not stored here"))
                        continue
                    file = f"{sort.kind}/{len(packed):04d}.{_ENDINGS[kind]}"
                    archive.writestr(file, content)
                    packed.append(PackedImage(str(image_name), file, sort.kind))
                after = rows[-1][0]
        archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(Pack(name, packed)), indent=2))
    return len(packed), skipped


async def import_pack(
    settings: ChatSettings, database: SqlDatabase, storage: Storage, source: ArchiveSource, next_id: NextId, now_ms: int
) -> PackReport:
    """Adds the pictures of a pack whose names are free.

    Args:
        settings: of the server.
        database: open, with this version's tables.
        storage: takes the pictures.
        source: the pack.
        next_id: gives snowflakes.
        now_ms: Unix milliseconds.

    Raises:
        UsageError: archive_damaged, archive_refused.
        DependencyError: database or storage failed; what came in stays, and the same pack adds the rest.
    """
    limits = {**DEFAULTS, **settings.limits}
    report = PackReport()
    for image in _listed(source):
        sort = _SORTS[image.kind]
        try:
            name = validate_name(limits.__getitem__, "name", image.name, "emoji_name_max")
            picture, mime = _picture(source, image)
            added = await _add(settings, database, storage, sort, (name, picture, mime), next_id, now_ms)
        except Refusal as refusal:
            report.skipped.append(Skipped(image.kind, image.name[:100], str(refusal)))
            continue
        report.added += added
        if not added:
            report.skipped.append(Skipped(image.kind, name, "the name is taken"))
    return report


def _listed(source: ArchiveSource) -> list[PackedImage]:
    size = source.size(MANIFEST)
    if size is None:
        names = [name for name in source.names() if name.rpartition(".")[2].lower() in {"png", "gif", "webp", "apng"}]
        return [PackedImage(Path(name).stem, name) for name in names[:MOST]]
    if size > LARGEST_MANIFEST:
        raise damaged(MANIFEST, "it is too large")
    with source.open(MANIFEST) as file:
        try:
            pack = msgspec.json.decode(file.read(), type=Pack)
        except (ValueError, RecursionError) as error:
            raise damaged(MANIFEST, str(error)) from error
    if (pack.format, pack.version) != ("vox emoji pack", 1) or len(pack.images) > MOST:
        raise damaged(MANIFEST, f"it is of another format, or has more than {MOST} pictures")
    return pack.images


def _picture(source: ArchiveSource, image: PackedImage) -> tuple[bytes, str]:
    size = source.size(image.file)
    if size is None or size > LARGEST_PICTURE:
        raise Refusal("FILE_NOT_FOUND" if size is None else "FILE_TOO_LARGE", "its picture is missing or too large")
    with source.open(image.file) as file:
        content = file.read()
    mime = sniff(content[:SNIFFED_BYTES])
    out = io.BytesIO()
    if mime not in FORMATS or mime == "image/jpeg" or re_encode(io.BytesIO(content), mime, out, MAX_PIXELS) is None:
        raise Refusal("UNSUPPORTED_MEDIA_TYPE", "its picture is neither PNG, GIF nor WebP")
    return out.getvalue(), mime


async def _add(
    settings: ChatSettings,
    database: SqlDatabase,
    storage: Storage,
    sort: ImageSort,
    image: tuple[str, bytes, str],
    next_id: NextId,
    now_ms: int,
) -> bool:
    """Whether the name was free."""
    name, content, mime = image
    if await database.read(lambda c: queries.is_name_taken(c, sort.kind, name)):
        return False
    file_id = FileId(secrets.token_urlsafe(16))
    key = storage_key(file_id, sort.kind)
    public = settings.s3_public_url.rstrip("/") if settings.storage_backend == "s3" else ""
    url = f"{public}/{key}" if public else ADDRESS.format(file_id)
    await storage.put(key, _whole(content), content_type=mime)

    def insert(connection: Connection) -> bool:
        lock_event_order(connection)
        if queries.is_name_taken(connection, sort.kind, name):
            return False
        row = {
            "id": file_id, "name": name, "size": len(content), "mime": mime, "url": url, "created_at": now_ms // 1000,
            "purpose": sort.kind, "state": "ready",
        }  # fmt: skip
        queries.insert_file(connection, row)
        creator = min(administrators_in(connection), default=None)
        values = {"name": name, "creator_id": creator, "image": url}
        new_id = queries.insert_image(connection, sort.kind, values)
        event = sort.created(**{sort.id_field: new_id}, **values)
        audit = AuditEntry(f"{sort.kind}.create", creator, new_id, {"name": name})
        persist_outcome(connection, Change(None, [event], [audit]), next_id, now_ms)
        return True

    if not await database.write(insert):
        await storage.delete(key)
        return False
    return True


async def _stored(storage: Storage, sort: ImageSort, url: str) -> bytes | None:
    """A picture's bytes; None where they are not in this storage, as an address elsewhere of an original server."""
    file_id = url.rpartition("/")[2].removeprefix("public-")
    try:
        pieces = [piece async for piece in storage.open(storage_key(FileId(file_id), sort.kind))]
    except UsageError:
        return None
    return b"".join(pieces)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
