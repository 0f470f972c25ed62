"""Signed addresses of files and their thumbnails."""

from urllib.parse import parse_qs, urlsplit

import pytest

from vox.chat.events.ids import FileId, UserId
from vox.chat.storage.file_links import Signer
from vox.chat.storage.signed_links import Grant, is_valid

SECRET = b"s" * 32


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
