"""The MIME type of a file by its first bytes. Pure.

Only types that fixed bytes identify are here, and unknown is an answer: a mark of two or three letters may begin any text, so it
counts only with a second sign. Markup is recognised too, so that a page cannot pass for a picture: the type that a client states
counts only where the bytes do not identify one.
"""

from typing import Final

SNIFFED_BYTES: Final = 4096
"""How much of a file is examined."""

_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"OggS\x00", "audio/ogg"),
    (0, b"fLaC\x00", "audio/flac"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (257, b"ustar", "application/x-tar"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS: Final = {
    brand.encode().ljust(4): kind
    for kind, brands in {
        "video/mp4": "isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 mp71 avc1 hvc1 av01 dash cmfc MSNV M4V M4VH M4VP f4v",
        "audio/mp4": "M4A M4B M4P",
        "video/quicktime": "qt",
        "video/3gpp": "3gp4 3gp5 3gp6 3gp7 3gp8 3gp9 3ge6 3gg6",
        "video/3gpp2": "3g2a 3g2b 3g2c",
        "image/avif": "avif avis",
        "image/heic": "heic heix heim heis hevc hevx hevm hevs",
        "image/heif": "mif1 mif2 msf1",
        "image/jp2": "jp2",
        "image/x-canon-cr3": "crx",
    }.items()
    for brand in brands.split()
}
"""Types by the brands that a file says it can be read as (ISO/IEC 14496-12; the registry is mp4ra.org)."""
_CONTAINERS: Final = frozenset({"image/heif"})
"""Types so general that a more special brand beside them counts."""
_HTML: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<iframe", b"<title", b"<style", b"<img")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_NEVER: Final = 0xFF
_SYNC_SAFE: Final = 0x80
"""The size of an ID3 tag is written in bytes below this one; its version is never 0xFF."""
_MP3_KBPS: Final = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_HZ: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Bit and sample rates of layer III, by the version in a frame's header."""


def sniff(head: bytes) -> str:
    """The MIME type of a file that begins with these bytes; empty where they do not identify one.

    Args:
        head: the first SNIFFED_BYTES, or all of a shorter file.
    """
    if head.startswith(_PNG):
        return "image/apng" if _is_animated_png(head) else "image/png"
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    if head.startswith(b"RIFF") and len(head) >= 12:  # noqa: PLR2004  RIFF, size, form
        return _RIFF.get(head[8:12], "")
    return _container(head) or _short_mark(head) or _markup(head)


def _container(head: bytes) -> str:
    """MP4 and its relatives, and Matroska with WebM: by what they say they contain."""
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        beginning = head[:64]
        return "video/webm" if b"webm" in beginning else "video/x-matroska" if b"matroska" in beginning else ""
    size = int.from_bytes(head[:4])
    if head[4:8] != b"ftyp" or not 16 <= size <= SNIFFED_BYTES:  # noqa: PLR2004  size, ftyp, brand, version
        return ""
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, size, 4))]
    kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return next((kind for kind in kinds if kind not in _CONTAINERS), kinds[0] if kinds else "")


def _short_mark(head: bytes) -> str:
    """Types whose own mark is so short that it takes a second sign."""
    if head.startswith(b"BZh") and head[3:4] in b"123456789" and head[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}:
        return "application/x-bzip2"
    if head.startswith(b"MZ"):
        place = int.from_bytes(head[60:64], "little")
        return "application/vnd.microsoft.portable-executable" if head[place : place + 4] == b"PE\0\0" else ""
    if head.startswith(b"ID3") and len(head) >= 10:  # noqa: PLR2004  a tag's header
        is_tag = head[3] in {2, 3, 4} and head[4] != _NEVER and max(head[6:10]) < _SYNC_SAFE
        return "audio/mpeg" if is_tag else ""
    length = _mp3_frame(head)
    return "audio/mpeg" if length and (len(head) < length + 4 or _mp3_frame(head[length:])) else ""


def _mp3_frame(head: bytes) -> int:
    """The length of the MP3 frame that begins here; 0 where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # noqa: PLR2004  sync and layer III
        return 0
    version, rate, hertz = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in _MP3_KBPS or not 0 < rate < 15 or hertz == 3:  # noqa: PLR2004  what is reserved
        return 0
    samples = 144 if version == 3 else 72  # noqa: PLR2004  of a frame, in bytes
    return samples * 1000 * _MP3_KBPS[version][rate] // _MP3_HZ[version][hertz] + (head[2] >> 1 & 1)


def _is_animated_png(head: bytes) -> bool:
    """An animation control chunk stands before the first image data, or the file is a plain PNG."""
    control = head.find(b"acTL", 8)
    data = head.find(b"IDAT", 8)
    return control >= 0 and (data < 0 or control < data)


def _markup(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text.startswith(b"<"):
        return ""
    if b"<svg" in text:
        return "image/svg+xml"
    if text.startswith(b"<?xml"):
        return "application/xhtml+xml" if b"<html" in text else "text/xml"
    if text.startswith(_HTML) or any(start in text for start in _HTML):
        return "text/html"
    return "text/xml" if text.startswith(b"<!doctype") else ""
