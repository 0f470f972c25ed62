"""Signed addresses of files, thumbnails and pictures from elsewhere."""

from urllib.parse import parse_qs, urlsplit

import pytest

from vox.chat.events.ids import FileId, UserId
from vox.chat.storage.file_links import Signer
from vox.chat.storage.proxied_links import LONGEST_URL, is_signed, proxied
from vox.chat.storage.signed_links import Grant, is_valid

SECRET = b"s" * 32
SOURCE = "https://pictures.example/ä?a=1&b=2"


def test_a_file_and_its_thumbnail_are_signed_alike():
    signer = Signer(SECRET, UserId(5), 1000)
    for address in (signer.file(FileId("f")), signer.thumbnail(FileId("f"), "image/png", 10)):
        assert address is not None
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        given = Grant(int(query["expires"]), UserId(int(query["user"])), query["signature"])
        assert is_valid(SECRET, FileId("f"), given, 999)
        assert not is_valid(SECRET, FileId("g"), given, 999)


@pytest.mark.parametrize(("mime", "width"), [("text/plain", None), ("image/png", None), ("image/svg+xml", 5)])
def test_what_was_not_decoded_has_no_thumbnail(mime: str, width: int | None):
    assert Signer(SECRET, UserId(5), 1000).thumbnail(FileId("f"), mime, width) is None


def test_a_picture_s_address_says_whose_until_when_and_where_from():
    (found,) = proxied(SECRET, UserId(5), 1000, [SOURCE])
    query = {name: values[0] for name, values in parse_qs(urlsplit(found.url).query).items()}
    assert query["source"] == found.source == SOURCE
    signature = query["signature"]
    assert is_signed(SECRET, UserId(5), 1000, SOURCE, signature)
    assert not is_signed(SECRET, UserId(6), 1000, SOURCE, signature)
    assert not is_signed(SECRET, UserId(5), 1001, SOURCE, signature)
    assert not is_signed(SECRET, UserId(5), 1000, SOURCE + "x", signature)
    assert not is_signed(b"t" * 32, UserId(5), 1000, SOURCE, signature)


def test_only_addresses_of_the_web_are_signed():
    sources = ["data:image/png,x", "javascript:1", "/api/v1/files/x", "ftp://x/y", "https://x/" + "y" * LONGEST_URL]
    assert proxied(SECRET, UserId(5), 1000, sources) == []
