import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.features.files.mime_sniffing import sniff

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (PNG + b"....IHDR....IDAT", "image/png"),
        (PNG + b"....IHDR....acTL....IDAT", "image/apng"),
        (PNG + b"....IHDR....IDAT....acTL", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"RIFF\0\0\0\0XXXX", ""),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1heic", "image/heic"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0msf1", "image/heif"),
        (b"\0\0\0\x18ftypXyz1\0\0\0\0Xyz1", ""),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
        (b"\0\0\0\x14ftypM4A \0\0\0\0M4A ", "audio/mp4"),
        (b"\0\0\0\x14ftypM4V \0\0\0\0M4V ", "video/mp4"),
        (b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 ", "image/jp2"),
        (b"MZ is how this text begins", ""),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0", "application/vnd.microsoft.portable-executable"),
        (b"BZhang wrote this", ""),
        (b"BZh91AY&SY", "application/x-bzip2"),
        (b"ID3 is a format of tags", ""),
        (b"ID3\x04\0\0\0\0\x0a\x0b", "audio/mpeg"),
        (b"%PDF-1.4", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (bytes(257) + b"ustar", "application/x-tar"),
        (b"<svg onload=x>", "image/svg+xml"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- c --><SVG>", "image/svg+xml"),
        ("\ufeff<svg>".encode("utf-16-le"), "image/svg+xml"),
        (b"<!DOCTYPE HTML>", "text/html"),
        (b"<!-- comment --><script>", "text/html"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "application/xhtml+xml"),
        (b"<?xml version='1.0'?><feed/>", "text/xml"),
        (b"hello <html>", ""),
        (b"a < b", ""),
        (b"", ""),
    ],
)
def test_types(head, mime):
    assert sniff(head) == mime


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(head):
    assert "/" in (sniff(head) or "/")
