"""The MIME type of a file by its first bytes. Pure.

Only types that fixed bytes identify are here. Markup is recognised too, so that a page cannot pass for a picture: the type that
a client states counts only where the bytes do not identify one.
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
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (257, b"ustar", "application/x-tar"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS: Final = {b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic",
                  b"mif1": "image/heif", b"qt  ": "video/quicktime", b"M4A ": "audio/mp4"}  # fmt: skip
_HTML: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<iframe", b"<title", b"<style", b"<img")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_MP3_SYNCS: Final = (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


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
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(_MP3_SYNCS):
        return "audio/mpeg"
    return _markup(head)


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
